"""By how much the same profile may come out differently next time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, quantiles

LEAST_SAMPLES = 3
"""Fewer say nothing about the noise."""
BETWEEN_STARTS = 0.14
"""Share of the median by which repetitions of one profile differ, whatever the samples of one say: twice their standard
deviation, which was 2 and 8 % with Megatron (docs/reference/megatron.md) and 7 % with vLLM (docs/reference/vllm.md) on
two CPU cores. On GPUs it was not measured."""


def uncertainty(metric: str, samples: Sequence[float]) -> dict[str, float]:
    """`METRIC_uncertainty`, in the metric's unit: how far the middle of repetitions of this profile may be from it.

    Half of what lies between the outer deciles of the samples, and what one start of the processes differs from the
    next by, which no sample shows, added as squares.

    Args:
        metric: gives the name.
        samples: of one profile, in the metric's unit.

    Returns:
        One metric; empty for fewer than `LEAST_SAMPLES`.
    """
    if len(samples) < LEAST_SAMPLES:
        return {}
    deciles = quantiles(samples, n=10, method="inclusive")
    within = (deciles[-1] - deciles[0]) / 2
    return {f"{metric}_uncertainty": math.hypot(within, BETWEEN_STARTS * median(samples))}
