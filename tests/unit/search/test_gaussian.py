"""The Gaussian process over knobs."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.spaces import SPACE, drawn

from autoscout.search.encoding import geometry_of, levels_of, pool_of
from autoscout.search.gaussian import METRIC_PRIOR, Hyperparameters, _evidence, condition, fit

GEOMETRY = geometry_of(SPACE)
KNOWN = levels_of(SPACE, drawn(40))
VALUES = np.sin(KNOWN[:, 0]) + 0.5 * KNOWN[:, 4] + 0.1 * KNOWN[:, 5]
STANDARD = (VALUES - VALUES.mean()) / VALUES.std()


def test_it_passes_through_what_was_measured_and_is_sure_of_it() -> None:
    process = condition(GEOMETRY, fit(GEOMETRY, KNOWN, STANDARD), KNOWN, VALUES, (VALUES.mean(), VALUES.std()))
    mean, std = process.predict(KNOWN)
    assert np.abs(mean - VALUES).max() < 0.05
    assert std.max() < 0.1
    assert process.expect(KNOWN) == pytest.approx(mean)


def test_it_predicts_what_it_was_not_shown() -> None:
    process = condition(GEOMETRY, fit(GEOMETRY, KNOWN, STANDARD), KNOWN, VALUES, (VALUES.mean(), VALUES.std()))
    others = pool_of(SPACE).levels
    truth = np.sin(others[:, 0]) + 0.5 * others[:, 4] + 0.1 * others[:, 5]
    assert np.corrcoef(process.predict(others)[0], truth)[0, 1] > 0.97


def test_a_flat_knob_is_found_to_be_flat() -> None:
    importance = np.exp(fit(GEOMETRY, KNOWN, STANDARD).importance)
    assert importance[6] < 0.2 * importance[4]


def test_a_noisy_measurement_is_believed_less() -> None:
    prior = Hyperparameters.prior(len(SPACE.parameters), METRIC_PRIOR)
    extra = np.zeros(len(VALUES))
    extra[3] = 100.0
    moved = VALUES.copy()
    moved[3] += 10
    process = condition(GEOMETRY, prior, KNOWN, moved, (0.0, 1.0), extra)
    assert abs(process.predict(KNOWN[3:4])[0][0] - moved[3]) > 5


def test_the_gradient_of_the_evidence_is_right() -> None:
    point = Hyperparameters.prior(len(SPACE.parameters), METRIC_PRIOR).vector()
    _, gradient = _evidence(point, GEOMETRY, KNOWN, STANDARD)
    for position in range(len(point)):
        step = np.zeros(len(point))
        step[position] = 1e-5
        above, below = (_evidence(moved, GEOMETRY, KNOWN, STANDARD)[0] for moved in (point + step, point - step))
        slope = (above - below) / 2e-5
        assert gradient[position] == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_the_density_of_what_is_left_out_is_that_of_separate_predictions() -> None:
    prior = Hyperparameters.prior(len(SPACE.parameters), METRIC_PRIOR)
    known, values = KNOWN[:8], VALUES[:8]
    total = 0.0
    noise = np.exp(prior.noise)
    for left in range(8):
        rest = np.arange(8) != left
        mean, std = condition(GEOMETRY, prior, known[rest], values[rest], (0.0, 1.0)).predict(known[left : left + 1])
        variance = std[0] ** 2 + noise
        total += -0.5 * np.log(2 * np.pi * variance) - 0.5 * (values[left] - mean[0]) ** 2 / variance
    assert condition(GEOMETRY, prior, known, values, (0.0, 1.0)).left_out() == pytest.approx(total, rel=1e-4)
