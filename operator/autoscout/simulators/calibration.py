"""What profiles teach about a simulator: how far it is off, for which knobs, and where memory really ends.

The logarithm of measurement over prediction is a sum of a common factor, of one effect for each value of each knob,
and of what remains (Bayesian linear regression; Bishop 2006, 3.3). Its prior has the simulator's own variance, so
that nothing measured leaves the prediction as it is; measurements that surprise less than it allows shrink all of it,
others widen it (the conjugate prior of a common scale; Bishop 2006, 2.3.6). The memory limit is shifted likewise by
what ran and what did not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from autoscout.simulators.protocol import Prediction, Simulator
from autoscout.simulators.uncertainty import normal_cdf
from autoscout.simulators.workload import Hardware, Workload
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]
Observed = Sequence[tuple[Mapping[str, Value], Mapping[str, float] | None]]
"""Configurations with the metrics that were measured; None: it ran out of memory."""

_COMMON, _KNOBS, _REST = 0.5, 0.4, 0.1
"""How the prior variance of the logarithm splits into a common factor, all knobs together, and the rest."""
_STRENGTH = 4.0
"""Measurements that the prior variance is worth."""
_BLUR = 0.3
"""Share of the memory model's error that differs from one configuration to the next; the rest is common to all."""
_SHIFTS = np.linspace(-5, 5, 101)


def calibrated(
    simulator: Simulator, observed: Observed, workload: Workload, hardware: Hardware
) -> Callable[[Sequence[Mapping[str, Value]]], Prediction]:
    """The simulator, corrected by what was observed.

    Args:
        observed: measured configurations, and those that ran out of memory.

    Returns:
        Predicts like the simulator; pure.
    """
    seen = simulator.predict([configuration for configuration, _ in observed], workload, hardware)
    shifts = _memory(seen.feasible, [metrics is not None for _, metrics in observed])
    corrections = {
        metric: found
        for position, metric in enumerate(seen.metrics)
        if (found := _correction(position, metric, observed, seen)) is not None
    }

    def predict(configurations: Sequence[Mapping[str, Value]]) -> Prediction:
        raw = simulator.predict(configurations, workload, hardware)
        mean, std = raw.mean.copy(), raw.std.copy()
        for position, metric in enumerate(raw.metrics):
            if metric in corrections:
                offset, variance = corrections[metric].predict(configurations)
                mean[:, position] *= np.exp(offset)
                std[:, position] = mean[:, position] * np.sqrt(np.expm1(variance))
        return Prediction(raw.metrics, mean, std, _shifted(raw.feasible, shifts), raw.peak_memory_gib)

    return predict


class _Correction:
    """The posterior of one metric's logarithmic error."""

    def __init__(self, configurations: Sequence[Mapping[str, Value]], errors: Floats, variance: float) -> None:
        self._effects = sorted({(name, repr(value)) for each in configurations for name, value in each.items()})
        self._columns: dict[str, dict[str, int]] = {}
        for column, (name, value) in enumerate(self._effects, start=1):
            self._columns.setdefault(name, {})[value] = column
        knob_variance = _KNOBS * variance / max(1, len(self._columns))
        prior = np.full(len(self._effects) + 1, knob_variance)
        prior[0] = _COMMON * variance
        rest = _REST * variance
        design = self._design(configurations)
        covariance = np.linalg.inv(np.diag(1 / prior) + design.T @ design / rest)
        self._mean = covariance @ design.T @ errors / rest
        surprise = float(errors @ (errors - design @ self._mean)) / rest
        scale = (_STRENGTH + surprise) / (_STRENGTH + len(errors))
        self._covariance, self._rest = scale * covariance, scale * rest
        # Values that were measured say little in favour of those that were not.
        self._unseen = max(1.0, scale) * knob_variance

    def _design(self, configurations: Sequence[Mapping[str, Value]]) -> Floats:
        design = np.zeros((len(configurations), len(self._effects) + 1))
        design[:, 0] = 1.0
        for name, columns in self._columns.items():
            # Text tells True from 1; an absent knob has no effect.
            levels = [columns.get(repr(each[name]), -1) if name in each else -1 for each in configurations]
            found = np.array(levels)
            rows = np.flatnonzero(found > 0)
            design[rows, found[rows]] = 1.0
        return design

    def predict(self, configurations: Sequence[Mapping[str, Value]]) -> tuple[Floats, Floats]:
        """Mean and variance of the logarithmic error, [N] each."""
        design = self._design(configurations)
        unseen = np.array([len(each) for each in configurations], float) - (design.sum(axis=1) - 1)
        variance = np.einsum("nd,nd->n", design @ self._covariance, design) + self._rest
        return design @ self._mean, variance + unseen * self._unseen


def _correction(position: int, metric: str, observed: Observed, seen: Prediction) -> _Correction | None:
    rows = [
        row
        for row, (_, metrics) in enumerate(observed)
        if metrics is not None and metrics.get(metric, 0.0) > 0 and seen.mean[row, position] > 0
    ]
    if not rows:
        return None
    measured = np.array([(observed[row][1] or {})[metric] for row in rows])
    predicted = seen.mean[rows, position]
    variance = float(np.mean(np.log1p((seen.std[rows, position] / predicted) ** 2)))
    return _Correction([observed[row][0] for row in rows], np.log(measured / predicted), variance)


def _memory(feasible: Floats, ran: Sequence[bool]) -> Floats:
    """Posterior weights of the shifts of the memory margin, in standard deviations of the memory model."""
    logarithm = -0.5 * _SHIFTS**2 / (1 - _BLUR**2)
    known = feasible > 0
    side = np.where(np.asarray(ran, bool)[known], 1.0, -1.0)[:, None]
    margins = side * (_score(feasible[known])[:, None] + _SHIFTS) / _BLUR
    logarithm = logarithm + np.log(np.maximum(normal_cdf(margins), 1e-4)).sum(axis=0)
    weight = np.exp(logarithm - logarithm.max())
    normalised: Floats = weight / weight.sum()
    return normalised


def _shifted(feasible: Floats, weight: Floats) -> Floats:
    scores = np.linspace(-7, 7, 141)
    table = normal_cdf((scores[:, None] + _SHIFTS) / _BLUR) @ weight
    return np.where(feasible > 0, np.clip(np.interp(_score(feasible), scores, table), 1e-9, 1.0), 0.0)


_SCORES = np.linspace(-7, 7, 1401)
_PROBABILITIES = normal_cdf(_SCORES)


def _score(probability: Floats) -> Floats:
    """The standard normal quantile, from a table of its distribution function."""
    scores: Floats = np.interp(np.clip(probability, 1e-9, 1 - 1e-9), _PROBABILITIES, _SCORES)
    return scores
