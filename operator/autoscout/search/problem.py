"""What is to be found: the space, the objectives and constraints, the algorithm. Fixed for the life of a job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from autoscout.simulators.workload import Hardware, Workload
from autoscout.space.search_space import SearchSpace


class Goal(StrEnum):
    """Which way an objective is better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@dataclass(frozen=True)
class Objective:
    """A metric to make small or large."""

    metric: str
    goal: Goal = Goal.MINIMIZE

    def better(self, left: float, right: float) -> bool:
        """Whether `left` is strictly better than `right`."""
        return left < right if self.goal is Goal.MINIMIZE else left > right

    def speedup(self, value: float, base: float) -> float | None:
        """How many times better `value` is than `base`, or None where a ratio means nothing.

        It means nothing where one is zero or negative, and where the ratio is beyond all numbers.
        """
        over, under = (base, value) if self.goal is Goal.MINIMIZE else (value, base)
        ratio = over / under if over > 0 and under > 0 else math.inf
        return ratio if math.isfinite(ratio) else None


@dataclass(frozen=True)
class MetricConstraint:
    """A bound that a measurement has to keep to be accepted; both ends belong to it."""

    metric: str
    minimum: float | None = None
    maximum: float | None = None

    def holds(self, metrics: Mapping[str, float]) -> bool:
        """Whether the measurement keeps the bound; a metric that is not reported breaks it."""
        value = metrics.get(self.metric)
        if value is None:
            return False
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)


@dataclass(frozen=True)
class Problem:
    """Everything that defines the search. With the ledger it determines every proposal.

    Attributes:
        objectives: at least one; the first one ranks the incumbent.
        settings: the algorithm's own settings (`search.settings`).
        seed: of all randomness of this job.
        workload: what is tuned, for simulators; None: they have nothing to go by.
        hardware: what it runs on, for simulators.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    constraints: tuple[MetricConstraint, ...] = ()
    algorithm: str = "autoscout"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    workload: Workload | None = None
    hardware: Hardware | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that decide, each once: those of the objectives, then those of the constraints."""
        asked = (*(each.metric for each in self.objectives), *(each.metric for each in self.constraints))
        return tuple(dict.fromkeys(asked))


@dataclass(frozen=True)
class Budget:
    """When to stop. These may change while the job runs.

    Attributes:
        max_profiles: measured and infeasible profiles together.
        max_seconds: wall time of the search, suspended time excluded; None: no limit.
        max_gpu_hours: all attempts, start-up included; None: no limit.
        parallelism: profiles in flight at once.
    """

    max_profiles: int = 50
    max_seconds: float | None = None
    max_gpu_hours: float | None = None
    parallelism: int = 1
