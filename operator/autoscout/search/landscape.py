"""A landscape: every valid configuration of a job with what a profile of it reports. Optimizers are compared on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from autoscout.search.incumbent import feasible_metrics
from autoscout.search.ledger import Entry, Trial
from autoscout.search.outcome import Infeasible, Measured, Outcome
from autoscout.search.problem import Goal, Problem
from autoscout.space.configuration import Configuration


class Status(StrEnum):
    """How a profile of the row ends."""

    OK = "ok"
    OOM = "oom"
    FAILED = "failed"


@dataclass(frozen=True)
class Row:
    """What a profile of one configuration reports; metrics count only where the status is `ok`."""

    configuration: Configuration
    status: Status
    metrics: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Landscape:
    """A problem whose every outcome is known.

    Attributes:
        rows: by the fingerprint of the configuration.
    """

    name: str
    problem: Problem
    rows: Mapping[str, Row]

    def outcome(self, configuration: Configuration, *, seed: int = 0, noise: float = 0.0) -> Outcome:
        """What a profile of the configuration comes to.

        Args:
            seed: of the noise; a configuration is measured alike by every algorithm with the same seed.
            noise: standard deviation of the logarithm of the factor on each reported metric; 0: the true values.
        """
        row = self.rows.get(configuration.fingerprint)
        if row is None:
            return Infeasible("NotInTable", "the table has no row for this configuration")
        if row.status is Status.OOM:
            return Infeasible("OutOfMemory", "status oom in the table")
        if row.status is Status.FAILED:
            return Infeasible("NonZeroExit", "status failed in the table")
        metrics = dict(row.metrics)
        if noise > 0:
            rng = np.random.Generator(
                np.random.PCG64(np.random.SeedSequence((seed, int(configuration.fingerprint, 16))))
            )
            factors = np.exp(noise * rng.standard_normal(len(metrics)))
            metrics = {metric: value * float(factors[i]) for i, (metric, value) in enumerate(metrics.items())}
        return Measured(metrics, {metric: (value,) for metric, value in metrics.items()})

    def value(self, configuration: Configuration) -> float | None:
        """The true value of the first objective; None where it can't run or truly breaks a constraint."""
        outcome = self.outcome(configuration)
        metrics = feasible_metrics(self.problem, Entry(Trial(0, configuration, "table"), outcome=outcome))
        return None if metrics is None else metrics[self.problem.objectives[0].metric]

    @cached_property
    def optimum(self) -> float | None:
        """The best true value of the first objective among the feasible rows; None where there is none."""
        values = [value for row in self.rows.values() if (value := self.value(row.configuration)) is not None]
        if not values:
            return None
        return min(values) if self.problem.objectives[0].goal is Goal.MINIMIZE else max(values)
