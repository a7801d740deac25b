"""A small space with everything that matters: structure, conditions, constraints, grids, a flat knob."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import generator
from autoscout.search.outcome import Infeasible, Measured, Outcome
from autoscout.search.problem import MetricConstraint, Objective, Problem
from autoscout.space.configuration import Configuration
from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

SPACE = SearchSpace(
    (
        Parameter("tp", Kind.STRUCTURAL, (1, 2, 4, 8), 1),
        Parameter("pp", Kind.STRUCTURAL, (1, 2, 4, 8), 1),
        Parameter("ar", Kind.STRUCTURAL, ("none", "full"), "full"),
        Parameter("sp", Kind.STRUCTURAL, (False, True), default=False, active_when=Expression("tp > 1")),
        Parameter("mbs", Kind.EXECUTION, (1, 2, 4, 8), 1),
        Parameter("bucket", Kind.EXECUTION, tuple(range(1, 9)), 1),
        Parameter("flat", Kind.EXECUTION, (0, 1), 0),
    ),
    (Expression("tp * pp <= 8"), Expression("mbs <= 2 || pp == 1 || ar == 'full'")),
)
PROBLEM = Problem(SPACE, (Objective("seconds"),), seed=3)
BOUNDED = Problem(SPACE, (Objective("seconds"),), (MetricConstraint("latency", maximum=6.0),), seed=3)


def outcome(configuration: Mapping[str, Value]) -> Outcome:
    """A system with an optimum inside, knobs that interact, and too little memory in one corner."""
    tp, pp = math.log2(float(configuration["tp"])), math.log2(float(configuration["pp"]))
    mbs = math.log2(float(configuration["mbs"]))
    full = configuration["ar"] == "full"
    if mbs > tp + pp + full:
        return Infeasible("OutOfMemory")
    cost = 0.3 * abs(tp - 1.5) + 0.2 * pp - 0.1 * mbs + 0.25 * full + 0.03 * abs(float(configuration["bucket"]) - 5)
    cost -= 0.1 * bool(configuration.get("sp", False))
    return Measured({"seconds": 10 * math.exp(cost), "latency": 1 + 2 * mbs})


def entries(configurations: Sequence[Configuration]) -> tuple[Entry, ...]:
    return tuple(
        Entry(Trial(number, configuration, "test"), (), outcome(configuration), number)
        for number, configuration in enumerate(configurations)
    )


def drawn(count: int, seed: int = 0) -> list[Configuration]:
    """Distinct configurations, the default first."""
    rng = generator(seed, 0)
    found = {SPACE.default(): None}
    while len(found) < count:
        found[SPACE.sample(rng)] = None
    return list(found)


def ledger(count: int, seed: int = 0) -> Ledger:
    return Ledger(entries(drawn(count, seed)))
