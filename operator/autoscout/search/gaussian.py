"""A Gaussian process over knobs: what a handful of measurements says about all configurations.

The covariance is a product over the parameters, each factor (1 + a k) / (1 + a): expanded, it is the sum over
all groups of parameters of their joint effects, each weighted by the product of its importances `a` (the ANOVA
kernel of Durrande, Ginsbourger, Roustant, Carraro, "ANOVA kernels and RKHS of zero mean functions", JMVA 2013).
A flat knob gets a near 0 and then costs nothing: configurations that differ in it only are known to be equal.
The importances, the length scales and the noise maximise the posterior; after Rasmussen and Williams,
"Gaussian Processes for Machine Learning", MIT Press 2006, chapters 2 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]

STEPS = 40
"""Ascent steps of a fit; more change no proposal that we have seen."""
JITTER = 1e-8


@dataclass(frozen=True, eq=False)
class Geometry:
    """How far apart the levels of each parameter are.

    Attributes:
        distances: for each parameter [levels, levels]: steps on its grid over the length of the grid for
            numbers; 1 between different texts. Infinite between inactive and active.
    """

    distances: tuple[Floats, ...]

    @cached_property
    def offsets(self) -> Levels:
        """Where the levels of each parameter start when all are written one after another, [P + 1]."""
        return np.concatenate([[0], np.cumsum([len(table) for table in self.distances])]).astype(np.int64)


@dataclass(frozen=True)
class Prior:
    """What is expected of hyperparameters before a fit: the mean and the standard deviation of their logarithms.

    Attributes:
        mean, spread: of importance, length, signal and noise.
    """

    mean: tuple[float, float, float, float]
    spread: tuple[float, float, float, float]


METRIC_PRIOR = Prior((float(np.log(0.3)), float(np.log(0.8)), 0.0, float(np.log(1e-3))), (1.5, 0.5, 0.7, 1.5))
"""Of times and rates: they follow a knob smoothly over its whole grid, and some knobs are flat."""
LABEL_PRIOR = Prior((float(np.log(0.5)), float(np.log(0.3)), 0.0, float(np.log(1e-3))), (1.2, 0.5, 0.7, 1.5))
"""Of running or not, which turns within a step; of a simulator's error; and of anything before the first fit."""


@dataclass(frozen=True, eq=False)
class Hyperparameters:
    """All as natural logarithms.

    Attributes:
        importance: `a` of each parameter, [P].
        length: length scale of each parameter, in lengths of its grid, [P].
        signal: variance of the function.
        noise: variance of the measurement.
    """

    importance: Floats
    length: Floats
    signal: float
    noise: float

    @staticmethod
    def prior(parameters: int, prior: Prior) -> Hyperparameters:
        """Before anything is known: every knob matters somewhat and acts smoothly."""
        importance, length, signal, noise = prior.mean
        return Hyperparameters(np.full(parameters, importance), np.full(parameters, length), signal, noise)

    def vector(self) -> Floats:
        return np.concatenate([self.importance, self.length, [self.signal, self.noise]])

    @staticmethod
    def of(vector: Floats) -> Hyperparameters:
        half = (len(vector) - 2) // 2
        return Hyperparameters(vector[:half], vector[half:-2], float(vector[-2]), float(vector[-1]))


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """The posterior, given measurements. Made by `condition`.

    Attributes:
        known: levels of the measured configurations, [n, P].
        factor: lower Cholesky factor of their covariance, [n, n].
        whitened: factor^-1 (values - centre), [n].
        centre: mean of the measured values.
        scale: their standard deviation.
    """

    geometry: Geometry
    hyperparameters: Hyperparameters
    known: Levels
    factor: Floats
    whitened: Floats
    centre: float
    scale: float

    def predict(self, levels: Levels) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the function (noise excluded) at [N, P] levels, both [N]."""
        cross = self._cross(levels)
        solved = _forward(self.factor, cross)
        mean = solved.T @ self.whitened
        variance = np.exp(self.hyperparameters.signal) - np.einsum("ij,ij->j", solved, solved)
        return self.centre + self.scale * mean, self.scale * np.sqrt(np.maximum(variance, 1e-10))

    def expect(self, levels: Levels) -> Floats:
        """The mean of `predict` alone, [N]."""
        return self.centre + self.scale * (self._cross(levels).T @ self._weights)

    @cached_property
    def _weights(self) -> Floats:
        """Covariance^-1 (values - centre), [n]."""
        return np.asarray(np.linalg.solve(self.factor.T, self.whitened), dtype=np.float64)

    def left_out(self) -> float:
        """Log density of the values, each predicted from all others (Rasmussen and Williams, section 5.4.2)."""
        inverse_factor = _forward(self.factor, np.eye(len(self.factor)))
        precision = np.einsum("ij,ij->j", inverse_factor, inverse_factor)
        alpha = inverse_factor.T @ self.whitened
        density = 0.5 * np.log(precision) - 0.5 * alpha**2 / precision - 0.5 * np.log(2 * np.pi) - np.log(self.scale)
        return float(density.sum())

    @property
    def noise(self) -> float:
        """Standard deviation of the measurement noise, in units of the values."""
        return float(self.scale * np.exp(0.5 * self.hyperparameters.noise))

    def _cross(self, levels: Levels) -> Floats:
        """Covariance of the known with all others, [n, N]."""
        return _covariance(self.geometry, self.hyperparameters, self.known, levels)


def condition(
    geometry: Geometry,
    hyperparameters: Hyperparameters,
    known: Levels,
    values: Floats,
    standard_as: tuple[float, float],
    extra: Floats | None = None,
) -> GaussianProcess:
    """The posterior after measuring `values` [n] at `known` [n, P].

    Args:
        standard_as: (centre, scale) by which values become standard ones, as for `fit`.
        extra: further noise variance of each value in units of the values squared, [n].
    """
    centre, scale = standard_as
    standard = (values - centre) / scale
    covariance = _covariance(geometry, hyperparameters, known, known)
    noise = np.full(len(values), np.exp(hyperparameters.noise) + JITTER)
    if extra is not None:
        noise = noise + extra / scale**2
    factor = np.asarray(np.linalg.cholesky(covariance + np.diag(noise)), dtype=np.float64)
    return GaussianProcess(
        geometry, hyperparameters, known, factor, _forward(factor, standard[:, None])[:, 0], centre, scale
    )


def fit(
    geometry: Geometry, known: Levels, standard: Floats, prior: Prior = METRIC_PRIOR, steps: int = STEPS
) -> Hyperparameters:
    """The hyperparameters that maximise the posterior, by resilient propagation from the prior's mean.

    Deterministic; [n, P] levels and [n] standard values. The sign-based steps need no line search (Riedmiller and
    Braun, "A direct adaptive method for faster backpropagation learning", ICNN 1993; for Gaussian processes
    Blum and Riedmiller, ESANN 2013).
    """
    count = len(geometry.distances)
    mean = Hyperparameters.prior(count, prior).vector()
    spread = np.concatenate([np.full(count, prior.spread[0]), np.full(count, prior.spread[1]), prior.spread[2:]])
    point, step = mean.copy(), np.full(len(mean), 0.2)
    before = np.zeros(len(mean))
    best, best_value = point, -np.inf
    for _ in range(steps):
        value, gradient = _evidence(point, geometry, known, standard)
        value -= 0.5 * float(np.sum(((point - mean) / spread) ** 2))
        gradient = gradient - (point - mean) / spread**2
        if value > best_value:
            best, best_value = point.copy(), value
        turned = gradient * before
        step = np.clip(np.where(turned > 0, step * 1.2, np.where(turned < 0, step * 0.5, step)), 1e-3, 0.8)
        gradient = np.where(turned < 0, 0.0, gradient)
        point = np.clip(point + np.sign(gradient) * step, mean - 4 * spread, mean + 4 * spread)
        before = gradient
    return Hyperparameters.of(best)


def _evidence(vector: Floats, geometry: Geometry, known: Levels, values: Floats) -> tuple[float, Floats]:
    """Log marginal likelihood and its gradient, [2 P + 2].

    Everything that depends on one parameter is worked out for pairs of its levels, of which there are few, and never
    for pairs of measurements: the gradient needs the pulls of all pairs only as sums over equal pairs of levels.
    """
    hyperparameters = Hyperparameters.of(vector)
    covariance = _covariance(geometry, hyperparameters, known, known)
    noise = np.exp(hyperparameters.noise)
    size = len(values)
    factor = np.linalg.cholesky(covariance + (noise + JITTER) * np.eye(size))
    inverse_factor = _forward(factor, np.eye(size))
    inverse = inverse_factor.T @ inverse_factor
    alpha = inverse @ values
    value = -0.5 * float(values @ alpha) - float(np.log(np.diag(factor)).sum())
    weight = np.outer(alpha, alpha) - inverse
    pull = weight * covariance
    marks = _marks(geometry, known)
    pulled = pull @ marks
    by_importance, by_length = np.zeros(len(geometry.distances)), np.zeros(len(geometry.distances))
    for p, distance in enumerate(geometry.distances):
        own = slice(geometry.offsets[p], geometry.offsets[p + 1])
        summed = marks[:, own].T @ pulled[:, own]
        importance = np.exp(hyperparameters.importance[p])
        scaled = np.sqrt(3.0) * np.minimum(distance, 1e3) / np.exp(hyperparameters.length[p])
        decay = np.exp(-scaled)
        kernel = (1 + scaled) * decay
        weighted = 1 + importance * kernel
        by_importance[p] = np.sum(summed * importance * (kernel / weighted - 1 / (1 + importance)))
        by_length[p] = np.sum(summed * importance / weighted * (scaled**2 * decay))
    gradient = np.concatenate(
        [
            0.5 * by_importance,
            0.5 * by_length,
            [0.5 * float(pull.sum()), 0.5 * noise * float(np.trace(weight))],
        ]
    )
    return value, gradient


def _covariance(geometry: Geometry, hyperparameters: Hyperparameters, left: Levels, right: Levels) -> Floats:
    """Of all pairs, [n, N]. A product of factors is a sum of logarithms, and that sum is one matrix product."""
    sizes = np.diff(geometry.offsets)
    rows = np.zeros((len(left), int(geometry.offsets[-1])))
    for p, distance in enumerate(geometry.distances):
        table = np.log(_factor(distance, hyperparameters.importance[p], hyperparameters.length[p]))
        start = geometry.offsets[p]
        rows[:, start : start + sizes[p]] = table[left[:, p]]
    covariance: Floats = np.exp(rows @ _marks(geometry, right).T + hyperparameters.signal)
    return covariance


def _marks(geometry: Geometry, levels: Levels) -> Floats:
    """1 where a row of [N, P] levels has a level, of all levels one after another, [N, sum of levels]."""
    marks = np.zeros((len(levels), int(geometry.offsets[-1])))
    np.put_along_axis(marks, levels + geometry.offsets[:-1], 1.0, axis=1)
    return marks


def _factor(distance: Floats, importance: float, length: float) -> Floats:
    """(1 + a k) / (1 + a), with k the Matern kernel of smoothness 3/2."""
    scaled = np.sqrt(3.0) * np.minimum(distance, 1e3) / np.exp(length)
    kernel = (1 + scaled) * np.exp(-scaled)
    weight = np.exp(importance)
    result: Floats = (1 + weight * kernel) / (1 + weight)
    return result


def _forward(factor: Floats, right: Floats) -> Floats:
    """factor^-1 right for a lower triangular factor."""
    return np.asarray(solve_triangular(factor, right, lower=True, check_finite=False), dtype=np.float64)
