"""Noise is averaged out of simulators that contradict themselves."""

from __future__ import annotations

import numpy as np
from tests.support.spaces import SPACE

from autoscout.search.encoding import geometry_of, pool_of
from autoscout.search.gaussian import Floats
from autoscout.search.smoothing import smoothed

GEOMETRY = geometry_of(SPACE)
LEVELS = pool_of(SPACE).levels
TRUTH = 0.3 * LEVELS[:, 0] + 0.2 * LEVELS[:, 1] * LEVELS[:, 4] / 3 + 0.05 * LEVELS[:, 5]


def off(found: Floats) -> float:
    """By how much, but for a factor that is the same everywhere."""
    return float(np.std(found - TRUTH))


def test_smooth_predictions_are_left_alone() -> None:
    assert smoothed(GEOMETRY, LEVELS, TRUTH) is TRUTH


def test_noise_is_averaged_out_of_what_does_not_matter_too() -> None:
    noise = np.random.default_rng(0).normal(0, 0.8, len(TRUTH))
    found = smoothed(GEOMETRY, LEVELS, TRUTH + noise)
    # Not far from what is left where only the knobs that matter, and their pair, are fitted: about 25 features.
    assert off(found) < 0.2 * float(np.std(noise))


def test_a_long_tail_of_noise_pulls_less_than_noise_without_one() -> None:
    generator = np.random.default_rng(1)
    factor = np.log(np.maximum(1 + 0.8 * generator.standard_normal(len(TRUTH)), 0.05))
    even = generator.normal(0, float(np.std(factor)), len(TRUTH))
    assert off(smoothed(GEOMETRY, LEVELS, TRUTH + factor)) < 0.8 * off(smoothed(GEOMETRY, LEVELS, TRUTH + even))


def test_what_two_knobs_do_together_is_kept() -> None:
    together = np.where((LEVELS[:, 0] == 0) == (LEVELS[:, 1] == 0), 0.5, -0.5)
    noise = np.random.default_rng(2).normal(0, 0.6, len(TRUTH))
    found = smoothed(GEOMETRY, LEVELS, together + noise)
    assert float(np.corrcoef(found, together)[0, 1]) > 0.95
