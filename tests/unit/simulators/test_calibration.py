"""What profiles teach about a simulator."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from tests.unit.simulators.jobs import TRAINING, hardware, pool

from autoscout.simulators.calibration import calibrated
from autoscout.simulators.hardware import find
from autoscout.simulators.training import TrainingSimulator

SIMULATOR = TrainingSimulator(find("NVIDIA-A100-SXM4-80GB"), pool())
METRIC = "seconds_per_iteration"
SPACE = [
    {"tp": tp, "pp": pp, "dp": 8 // (tp * pp), "mbs": mbs, "ar": ar, "zero1": zero}
    for tp, pp, mbs, ar, zero in product((1, 2, 4), (1, 2), (1, 2, 4), ("none", "full"), (False, True))
]
RAW = SIMULATOR.predict(SPACE, TRAINING, hardware())


def truth(rng):
    """Another machine: slower by a factor, and by one for each knob, with what no knob explains."""
    factors = {(name, value): np.exp(0.08 * rng.normal()) for each in SPACE for name, value in each.items()}
    own = np.array([np.prod([factors[item] for item in each.items()]) for each in SPACE])
    return RAW.column(METRIC)[0] * 1.15 * own * np.exp(0.03 * rng.normal(size=len(SPACE)))


def test_without_profiles_nothing_changes():
    prediction = calibrated(SIMULATOR, [], TRAINING, hardware())(SPACE)
    assert np.array_equal(prediction.mean, RAW.mean)
    assert prediction.feasible == pytest.approx(RAW.feasible, abs=0.02)


def test_ninety_of_a_hundred_later_measurements_fall_into_the_interval():
    inside, errors, before = [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        measured = truth(rng)
        order = rng.permutation(len(SPACE))
        seen, later = order[:15], order[15:]
        predict = calibrated(SIMULATOR, [(SPACE[i], {METRIC: measured[i]}) for i in seen], TRAINING, hardware())
        prediction = predict([SPACE[i] for i in later])
        low, high = prediction.interval(METRIC)
        inside.append((measured[later] >= low) & (measured[later] <= high))
        errors.append(np.abs(prediction.column(METRIC)[0] / measured[later] - 1))
        before.append(np.abs(RAW.column(METRIC)[0][later] / measured[later] - 1))
    assert 0.85 < np.mean(inside) < 0.98
    assert np.mean(errors) < 0.6 * np.mean(before)


def test_profiles_without_a_surprise_narrow_the_interval():
    measured = 1.05 * RAW.column(METRIC)[0]
    widths = []
    for count in (0, 1, 5, 30):
        seen = [(SPACE[i], {METRIC: measured[i]}) for i in range(0, 2 * count, 2)]
        mean, std = calibrated(SIMULATOR, seen, TRAINING, hardware())(SPACE).column(METRIC)
        widths.append(float(np.median(std / mean)))
    assert widths == sorted(widths, reverse=True)


def test_running_out_of_memory_teaches_where_memory_ends():
    near = [i for i in range(len(SPACE)) if 66 < RAW.peak_memory_gib[i] < 78]
    assert near
    assert min(RAW.feasible[near]) > 0.6
    failed = [(SPACE[i], None) for i in near]
    prediction = calibrated(SIMULATOR, failed, TRAINING, hardware())(SPACE)
    assert np.all(prediction.feasible[near] < 0.5)
    small = RAW.peak_memory_gib < 30
    assert np.all(prediction.feasible[small] > 0.9)


def test_what_can_not_run_at_all_stays_so():
    ran = [(SPACE[i], {METRIC: 1.0}) for i in range(10)]
    assert calibrated(SIMULATOR, ran, TRAINING, hardware())([{"tp": 3}]).feasible[0] == 0
