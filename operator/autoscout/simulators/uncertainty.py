"""How far an analytical prediction can be off, before anything was measured.

Errors are log-normal, and the variances of their causes add up. One is common to all configurations of a machine: how
fast its kernels run. The others grow with the share of time that goes into what is modelled worst, with how far two
readings of the same configuration lie apart, and with every knob that we know nothing of. No constant was fitted to a
table; how well they fit tables is in docs/reference/simulators.md. `calibration` narrows them by a job's own profiles.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from autoscout.simulators.hardware import Gpu, Link

Floats = npt.NDArray[np.float64]

_KERNELS = 0.10
"""Of time in kernels: published iterations of training are met within 10 % (`test_published`), and servers made of the
kernels that aiconfigurator measured on A100, H100 and H200 with that error (root mean square)."""
_POWER = 0.08
"""Of what the power limit of a PCIe card leaves of its peak: anything between three quarters and all of it."""
_ROUGH = 0.25
"""Further error of time that is known roughly; the caller says which."""
_READINGS = math.sqrt(0.5)
"""Root mean square of an error that is nothing or the whole difference of two readings, with even odds."""
_UNKNOWN = 0.05
_MEMORY = 0.06
"""Relative error of a footprint: fragmentation, workspaces, buffers."""


def spread(gpu: Gpu, rough: Floats, unknown: Floats, *readings: Floats) -> Floats:
    """Relative standard deviation of a time or a rate, [N].

    Args:
        gpu: that it runs on.
        rough: share of the time that is known roughly.
        unknown: knobs that mean nothing to the model.
        readings: natural logarithms of how far another reading, as likely as the one that is predicted, is from it.
    """
    # Where the catalogue knows what the power limit leaves, it counts already.
    machine = math.hypot(_KERNELS, _POWER if gpu.link is Link.PCIE and gpu.sustained == 1 else 0.0)
    variance = machine**2 + (_ROUGH * rough) ** 2 + (_UNKNOWN**2) * unknown
    for difference in readings:
        variance = variance + (_READINGS * difference) ** 2
    relative: Floats = np.sqrt(np.expm1(variance))
    return relative


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
