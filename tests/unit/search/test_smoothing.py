"""Noise is averaged out of simulators that contradict themselves."""

from __future__ import annotations

import numpy as np
from tests.support.spaces import SPACE

from autoscout.search.encoding import pool_of
from autoscout.search.smoothing import smoothed

LEVELS = pool_of(SPACE).levels
TRUTH = 0.3 * LEVELS[:, 0] + 0.2 * LEVELS[:, 1] * LEVELS[:, 4] / 3 + 0.05 * LEVELS[:, 5]


def test_smooth_predictions_are_left_alone() -> None:
    assert smoothed(LEVELS, TRUTH) is TRUTH


def test_noise_is_averaged_out() -> None:
    noisy = TRUTH + np.random.default_rng(0).normal(0, 0.8, len(TRUTH))
    assert np.std(smoothed(LEVELS, noisy) - TRUTH) < 0.4 * np.std(noisy - TRUTH)
