"""The ensemble of the paper's simulators: weights from R^2 on held-out data (App. B, Eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.regression import KNOBS, Regression, features, fit
from autoscout.simulators.workload import Hardware
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Regressions with their weights.

    Attributes:
        members: as fitted.
        weights: of each, [len(members)]; their sum is 1.
        hardware: that the members were fitted for.
    """

    members: tuple[Regression, ...]
    weights: Floats
    hardware: Hardware

    def predict(self, configurations: Sequence[Mapping[str, Value]]) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the metric, [N] each: the weighted mixture of the members."""
        means = np.stack([each.predict(features(each.name, configurations, self.hardware)) for each in self.members])
        spreads = np.array([each.residual for each in self.members])
        mean = self.weights @ means
        square = self.weights @ (means**2 + spreads[:, None] ** 2)
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def weights(r_squared: Sequence[float]) -> Floats | None:
    """Eq. 2: max(0, R^2) of each, divided by their sum; None where no member explains anything."""
    positive = np.maximum(0.0, np.asarray(r_squared, float))
    total = positive.sum()
    return positive / total if total > 0 else None


def fit_ensemble(
    configurations: Sequence[Mapping[str, Value]], values: Sequence[float], hardware: Hardware
) -> Ensemble | None:
    """The four simulators of Table 2, fitted to what was measured so far.

    Returns:
        None while no member predicts held-out measurements better than their mean does.
    """
    measured = np.asarray(values, float)
    if len(measured) < 3:
        return None
    members = tuple(fit(name, features(name, configurations, hardware), measured) for name in KNOBS)
    found = weights([member.r_squared for member in members])
    return None if found is None else Ensemble(members, found, hardware)
