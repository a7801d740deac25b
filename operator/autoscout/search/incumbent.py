"""The best feasible measurement so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, isfinite, sqrt
from statistics import fmean, median

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


@dataclass(frozen=True)
class Judged:
    """A feasible measurement, as the choice of the incumbent sees it.

    Attributes:
        value: of the first objective.
        samples: how many there are behind it, at least 1.
        spread: standard deviation of the samples, relative to their mean; None: fewer than two.
    """

    entry: Entry
    value: float
    samples: int
    spread: float | None


def incumbent(problem: Problem, ledger: Ledger) -> Entry | None:
    """The feasible entry that is best by the first objective, noise considered; the earlier one of equals.

    Each value is made worse by one standard error of its samples before they are compared, so that a measurement which
    was merely lucky does not win: repeated samples decide. One that has a single sample is as uncertain as the samples
    of the others make it; where none has several, the plain values are compared.
    """
    return best_of(problem, judged(problem, ledger))


def judged(problem: Problem, ledger: Ledger) -> tuple[Judged, ...]:
    """The feasible measurements, in the order of commitment."""
    metric = problem.objectives[0].metric
    found = []
    for entry in ledger.settled:
        metrics = feasible_metrics(problem, entry)
        if metrics is None or not isinstance(entry.outcome, Measured):
            continue
        samples = entry.outcome.samples.get(metric, ())
        mean = fmean(samples) if len(samples) > 1 else 0.0
        spread = _deviation(samples, mean) / abs(mean) if mean and isfinite(mean) else None
        found.append(Judged(entry, metrics[metric], max(1, len(samples)), spread))
    return tuple(found)


def _deviation(samples: Sequence[float], mean: float) -> float:
    """The standard deviation: that of `statistics` counts in fractions, and every look at a status needs it."""
    return hypot(*(value - mean for value in samples)) / sqrt(len(samples) - 1)


def best_of(problem: Problem, entries: Sequence[Judged]) -> Entry | None:
    """The best of some measurements; see `incumbent`."""
    objective = problem.objectives[0]
    spreads = [each.spread for each in entries if each.spread is not None]
    usual = median(spreads) if spreads else 0.0
    worse = 1.0 if objective.better(0.0, 1.0) else -1.0
    best: tuple[float, Entry] | None = None
    for each in entries:
        spread = usual if each.spread is None else each.spread
        bound = each.value + worse * abs(each.value) * spread / sqrt(each.samples)
        if best is None or objective.better(bound, best[0]):
            best = (bound, each.entry)
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
