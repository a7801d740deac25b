"""The history as the rivals see it: configurations and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from autoscout.search.incumbent import feasible_metrics
from autoscout.search.ledger import Ledger
from autoscout.search.outcome import Lost, Measured, Outcome
from autoscout.search.problem import Goal, Problem
from autoscout.space.configuration import Configuration


@dataclass(frozen=True)
class Sample:
    """One profile that told something.

    Attributes:
        cost: smaller is better: the first objective, negated where more is better. None where the configuration
            can't run or breaks a constraint.
        metrics: what was measured; None where it can't run.
        proposer: who proposed it.
        violation: by how much it breaks the constraints, relative to the bounds and summed; 0 where it breaks
            none, infinite where it can't run.
    """

    configuration: Configuration
    cost: float | None
    metrics: Mapping[str, float] | None
    proposer: str
    violation: float = 0.0

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: feasible ones by cost, then those that break bounds by how much, then those that crash.

        The rules of Deb, "An efficient constraint handling method for genetic algorithms", CMAME 2000.
        """
        return (0.0, self.cost) if self.cost is not None else (1.0, self.violation)


def samples(problem: Problem, history: Ledger) -> tuple[Sample, ...]:
    """Every profile that told something, in the order in which they ended."""
    objective = problem.objectives[0]
    sign = 1.0 if objective.goal is Goal.MINIMIZE else -1.0
    found = []
    for entry in history.settled:
        if isinstance(entry.outcome, Lost):
            continue
        kept = feasible_metrics(problem, entry)
        found.append(
            Sample(
                entry.trial.configuration,
                None if kept is None else sign * kept[objective.metric],
                entry.outcome.metrics if isinstance(entry.outcome, Measured) else None,
                entry.trial.proposer,
                0.0 if kept is not None else _violation(problem, entry.outcome),
            )
        )
    return tuple(found)


def _violation(problem: Problem, outcome: Outcome | None) -> float:
    if not isinstance(outcome, Measured):
        return math.inf
    excess = 0.0
    for bound in problem.constraints:
        value = outcome.metrics.get(bound.metric)
        if value is None:
            return math.inf
        for limit, over in ((bound.maximum, 1.0), (bound.minimum, -1.0)):
            if limit is not None:
                excess += max(0.0, over * (value - limit)) / (abs(limit) or 1.0)
    return excess


def logarithmic(values: list[float]) -> list[float]:
    """Logarithms, where all values have one sign: times and rates differ by factors. Else the values.

    The order is kept: smaller stays smaller.
    """
    if all(value > 0 for value in values):
        return [math.log(value) for value in values]
    if all(value < 0 for value in values):
        return [-math.log(-value) for value in values]
    return list(values)


def penalised(observed: tuple[Sample, ...]) -> list[float]:
    """The cost of each sample on the scale of `logarithmic`; that of an infeasible one is the worst seen.

    The worst counts a little worse still, by a tenth of the range, so that a search that ranks can tell them
    apart. Zeros while nothing is feasible.
    """
    costs = iter(logarithmic([sample.cost for sample in observed if sample.cost is not None]))
    values = [None if sample.cost is None else next(costs) for sample in observed]
    known = [value for value in values if value is not None]
    worst = max(known) + 0.1 * (max(known) - min(known)) if known else 0.0
    return [worst if value is None else value for value in values]
