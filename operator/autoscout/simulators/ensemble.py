"""The ensemble of the paper's simulators: weights from R^2 on held-out data (App. B, Eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.regression import KNOBS, Regression, fit

Floats = npt.NDArray[np.float64]
Knobs = Callable[[str], Floats]
"""The knobs of N configurations for one of Table 2's simulators, by its name, [N, K]: see `regression.features`."""

LEAST = 4
"""Measurements before which there is no ensemble: a line through two or three of them says nothing of a fourth."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Regressions with their weights.

    Attributes:
        members: those whose weight is above 0.
        weights: of each; their sum is 1.
        left_out: by how much each of the n fitted measurements exceeds what the others predict of it, [n].
    """

    members: tuple[Regression, ...]
    weights: tuple[float, ...]
    left_out: Floats

    def predict(self, knobs: Knobs) -> Floats:
        """The weighted mean of the members' predictions, [N], in the unit of what was fitted."""
        predictions = np.stack([each.predict(knobs(each.name)) for each in self.members])
        mean: Floats = np.asarray(self.weights) @ predictions
        return mean


def weights(r_squared: Sequence[float]) -> Floats | None:
    """Eq. 2: max(0, R^2) of each, divided by their sum; None where no member explains anything."""
    positive = np.maximum(0.0, np.asarray(r_squared, float))
    total = positive.sum()
    return positive / total if total > 0 else None


def fit_ensemble(knobs: Knobs, values: Floats) -> Ensemble | None:
    """The four simulators of Table 2, fitted to what was measured so far.

    Args:
        knobs: of the measured configurations.
        values: measured, [n].

    Returns:
        None for fewer than `LEAST`, or while no member predicts held-out measurements better than their mean does.
    """
    if len(values) < LEAST:
        return None
    fitted = [fit(name, knobs(name), values) for name in KNOBS]
    found = weights([member.r_squared for member in fitted])
    if found is None:
        return None
    kept = [(member, float(weight)) for member, weight in zip(fitted, found, strict=True) if weight > 0]
    members, shares = zip(*kept, strict=True)
    left_out: Floats = np.asarray(shares) @ np.stack([member.left_out for member in members])
    return Ensemble(members, shares, left_out)
