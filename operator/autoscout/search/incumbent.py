"""The best feasible measurement so far."""

from __future__ import annotations

from collections.abc import Mapping

from autoscout.search.ledger import Entry, Ledger
from autoscout.search.outcome import Measured
from autoscout.search.problem import Problem


def feasible_metrics(problem: Problem, entry: Entry) -> Mapping[str, float] | None:
    """The metrics of a measurement that reports every objective and keeps every constraint, else None."""
    if not isinstance(entry.outcome, Measured):
        return None
    metrics = entry.outcome.metrics
    reported = all(objective.metric in metrics for objective in problem.objectives)
    return metrics if reported and all(c.holds(metrics) for c in problem.constraints) else None


def incumbent(problem: Problem, ledger: Ledger) -> Entry | None:
    """The entry that is best by the first objective among the feasible ones; the earlier one of equals."""
    objective = problem.objectives[0]
    best: tuple[float, Entry] | None = None
    for entry in ledger.settled:
        metrics = feasible_metrics(problem, entry)
        if metrics is None:
            continue
        value = metrics[objective.metric]
        if best is None or objective.better(value, best[0]):
            best = (value, entry)
    return best[1] if best else None


def default_entry(ledger: Ledger) -> Entry | None:
    """The entry of trial 0, the default configuration: the base of every speed-up."""
    return next((entry for entry in ledger.entries if entry.trial.number == 0), None)


def speedup(problem: Problem, ledger: Ledger) -> float | None:
    """How many times better the incumbent is than the default by the first objective.

    None until both are measured. The default is the base even where it breaks a constraint: that a latency
    bound cost throughput is what the user wants to see.
    """
    best, base = incumbent(problem, ledger), default_entry(ledger)
    if best is None or base is None or not isinstance(base.outcome, Measured):
        return None
    objective = problem.objectives[0]
    value, reference = _value(best, objective.metric), _value(base, objective.metric)
    if value is None or reference is None:
        return None
    return objective.speedup(value, reference)


def _value(entry: Entry, metric: str) -> float | None:
    return entry.outcome.metrics.get(metric) if isinstance(entry.outcome, Measured) else None
