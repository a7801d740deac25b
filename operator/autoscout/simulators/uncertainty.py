"""How far an analytical prediction can be off, before anything was measured.

It grows where time goes into what is modelled worst, and with every knob that we know nothing of. `calibration`
replaces it by what the job's own profiles say.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TRAINING = 0.10
"""Relative standard deviation of an iteration's time: published ones are met within 10 %, and other models and machines
may be further off (docs/reference/simulators.md)."""
SERVING = 0.15
"""The same for a server's metrics, whose scheduler and load add to it."""
_WAITING = 0.25
"""Further relative error of time in communication and idleness."""
_UNKNOWN = 0.05
_MEMORY = 0.06
"""Relative error of a footprint: fragmentation, workspaces, buffers."""


def spread(base: float, waiting: Floats, unknown: Floats) -> Floats:
    """Relative standard deviation, [N].

    Args:
        base: of time spent in compute.
        waiting: share of the time in communication and idleness.
        unknown: knobs that mean nothing to the model.
    """
    return np.sqrt(base**2 + (_WAITING * waiting) ** 2 + (_UNKNOWN**2) * unknown)


def fits(memory_gib: Floats, capacity_gib: Floats | float, unknown: Floats) -> Floats:
    """Probability that a predicted footprint stays below a capacity, [N]; its error is log-normal."""
    width = np.sqrt(_MEMORY**2 + (_UNKNOWN**2) * unknown)
    # Never exactly 0: that is said of what can't run whatever the memory.
    return np.clip(normal_cdf(np.log(capacity_gib / np.maximum(memory_gib, 1e-9)) / width), 1e-9, 1.0)


def normal_cdf(score: Floats) -> Floats:
    """Of the standard normal distribution; error below 1e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    sign, size = np.sign(score), np.abs(score) / math.sqrt(2)
    t = 1 / (1 + 0.3275911 * size)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(0.5 * (1 + sign * (1 - series * np.exp(-size * size))))
