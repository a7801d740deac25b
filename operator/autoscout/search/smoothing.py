"""Simulators that contradict themselves from one configuration to the next are smoothed before they are believed.

A system responds to a knob, and to two knobs together; white noise from row to row is the simulator's own. Ridge
regression on all main effects and pairs of levels, over thousands of configurations, averages that noise out: the
paper's ensemble of linear regressions (Appendix B), with every pair of knobs as a subset.
"""

from __future__ import annotations

import numpy as np

from autoscout.search.gaussian import Floats, Levels

ROUGH = 0.35
"""Standard deviation of the logarithm beyond which what pairs of knobs leave unexplained is taken for noise."""
MOST_ROWS = 12_000
RIDGE = (1.0, 60.0)
"""Penalties on main effects and on pairs: pairs are many and small."""
ROUNDS = 3
"""Fits in all; before each but the first, outliers are drawn in (Huber, "Robust estimation of a location
parameter", Annals of Mathematical Statistics 1964): the logarithm of a noisy prediction has a long tail."""


def smoothed(levels: Levels, logarithms: Floats) -> Floats:
    """The values themselves if they are smooth, else what main effects and pairs make of them, [N].

    Args:
        levels: [N, P].
        logarithms: of a metric, [N].
    """
    fitted = logarithms
    for pairs in (False, True):
        columns = _columns(levels, pairs=pairs)
        if int(columns.max(initial=0)) + 1 >= min(len(levels), MOST_ROWS):
            return logarithms
        fitted = _fitted(columns, levels.shape[1], logarithms)
        if np.std(logarithms - fitted) <= ROUGH:
            return logarithms
    return fitted


def _fitted(columns: Levels, parameters: int, values: Floats) -> Floats:
    """Robust ridge regression; the first `parameters` columns are main effects, [N]."""
    chosen = np.linspace(0, len(columns) - 1, min(len(columns), MOST_ROWS)).astype(np.int64)
    size = int(columns.max()) + 1
    rows = np.zeros((len(chosen), size), dtype=np.float32)
    np.put_along_axis(rows, columns[chosen], np.float32(1), axis=1)
    gram = (rows.T @ rows).astype(np.float64)
    main = int(columns[:, :parameters].max()) + 1
    gram[np.diag_indices(size)] += np.where(np.arange(size) < main, *RIDGE)
    target, fitted = values, values
    for _ in range(ROUNDS):
        centre = float(target[chosen].mean())
        weights = np.linalg.solve(gram, (target[chosen] - centre) @ rows)
        fitted = centre + np.asarray(weights[columns].sum(axis=1), dtype=np.float64)
        rest = values - fitted
        middle = float(np.median(rest))
        usual = 1.48 * float(np.median(np.abs(rest - middle)))
        target = fitted + np.clip(rest - middle, -usual, usual)
    return fitted


def _columns(levels: Levels, *, pairs: bool) -> Levels:
    """The features that are 1 in each row, [N, features a row]; numbered without gaps."""
    count = levels.shape[1]
    found = [levels[:, p] for p in range(count)]
    if pairs:
        sizes = levels.max(axis=0) + 1
        found += [levels[:, p] * sizes[q] + levels[:, q] for p in range(count) for q in range(p)]
    columns, start = [], 0
    for feature in found:
        values, number = np.unique(feature, return_inverse=True)
        columns.append(number + start)
        start += len(values)
    return np.stack(columns, axis=1).astype(np.int64)
