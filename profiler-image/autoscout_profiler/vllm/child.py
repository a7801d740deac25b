"""The process that the supervisor starts: one configuration of vLLM under one load, from the trial to the result."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from autoscout_profiler.runner import child
from autoscout_profiler.runner.launch import Place
from autoscout_profiler.vllm import environment
from autoscout_profiler.vllm.measurement import Measurement
from autoscout_profiler.vllm.settings import Settings


def main(reporter: child.RankReporter) -> None:
    """Measure one trial and report it."""
    os.environ.update(environment.before_import(os.environ))
    settings = Settings.read(
        reporter.configuration,
        reporter.workload,
        reporter.hardware,
        reporter.warmup_iterations,
        reporter.iterations,
    )
    # Late: what is wrong with the trial itself is said at once, and the variables above are read by this import.
    from autoscout_profiler.vllm.launch import start  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="autoscout-model-") as directory:
        started = start(settings, Path(directory), Place.read(os.environ))
        if started is None:
            return
        measurement = Measurement(reporter, settings, started, reporter.seconds_since_start())
        reporter.when_stopped(measurement.report_early)
        measurement.run()
        begin = time.perf_counter()
        started.engine.close()
        print(f"the engine ended in {time.perf_counter() - begin:.1f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    child.run(main)
