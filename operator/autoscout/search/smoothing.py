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
MOST_ROWS = 8000
RIDGE = 3.0


def smoothed(levels: Levels, logarithms: Floats) -> Floats:
    """The values themselves if they are smooth, else what main effects and pairs make of them, [N].

    Args:
        levels: [N, P].
        logarithms: of a metric, [N].
    """
    chosen = np.linspace(0, len(levels) - 1, min(len(levels), MOST_ROWS)).astype(np.int64)
    fitted = logarithms
    for pairs in (False, True):
        columns = _columns(levels, pairs=pairs)
        size = int(columns.max(initial=0)) + 1
        if size >= len(chosen):
            return logarithms
        centre = float(logarithms[chosen].mean())
        weights = _ridge(columns[chosen], logarithms[chosen] - centre, size)
        fitted = centre + np.asarray(weights[columns].sum(axis=1), dtype=np.float64)
        if np.std(logarithms - fitted) <= ROUGH:
            return logarithms
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


def _ridge(columns: Levels, target: Floats, size: int) -> Floats:
    rows = np.zeros((len(columns), size), dtype=np.float32)
    np.put_along_axis(rows, columns, np.float32(1), axis=1)
    gram = (rows.T @ rows).astype(np.float64)
    weights = np.linalg.solve(gram + RIDGE * np.eye(size), rows.T.astype(np.float64) @ target)
    return np.asarray(weights, dtype=np.float64)
