"""Peak memory as profiles report it: how near the limit each of them was says more than that it ran.

A Gaussian process over the logarithm of the peak. A profile that ran out of memory is an observation too, of which only
a lower bound is known: it enters with what is expected beyond the limit (the first step of data augmentation for
censored data; Tobin, "Estimation of relationships for limited dependent variables", Econometrica 1958).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoscout.search.gaussian import Floats, GaussianProcess, Levels
from autoscout.simulators.uncertainty import normal_cdf

METRIC = "peak_memory_gib"
"""The metric of a profile that tells the peak, on the fullest GPU."""
BEYOND = 0.1
"""How far beyond the limit, as a logarithm, one that ran out of memory is taken to be at least; and its deviation."""
RESERVED = 0.05
"""Standard deviation of the logarithm of the limit: what the driver and fragmentation take is not known."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """What is believed of the peak memory.

    Attributes:
        process: of the natural logarithm of the peak in GiB.
        limit: natural logarithm of what a GPU has, in GiB.
    """

    process: GaussianProcess
    limit: float

    def fits(self, levels: Levels) -> Floats:
        """The probability that configurations fit, [N], given [N, P] levels."""
        mean, std = self.process.predict(levels)
        return normal_cdf((self.limit - mean) / np.sqrt(std**2 + RESERVED**2))


def beyond(process: GaussianProcess, limit: float, levels: Levels) -> Floats:
    """The logarithm of the peak to be taken for configurations that ran out of memory, [n]."""
    return np.maximum(process.expect(levels), limit + BEYOND)
