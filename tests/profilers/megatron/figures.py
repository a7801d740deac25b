"""The figures of docs/reference/megatron.md, measured on this machine: times, memory, spread of repetitions.

python -m tests.profilers.megatron.figures      # in the profilers' environment
"""

from __future__ import annotations

import os
import sys
from statistics import median
from typing import Any

from tests.profilers.megatron.profiles import Profiled, profile

from autoscout_profiler.frames import Result

WORKLOAD: dict[str, Any] = {
    "framework": "megatron",
    "task": "training",
    "globalBatchSize": 8,
    "sequenceLength": 128,
    "model": {
        "architecture": {
            "layers": 4,
            "hiddenSize": 256,
            "ffnHiddenSize": 1024,
            "attentionHeads": 8,
            "queryGroups": 4,
            "vocabSize": 1024,
        }
    },
}
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"mbs": 1},
    {"mbs": 8},
    {"mbs": 8, "ar": "selective"},
    {"mbs": 8, "ar": "full"},
    {"tp": 2, "mbs": 8},
    {"tp": 2, "sp": True, "mbs": 8},
    {"pp": 2, "mbs": 2},
    {"pp": 2, "vpp": 2, "mbs": 2},
    {"dp": 2, "mbs": 4},
    {"dp": 2, "mbs": 4, "zero1": True, "dpo": True, "ddp": 4},
    {"cp": 2, "mbs": 8},
)
REPEATED: tuple[dict[str, Any], ...] = ({"mbs": 8}, {"tp": 2, "mbs": 8})
REPETITIONS = 5
ITERATIONS = 10


def main() -> int:
    say(f"{os.cpu_count()} CPUs, {ITERATIONS} iterations\n")
    table("Configuration", "s an iteration", "±", "GiB, by rank", "start-up s", "warm-up s", "timed s", "end s", "load")
    for configuration in CONFIGURATIONS:
        done, result = measured(configuration)
        metrics, samples = result.metrics, result.samples
        row(
            words(configuration),
            f"{metrics['seconds_per_iteration']:.3f}",
            f"{metrics['seconds_per_iteration_uncertainty']:.3f}",
            ", ".join(f"{peak:.2f}" for peak in samples["peak_memory_gib"]),
            f"{metrics['startup_seconds']:.1f}",
            f"{metrics['warmup_seconds']:.1f}",
            f"{sum(samples['seconds_per_iteration']):.1f}",
            f"{done.teardown:.1f}",
            f"{os.getloadavg()[0]:.1f}",
        )
    say("")
    table("Configuration", f"s an iteration, {REPETITIONS} times", "spread", "±", "covers the middle one", "load")
    for configuration in REPEATED:
        results = [measured(configuration)[1].metrics for _ in range(REPETITIONS)]
        seconds = [each["seconds_per_iteration"] for each in results]
        margins = [each["seconds_per_iteration_uncertainty"] for each in results]
        middle = median(seconds)
        covered = sum(abs(value - middle) <= margin for value, margin in zip(seconds, margins, strict=True))
        row(
            words(configuration),
            ", ".join(f"{value:.3f}" for value in seconds),
            f"{100 * (max(seconds) - min(seconds)) / middle:.1f} %",
            ", ".join(f"{margin:.3f}" for margin in margins),
            f"{covered} of {REPETITIONS}",
            f"{os.getloadavg()[0]:.1f}",
        )
    return 0


def table(*columns: str) -> None:
    row(*columns)
    say("|" + "---|" * len(columns))


def row(*cells: str) -> None:
    say(f"| {' | '.join(cells)} |")


def measured(configuration: dict[str, Any]) -> tuple[Profiled, Result]:
    done = profile(configuration, WORKLOAD, iterations=ITERATIONS)
    assert isinstance(done.last, Result), done.log
    return done, done.last


def words(configuration: dict[str, Any]) -> str:
    return " ".join(f"{name}={str(value).lower()}" for name, value in configuration.items())


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
