"""Comparing what was measured on a machine that does other things besides."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev


def pessimistic(value: float, samples: Sequence[float]) -> float:
    """A value, where less is better, and one standard error of its samples: what a lucky measurement can't hide.

    The error is taken as a part of the samples' mean: the value itself may be their median.
    """
    return value * (1 + stdev(samples) / fmean(samples) / sqrt(len(samples)))
