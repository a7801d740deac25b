"""Simulators that contradict themselves from one configuration to the next are smoothed before they are believed.

A system responds to a knob, and to two knobs together; white noise from row to row is the simulator's own. A
regression on all main effects and pairs of knobs, over thousands of configurations, averages that noise out: the
paper's ensemble of linear regressions (Appendix B), with every pair of knobs as a subset. How much each knob and each
pair matters is read off the predictions themselves, so that what does not matter carries no noise into the fit
(MacKay, "Bayesian interpolation", Neural Computation 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np
from numpy.typing import NDArray

from autoscout.search.gaussian import Floats, Geometry, Levels

ROUGH = 0.35
"""Standard deviation of the logarithm beyond which what pairs of knobs leave unexplained is taken for noise."""
MOST_ROWS = 20_000
"""Configurations that are fitted; the fit holds for all."""
LENGTH = 0.3
"""How far along its grid a knob's effect is taken to be alike."""
ROUNDS = 6
"""Fits that draw outliers in (Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics
1964). One more follows that knows what the noise looks like: the logarithm of a noisy prediction has a long tail."""
_VARIANCES = (1e-7, 10.0)
"""Bounds of an effect's variance, as a logarithm squared."""
_POINTS = 2048
"""Where the density of residuals is worked out."""


@dataclass(frozen=True, eq=False)
class _Effect:
    """What one knob does, or several together.

    Attributes:
        columns: the knobs.
        bases: for each of them the features of its levels, [levels, features].
    """

    columns: tuple[int, ...]
    bases: tuple[Floats, ...]

    @property
    def size(self) -> int:
        return prod(basis.shape[1] for basis in self.bases)

    def features(self, levels: Levels) -> NDArray[np.float32]:
        """[N, size]."""
        own = [basis[levels[:, column]] for column, basis in zip(self.columns, self.bases, strict=True)]
        rows = reduce(lambda one, other: (one[:, :, None] * other[:, None, :]).reshape(len(one), -1), own)
        return rows.astype(np.float32)

    def values(self, levels: Levels, weights: Floats) -> Floats:
        """Its share of the fit, [N]: looked up in a table over its levels."""
        table = weights.reshape([basis.shape[1] for basis in self.bases])
        for basis in self.bases:
            # The axis in front moves to the end: after all of them the order is the first one again.
            table = np.tensordot(table, basis, axes=(0, 1))
        found: Floats = table[tuple(levels[:, column] for column in self.columns)]
        return found


def smoothed(geometry: Geometry, levels: Levels, logarithms: Floats) -> Floats:
    """The values themselves if they are smooth, else what main effects and pairs make of them, [N].

    Args:
        geometry: of the knobs.
        levels: [N, P].
        logarithms: of a metric, [N].
    """
    fitted = logarithms
    for pairs in (False, True):
        effects = _effects(geometry, levels, pairs=pairs)
        if not 0 < sum(effect.size for effect in effects) < min(len(levels), MOST_ROWS):
            return logarithms
        fitted = _fitted(effects, levels, logarithms)
        if np.std(logarithms - fitted) <= ROUGH:
            return logarithms
    return fitted


def _effects(geometry: Geometry, levels: Levels, *, pairs: bool) -> list[_Effect]:
    bases = [_basis(distances, levels[:, column]) for column, distances in enumerate(geometry.distances)]
    varied = [column for column, basis in enumerate(bases) if basis.shape[1]]
    found = [_Effect((one,), (bases[one],)) for one in varied]
    if pairs:
        found += [_Effect((one, two), (bases[one], bases[two])) for one in varied for two in varied if two < one]
    return found


def _basis(distances: Floats, levels: Levels) -> Floats:
    """Functions of a knob's level, [levels, features]: over the rows, each of mean 0 and all of variance 1 together."""
    share = np.bincount(levels, minlength=len(distances)) / len(levels)
    root = np.sqrt(share)
    centred = np.eye(len(share)) - share
    covariance = centred @ np.exp(-0.5 * (distances / LENGTH) ** 2) @ centred.T
    variances, vectors = np.linalg.eigh(root[:, None] * covariance * root)
    kept = variances > 1e-6
    if not kept.any():
        return np.zeros((len(share), 0))
    scaled = vectors[:, kept] * np.sqrt(variances[kept] / variances[kept].sum())
    features: Floats = np.divide(scaled, root[:, None], out=np.zeros_like(scaled), where=root[:, None] > 0)
    return features


def _fitted(effects: Sequence[_Effect], levels: Levels, values: Floats) -> Floats:
    """Robust Bayesian regression in which each effect has a variance of its own, [N]."""
    chosen = np.linspace(0, len(levels) - 1, min(len(levels), MOST_ROWS)).astype(np.int64)
    rows = np.concatenate([effect.features(levels[chosen]) for effect in effects], axis=1)
    rows -= rows.mean(axis=0)
    gram = (rows.T @ rows).astype(np.float64)
    sizes = np.array([effect.size for effect in effects])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    seen = values[chosen]
    target, noise, variances = seen, float(np.var(seen)) / 2, np.full(len(sizes), 0.1)
    weights, centre = np.zeros(len(owner)), float(seen.mean())
    for number in range(ROUNDS + 1):
        scale = np.sqrt(variances[owner])
        centre = float(target.mean())
        right = scale * ((target - centre).astype(np.float32) @ rows) / noise
        # Features that don't matter don't spoil the condition when each is scaled by what is expected of it.
        inverse = np.linalg.inv(gram * scale[:, None] * scale / noise + np.eye(len(owner)))
        weights = scale * (inverse @ right)
        if number == ROUNDS:
            break
        fitted = centre + rows @ weights.astype(np.float32)
        determined = np.maximum(sizes - np.bincount(owner, np.diag(inverse)), 1e-6)
        noise = float(np.sum((target - fitted) ** 2)) / max(len(seen) - float(determined.sum()), 1.0)
        variances = np.clip(np.bincount(owner, weights**2) / determined, *_VARIANCES)
        rest = seen - fitted
        target = fitted + (_drawn_in(rest) if number < ROUNDS - 1 else _scored(rest))
    shares = np.split(weights, np.cumsum(sizes)[:-1])
    total = np.sum([effect.values(levels, share) for effect, share in zip(effects, shares, strict=True)], axis=0)
    found: Floats = centre + total - total.mean()
    return found


def _drawn_in(rest: Floats) -> Floats:
    """Residuals around their median, none further from it than usual, [N]."""
    rest = rest - np.median(rest)
    usual = 1.48 * float(np.median(np.abs(rest)))
    return np.clip(rest, -usual, usual)


def _scored(rest: Floats) -> Floats:
    """What residuals say of the fit's error, [N]: the score of their density over its information.

    One step to the estimator that is as good as if the density were known (Bickel, "On adaptive estimation", Annals of
    Statistics 1982).
    """
    low, high = np.quantile(rest, [0.25, 0.75])
    width = max(1.06 * float(high - low) / 1.349 * len(rest) ** -0.2, 1e-6)
    start, end = np.quantile(rest, [0.0005, 0.9995]) + np.array([-4, 4]) * width
    points, step = np.linspace(start, end, _POINTS, retstep=True)
    counts, _ = np.histogram(rest, bins=np.append(points - step / 2, end + step / 2))
    reach = np.arange(-_POINTS // 4, _POINTS // 4 + 1) * float(step)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    density = np.convolve(counts, kernel, mode="same")
    slope = np.convolve(counts, -reach / width**2 * kernel, mode="same")
    score = np.interp(rest, points, -slope / (density + 1e-3 * density.max()))
    score = score - score.mean()
    found: Floats = score / max(float(np.mean(score**2)), 1e-12)
    return found
