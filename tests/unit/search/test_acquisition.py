"""What a profile is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoscout.search.acquisition import log_expected_improvement


def test_at_the_incumbent_it_is_the_density_at_zero() -> None:
    assert log_expected_improvement(1.0, np.array([1.0]), np.array([2.0]))[0] == pytest.approx(
        math.log(2 / math.sqrt(2 * math.pi)), abs=1e-6
    )


def test_it_stays_finite_and_ordered_far_below() -> None:
    value = log_expected_improvement(0.0, np.linspace(0, 100, 300), np.ones(300))
    assert np.isfinite(value).all()
    assert (np.diff(value) < 0).all()
