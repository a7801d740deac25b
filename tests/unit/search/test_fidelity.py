"""When simulators are given up (paper, 3.3)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoscout.search.fidelity import percentage_error, switched_at

OBSERVED = np.array([1.0, 2.0, 4.0, 3.0, 5.0, 2.5])


def test_the_percentage_error_is_relative_to_what_was_observed() -> None:
    assert percentage_error(np.array([1.1, 1.8]), np.array([1.0, 2.0])) == pytest.approx(0.1)
    assert math.isnan(percentage_error(np.array([]), np.array([])))


def test_a_common_factor_is_no_error() -> None:
    assert switched_at(3 * OBSERVED, OBSERVED, tau=2, epsilon=0.01) is None


def test_simulators_are_given_up_at_the_first_validation_that_fails() -> None:
    wrong = OBSERVED * np.array([1, 1, 5, 0.2, 1, 1])
    assert switched_at(wrong, OBSERVED, tau=2, epsilon=0.3) == 4


def test_nothing_is_validated_before_tau_profiles() -> None:
    assert switched_at(np.array([9.0, 1.0]), np.array([1.0, 9.0]), tau=5, epsilon=0.1) is None
