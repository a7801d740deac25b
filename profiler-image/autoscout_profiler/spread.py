"""By how much the same profile may come out differently next time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, quantiles

LEAST_SAMPLES = 3
"""Fewer say nothing about the noise."""
BETWEEN_STARTS = 0.06
"""Share of the median by which repetitions of one profile differ, whatever the samples of one say: measured with
Megatron on two CPU cores (docs/reference/megatron.md); those of vLLM differed by 7 % there (docs/reference/vllm.md)."""


def uncertainty(metric: str, samples: Sequence[float]) -> dict[str, float]:
    """`METRIC_uncertainty`, in the metric's unit: by how much the median of another such profile may differ.

    Half of what lies between the outer deciles of the samples, and what one start of the processes differs from the
    next by, which no sample shows, added as squares. Empty for fewer than `LEAST_SAMPLES`.
    """
    if len(samples) < LEAST_SAMPLES:
        return {}
    deciles = quantiles(samples, n=10, method="inclusive")
    within = (deciles[-1] - deciles[0]) / 2
    return {f"{metric}_uncertainty": math.hypot(within, BETWEEN_STARTS * median(samples))}
