"""How fast the engine is, and how much memory it takes: `python -m tests.benchmarks.speed`.

Measured on this machine, in one thread; figures differ between machines. Spaces and ledgers are made up.
"""

# ruff: noqa: T201 - a command prints

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from autoscout.search.autoscout import AutoScout
from autoscout.search.encoding import pool_of
from autoscout.search.fold import Fold
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.observations import observe
from autoscout.search.optimizer import generator
from autoscout.search.outcome import Infeasible, Measured
from autoscout.search.problem import Objective, Problem
from autoscout.search.settings import read
from autoscout.search.trend import trend
from autoscout.simulators.workload import Hardware, Pool
from autoscout.space.configuration import Configuration
from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

PROPOSALS = 15
"""Proposals that are timed, each one more trial in the ledger."""
PREDICTED = 100_000


def space_of(steps: int) -> SearchSpace:
    """Parallelism degrees of 8 GPUs, and three grids of so many steps."""
    powers = (1, 2, 4, 8)
    grid = tuple(range(1, steps + 1))
    return SearchSpace(
        (
            *(Parameter(name, Kind.STRUCTURAL, powers, 8 if name == "dp" else 1) for name in ("tp", "pp", "dp")),
            Parameter("ar", Kind.STRUCTURAL, ("none", "selective", "full"), "full"),
            Parameter("zero1", Kind.STRUCTURAL, (False, True), default=False),
            Parameter("mbs", Kind.EXECUTION, powers, 1),
            *(Parameter(name, Kind.EXECUTION, grid, 1) for name in ("bucket", "tp_comm", "buckets")),
        ),
        (Expression("tp * pp * dp == 8"),),
    )


def ledger_of(problem: Problem, count: int) -> Ledger:
    """Trials drawn uniformly, with made-up outcomes of which some ran out of memory."""
    rng = np.random.default_rng(0)
    drawn: dict[Configuration, None] = {problem.space.default(): None}
    while len(drawn) < count:
        drawn[problem.space.sample(rng)] = None
    return Ledger(
        tuple(
            Entry(Trial(number, configuration, "made-up"), (), _outcome(configuration), number)
            for number, configuration in enumerate(drawn)
        )
    )


def _outcome(configuration: Configuration) -> Measured | Infeasible:
    read_ = {name: float(value) for name, value in configuration.items() if isinstance(value, int)}
    memory = 90 / (read_["tp"] * read_["pp"]) * (1 + 0.2 * read_["mbs"]) / (2 if configuration["ar"] == "full" else 1)
    if memory > 80:
        return Infeasible("OutOfMemory")
    seconds = (
        10 * (1 + 0.1 * abs(np.log2(read_["tp"]) - 1)) * (1 + 0.02 * abs(read_["bucket"] - 4)) / read_["mbs"] ** 0.1
    )
    return Measured({"seconds": seconds, "peak_memory_gib": memory})


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def proposals(problem: Problem, ledger: Ledger) -> tuple[float, float, float]:
    """Milliseconds of the first proposal, of the median and of the slowest one after it."""
    taken = []
    for _ in range(PROPOSALS + 1):
        number = ledger.next_number
        start = time.perf_counter()
        found = AutoScout().suggest(problem, ledger, generator(0, number), 1)[0]
        taken.append(1e3 * (time.perf_counter() - start))
        outcome = _outcome(found.configuration)
        ledger = Ledger((*ledger.entries, Entry(Trial(number, found.configuration, "timed"), (), outcome, number)))
    return taken[0], statistics.median(taken[1:]), max(taken[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    argparse.ArgumentParser(prog="python -m tests.benchmarks.speed", description=__doc__).parse_args(arguments)
    hardware = Hardware((Pool("a100", "NVIDIA-A100-SXM4-80GB", 1, 8),))
    for steps, trials in ((5, 200), (16, 200)):
        problem = Problem(space_of(steps), (Objective("seconds"),), hardware=hardware)
        first, usual, slowest = proposals(problem, ledger_of(problem, trials))
        print(
            f"a proposal with {problem.space.count():,} configurations, {trials} trials: {usual:.0f} ms in the median, "
            f"{slowest:.0f} at most, {first:.0f} the first one",
            flush=True,
        )
    problem = Problem(space_of(6), (Objective("seconds"),), hardware=hardware)
    ledger = ledger_of(problem, 500)
    pool_of(problem.space)
    print(f"refolding a ledger of 500 trials: {timed(lambda: Fold(problem, read({}), ledger)):.2f} s")
    seen = observe(problem, ledger)
    found = trend(problem.space, hardware, seen.levels[seen.ran], seen.metrics["seconds"][seen.ran])
    if found is not None:
        asked = np.resize(pool_of(problem.space).levels, (PREDICTED, len(problem.space.parameters)))
        rate = PREDICTED / timed(lambda: found.predict(asked))
        print(f"the ensemble of regressions predicts {rate:,.0f} configurations a second")
    print(f"memory of this process at its peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
