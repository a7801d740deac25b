"""Convergence, as an opt-in: the search ends by itself when profiles stop paying (3.1)."""

from __future__ import annotations

from autoscout.search.incumbent import feasible_metrics
from autoscout.search.ledger import Ledger
from autoscout.search.outcome import Infeasible, Measured
from autoscout.search.problem import Goal, Problem


def converged(problem: Problem, ledger: Ledger, patience: int, improvement: float) -> bool:
    """Whether the last profiles brought nothing.

    Args:
        patience: profiles in a row without an improvement; 0: never converged.
        improvement: relative improvement of the first objective that counts.
    """
    if not patience:
        return False
    objective = problem.objectives[0]
    best: float | None = None
    quiet = 0
    for entry in ledger.settled:
        if not isinstance(entry.outcome, Measured | Infeasible):
            continue
        quiet += 1
        metrics = feasible_metrics(problem, entry)
        if metrics is None:
            continue
        value = metrics[objective.metric] * (1 if objective.goal is Goal.MINIMIZE else -1)
        if best is None or value < best - improvement * abs(best):
            best, quiet = value, 0
    return best is not None and quiet >= patience
