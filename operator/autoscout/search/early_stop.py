"""Which running profiles can no longer win. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from autoscout.search.incumbent import feasible_metrics, incumbent
from autoscout.search.ledger import Ledger
from autoscout.search.outcome import Measured
from autoscout.search.problem import Goal, Problem

REPORTS: Final = 3
"""So many reports of the objective are needed before they are believed."""
LEAST_MARGIN: Final = 0.5
"""A profile is stopped only if its best report is at least so much worse than the incumbent: a slow first iteration, or
a neighbour on the machine, is not the configuration's fault."""
_SAMPLES: Final = 3
"""A spread of fewer samples says nothing."""


def standard(problem: Problem, ledger: Ledger) -> float | None:
    """The value of the objective that no optimist may still see in a profile that goes on; None: none is stopped.

    It is the incumbent's, made worse by a margin: `LEAST_MARGIN`, or what the ledger shows of noise, if that is more.
    With several objectives a profile that is bad by one of them may be best by another, so none is stopped.
    """
    if len(problem.objectives) != 1:
        return None
    [objective] = problem.objectives
    best = incumbent(problem, ledger)
    metrics = feasible_metrics(problem, best) if best is not None else None
    if metrics is None or metrics[objective.metric] <= 0:
        return None  # a ratio means nothing
    factor = 1 + max(LEAST_MARGIN, _spread(ledger, objective.metric))
    value = metrics[objective.metric]
    return value * factor if objective.goal is Goal.MINIMIZE else value / factor


def cannot_win(problem: Problem, limit: float | None, number: int, reports: Sequence[float]) -> bool:
    """Whether a running profile is to be stopped.

    Args:
        limit: `standard`.
        number: of its trial. Trial 0 is never stopped: it is the base of every speed-up.
        reports: what it has reported of the objective so far, oldest first.
    """
    if limit is None or number == 0 or len(reports) < REPORTS:
        return False
    objective = problem.objectives[0]
    optimistic = min(reports) if objective.goal is Goal.MINIMIZE else max(reports)
    return objective.better(limit, optimistic)


def _spread(ledger: Ledger, metric: str) -> float:
    """How far the samples of a typical profile reach from their median, as a part of it."""
    spreads = []
    for entry in ledger.settled:
        if isinstance(entry.outcome, Measured):
            samples = entry.outcome.samples.get(metric, ())
            middle = median(samples) if len(samples) >= _SAMPLES else 0.0
            if middle > 0:
                spreads.append(max(abs(sample - middle) for sample in samples) / middle)
    return median(spreads) if spreads else 0.0
