"""A Gaussian process with the Matern 5/2 kernel and a length scale for each dimension, by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import ndtr

from autoscout.baselines.vectors import Floats

REFIT = 8
"""The hyperparameters are those of the longest prefix whose length is a multiple of this: fitting is what costs."""
LENGTHS = (0.05, 20.0)
NOISE = (1e-6, 1e-1)
SIGNAL = (0.05, 20.0)
"""Bounds of the hyperparameters."""


@dataclass(frozen=True, eq=False)
class Process:
    """The posterior given [n, D] points and [n] values."""

    points: Floats
    values: Floats
    kernel: Hyperparameters
    centre: float
    scale: float

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the function at [N, D] points, [N] each."""
        cross = self.kernel.covariance(points, self.points)
        factor = self._factor()
        mean = cross @ cho_solve((factor, True), (self.values - self.centre) / self.scale)
        solved = solve_triangular(factor, cross.T, lower=True)
        variance = self.kernel.signal - np.einsum("ij,ij->j", solved, solved)
        return self.centre + self.scale * mean, self.scale * np.sqrt(np.maximum(variance, 1e-10))

    def extended(self, points: Floats, values: Floats) -> Process:
        """The posterior after more measurements, with the same hyperparameters."""
        return Process(
            np.concatenate([self.points, points]),
            np.concatenate([self.values, values]),
            self.kernel,
            self.centre,
            self.scale,
        )

    def _factor(self) -> Floats:
        covariance = self.kernel.covariance(self.points, self.points)
        covariance[np.diag_indices_from(covariance)] += self.kernel.noise + 1e-8
        factor: Floats = cholesky(covariance, lower=True)
        return factor


@dataclass(frozen=True)
class Hyperparameters:
    """Variances of the function and of the noise, on the standardised scale, and the length scales, [D]."""

    signal: float
    noise: float
    lengths: tuple[float, ...]

    def covariance(self, left: Floats, right: Floats) -> Floats:
        """Matern 5/2, [N, M]."""
        lengths = np.array(self.lengths)
        distance = np.sqrt(5.0) * cdist(left / lengths, right / lengths)
        result: Floats = self.signal * (1 + distance + distance**2 / 3) * np.exp(-distance)
        return result


def fitted(points: Floats, values: Floats, centre: float | None = None) -> Process:
    """The posterior with the hyperparameters that maximise the marginal likelihood.

    Args:
        points: [n, D] within [0, 1], in the order in which they were measured.
        values: [n].
        centre: the prior's mean; None: the mean of the values.
    """
    size = len(values)
    prefix = size if size < 2 * REFIT else size - size % REFIT
    kernel = _maximised(points[:prefix].tobytes(), values[:prefix].tobytes(), prefix, centre)
    middle = float(values.mean()) if centre is None else centre
    return Process(points, values, kernel, middle, _scale(values))


def probability_below(process: Process, points: Floats, limit: float) -> Floats:
    """The probability that the function is below the limit at [N, D] points, [N]."""
    mean, deviation = process.predict(points)
    result: Floats = ndtr((limit - mean) / deviation)
    return result


def _scale(values: Floats) -> float:
    spread = float(values.std())
    return spread if spread > 1e-9 else 1.0


@lru_cache(maxsize=256)
def _maximised(points_bytes: bytes, values_bytes: bytes, size: int, centre: float | None) -> Hyperparameters:
    # A pure function: the cache only spares the fit while a prefix lasts.
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415 - slow to import
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel  # noqa: PLC0415

    points = np.frombuffer(points_bytes).reshape(size, -1)
    values = np.frombuffer(values_bytes)
    middle = float(values.mean()) if centre is None else centre
    kernel = ConstantKernel(1.0, SIGNAL) * Matern(np.ones(points.shape[1]), LENGTHS, nu=2.5) + WhiteKernel(1e-3, NOISE)
    model: Any = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-8)
    model.fit(points, (values - middle) / _scale(values))

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = model.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)
        return -value, -gradient

    # With a limit: the last digits of a length scale change no proposal.
    found = minimize(loss, kernel.theta, method="L-BFGS-B", jac=True, bounds=kernel.bounds, options={"maxiter": 40})
    signal, *lengths, noise = (float(value) for value in np.exp(found.x))
    return Hyperparameters(signal, noise, tuple(lengths))
