"""What the ledger says, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscout.search.encoding import levels_of
from autoscout.search.footprint import METRIC
from autoscout.search.gaussian import Floats, Levels
from autoscout.search.incumbent import feasible_metrics
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.outcome import Infeasible, Measured
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration

OUT_OF_MEMORY = "OutOfMemory"
"""Reason of an `Infeasible` outcome."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Settled trials that told something, in the order of commitment; n of them.

    Attributes:
        levels: [n, P].
        ran: whether it was measured (else it can't run), [n].
        accepted: whether it was measured and keeps every constraint, [n].
        exhausted: whether it ran out of memory, [n].
        metrics: by name, [n]; nan where it was not reported.
        variance: of the mean of repeated samples, relative to the value squared; by metric, [n]; 0: not known.
    """

    configurations: tuple[Configuration, ...]
    levels: Levels
    ran: np.ndarray[tuple[int], np.dtype[np.bool_]]
    accepted: np.ndarray[tuple[int], np.dtype[np.bool_]]
    exhausted: np.ndarray[tuple[int], np.dtype[np.bool_]]
    metrics: dict[str, Floats]
    variance: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.configurations)

    def first(self, count: int) -> Observations:
        """The first so many of them."""
        return Observations(
            self.configurations[:count],
            self.levels[:count],
            self.ran[:count],
            self.accepted[:count],
            self.exhausted[:count],
            {name: values[:count] for name, values in self.metrics.items()},
            {name: values[:count] for name, values in self.variance.items()},
        )

    @property
    def identity(self) -> bytes:
        """Equal for equal observations, and for those only."""
        arrays = [self.levels, self.ran, self.accepted, self.exhausted, *self.metrics.values(), *self.variance.values()]
        return b"".join(array.tobytes() for array in arrays)


def observe(problem: Problem, ledger: Ledger) -> Observations:
    """The observations in a ledger. Lost trials say nothing and are left out."""
    entries = [entry for entry in ledger.settled if isinstance(entry.outcome, Measured | Infeasible)]
    configurations = tuple(entry.trial.configuration for entry in entries)
    names = tuple(dict.fromkeys((*problem.metrics, METRIC)))
    return Observations(
        configurations=configurations,
        levels=levels_of(problem.space, configurations),
        ran=np.array([isinstance(entry.outcome, Measured) for entry in entries], dtype=np.bool_),
        accepted=np.array([feasible_metrics(problem, entry) is not None for entry in entries], dtype=np.bool_),
        exhausted=np.array(
            [isinstance(entry.outcome, Infeasible) and entry.outcome.reason == OUT_OF_MEMORY for entry in entries],
            dtype=np.bool_,
        ),
        metrics={name: np.array([_value(entry, name) for entry in entries], dtype=np.float64) for name in names},
        variance={name: np.array([_variance(entry, name) for entry in entries], dtype=np.float64) for name in names},
    )


def waiting(ledger: Ledger) -> Sequence[Configuration]:
    """Configurations in flight, by number."""
    return [entry.trial.configuration for entry in sorted(ledger.pending, key=lambda entry: entry.trial.number)]


def _value(entry: Entry, metric: str) -> float:
    value = entry.outcome.metrics.get(metric, np.nan) if isinstance(entry.outcome, Measured) else np.nan
    return float(value) if np.isfinite(value) else np.nan


def _variance(entry: Entry, metric: str) -> float:
    samples = entry.outcome.samples.get(metric, ()) if isinstance(entry.outcome, Measured) else ()
    if len(samples) < 2 or not np.isfinite(samples).all() or not np.mean(samples):
        return 0.0
    return float(np.var(samples, ddof=1) / len(samples) / np.mean(samples) ** 2)
