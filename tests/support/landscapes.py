"""Small landscapes whose every outcome is known, computed from a formula."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace

from tests.unit.space.spaces import parameter, space

from autoscout.baselines import ALGORITHMS, NEEDS, algorithm
from autoscout.search.landscape import Landscape, Row, Status
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import generator
from autoscout.search.outcome import Infeasible, Measured, Outcome
from autoscout.search.problem import Goal, MetricConstraint, Objective, Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Kind, Parameter

SPACE = space(
    parameter("tp", [1, 2, 4, 8]),
    parameter("pp", [1, 2, 4, 8]),
    parameter("dp", [1, 2, 4, 8], default=8),
    parameter("recompute", ["none", "selective", "full"], default="full"),
    parameter("sp", [False, True], when="tp > 1"),
    Parameter("mbs", Kind.EXECUTION, (1, 2, 4, 8), 1),
    Parameter("share", Kind.EXECUTION, (0.25, 0.5, 1.0), 1.0),
    constraints=["tp * pp * dp == 8"],
)
"""Several hundred configurations: a product to keep, a condition, a text, a boolean, a grid of fractions."""

PROBLEM = Problem(SPACE, (Objective("seconds"),), (MetricConstraint("latency", maximum=60.0),))

TINY = Problem(
    space(
        parameter("n", [1, 2, 4]),
        parameter("on", [False, True]),
        parameter("m", [0, 1], when="on"),
        parameter("k", [7]),
    ),
    (Objective("rate", Goal.MAXIMIZE),),
)
"""Nine configurations."""


def seconds(configuration: Configuration) -> float:
    """A smooth time with an interaction; the best is not at a corner."""
    tp, pp, mbs = (math.log2(float(configuration[name])) for name in ("tp", "pp", "mbs"))
    overlap = 0.3 if configuration.get("sp") else 0.0
    extra = {"none": 0.0, "selective": 0.4, "full": 1.5}[str(configuration["recompute"])]
    return (
        4
        + (tp - 1 - overlap) ** 2
        + (pp - 1) ** 2
        + 0.5 * (mbs - tp) ** 2
        + extra
        + 0.1 * float(configuration["share"])
    )


def outcome(configuration: Configuration) -> Outcome:
    """The default runs out of memory, as defaults do."""
    memory = 100 / (float(configuration["tp"]) * float(configuration["pp"])) + 3 * float(configuration["mbs"])
    if memory > 90:
        return Infeasible("OutOfMemory")
    return Measured({"seconds": seconds(configuration), "latency": 10 * float(configuration["mbs"])})


def landscape(problem: Problem = PROBLEM) -> Landscape:
    """The table of `PROBLEM`."""
    rows = {}
    for configuration in problem.space.enumerate():
        found = outcome(configuration)
        runs = isinstance(found, Measured)
        rows[configuration.fingerprint] = Row(
            configuration, Status.OK if runs else Status.OOM, dict(found.metrics) if runs else {}
        )
    return Landscape("modelled", problem, rows)


def tiny_landscape() -> Landscape:
    rows = {
        each.fingerprint: Row(each, Status.OK, {"rate": float(each["n"]) + bool(each["on"]) + float(each.get("m", 0))})
        for each in TINY.space.enumerate()
    }
    return Landscape("tiny", TINY, rows)


def history(problem: Problem, settled: int, pending: int = 0, *, seed: int = 0, feasible: bool = True) -> Ledger:
    """A ledger of random trials after the default.

    Args:
        feasible: whether what ended is measured; else all of it ran out of memory.
    """
    rng = generator(seed, 10_000)
    configurations = {problem.space.default().fingerprint: problem.space.default()}
    while len(configurations) < settled + pending:
        drawn = problem.space.sample(rng)
        configurations.setdefault(drawn.fingerprint, drawn)
    entries = []
    for number, configuration in enumerate(configurations.values()):
        entry = Entry(Trial(number, configuration, "default" if number == 0 else "random"))
        if number < settled:
            end = outcome(configuration) if feasible else Infeasible("OutOfMemory")
            entry = replace(entry, outcome=end, position=number)
        entries.append(entry)
    return Ledger(tuple(entries))


def suggested(name: str, problem: Problem, ledger: Ledger, count: int) -> list[str]:
    """Fingerprints of what the algorithm proposes next; a process of its own can run it."""
    rng = generator(problem.seed, ledger.next_number)
    problem = replace(problem, algorithm=name)
    return [each.configuration.fingerprint for each in algorithm(name).suggest(problem, ledger, rng, count)]


def missing_packages(name: str) -> list[str]:
    """Packages that the algorithm needs and that are not installed."""
    return [package for package in NEEDS.get(name, ()) if importlib.util.find_spec(package) is None]


NAMES = tuple(ALGORITHMS)
