"""What became of a profile. Failure is data, never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measured:
    """The profile ran and reported.

    Attributes:
        metrics: metric name to value; the unit is in the name (`seconds_per_iteration`, `peak_memory_gib`).
        samples: metric name to every sample behind the value, in the order of measurement.
    """

    metrics: Mapping[str, float]
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Infeasible:
    """The configuration itself can't run: out of memory, refused, crashed, too slow. It is not repeated."""

    reason: str
    """One word in CamelCase, as in a Kubernetes condition: `OutOfMemory`, `DeadlineExceeded`, `NonZeroExit`."""
    message: str = ""


@dataclass(frozen=True)
class Lost:
    """The infrastructure failed (eviction, node loss, no capacity); it says nothing of the configuration."""

    reason: str
    message: str = ""


Outcome = Measured | Infeasible | Lost
