"""How good predictions are of rows that are known."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.simulators.jobs import TRAINING, hardware, pool

from autoscout.simulators.accuracy import Known, accuracy, corrected, drawn
from autoscout.simulators.hardware import find
from autoscout.simulators.protocol import Prediction
from autoscout.simulators.training import TrainingSimulator

SIMULATOR = TrainingSimulator(find("NVIDIA-A100-SXM4-80GB"), pool())
METRIC = "seconds_per_iteration"


def predicted(means, feasible=None):
    means = np.array(means, float)[:, None]
    feasible = np.ones(len(means)) if feasible is None else np.array(feasible, float)
    return Prediction((METRIC,), means, 0.1 * means, feasible, np.full(len(means), 40.0))


def ran(seconds):
    return Known({}, {METRIC: seconds})


def test_rank_error_and_interval_are_those_of_the_rows_that_report_the_metric():
    rows = [ran(1.1), ran(1.8), ran(8.0), Known({}, {}), Known({}, None)]
    found = accuracy(predicted([1, 2, 4, 9, 9]), rows).metrics[METRIC]
    assert (found.rows, found.rank_correlation) == (3, 1.0)
    assert found.mape == pytest.approx((0.1 / 1.1 + 0.2 / 1.8 + 0.5) / 3)
    assert found.within90 == pytest.approx(2 / 3)
    assert found.width90 == pytest.approx(np.exp(1.6449 * np.sqrt(np.log1p(0.01))))


def test_without_a_difference_there_is_no_rank():
    assert accuracy(predicted([2, 2]), [ran(1), ran(3)]).metrics[METRIC].rank_correlation is None
    assert accuracy(predicted([2, 2]), [Known({}, None)] * 2).metrics == {}


def test_out_of_memory_is_what_memory_is_feared_for_and_not_what_can_not_run_at_all():
    # Called out of memory: the first two. The third can't be split like that, whatever the memory.
    prediction = predicted([1, 1, 1, 1], feasible=[0.4, 0.1, 0.0, 0.9])
    memory, failed = Known({}, None, out_of_memory=True), Known({}, None)
    found = accuracy(prediction, [memory, ran(1), failed, memory])
    assert (found.out_of_memory, found.precision, found.recall) == (2, 0.5, 0.5)
    found = accuracy(predicted([1, 1]), [ran(1), failed])
    assert (found.out_of_memory, found.precision, found.recall) == (0, None, None)


def test_rows_are_drawn_once_each_and_alike_with_the_same_seed():
    first, others = drawn(10, 3, seed=1)
    assert (len(first), sorted(first + others)) == (3, list(range(10)))
    assert (first, others) == drawn(10, 3, seed=1) != drawn(10, 3, seed=2)


def test_a_failure_for_another_reason_corrects_nothing():
    space = [{"tp": 2, "dp": 4, "mbs": mbs, "ar": "none"} for mbs in (1, 2, 4)]
    raw = SIMULATOR.predict(space, TRAINING, hardware())
    same = corrected(SIMULATOR, [Known(space[0], None)], TRAINING, hardware())(space)
    assert np.array_equal(same.mean, raw.mean)
    assert np.array_equal(same.feasible, raw.feasible)
    slower = corrected(SIMULATOR, [Known(space[0], {METRIC: 2 * raw.mean[0, 0]})], TRAINING, hardware())(space)
    assert np.all(slower.mean[:, 0] > 1.2 * raw.mean[:, 0])
