"""What no model explains: kernels that are slower than their neighbours, broken combinations, noise of a clock.

Every draw is a hash of what it belongs to, so a table is the same on every machine and every day.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np


def draw(*what: object) -> np.random.Generator:
    """Random numbers that belong to something."""
    digest = hashlib.sha256("/".join(map(str, what)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def quirk(spread: float, *structure: object) -> float:
    """The factor by which everything with this structure is off: log-normal (assumption)."""
    return math.exp(spread * float(draw("quirk", *structure).standard_normal()))


def measured(seconds: float, spread: float, iterations: int, *configuration: object) -> float:
    """The mean of so many noisy iterations."""
    samples = np.exp(spread * draw("noise", *configuration).standard_normal(iterations) - spread**2 / 2)
    return seconds * float(samples.mean())


def broken(share: float, *structure: object) -> bool:
    """Whether a combination fails for no reason that a model would know."""
    return bool(draw("broken", *structure).random() < share)
