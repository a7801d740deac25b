"""How far predictions may be off, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulators.jobs import SERVING, TRAINING, hardware, pool

from autoscout.simulators.hardware import find
from autoscout.simulators.serving import ServingSimulator
from autoscout.simulators.training import TrainingSimulator
from autoscout.simulators.uncertainty import spread

A100 = find("NVIDIA-A100-SXM4-80GB")
NONE = np.zeros(1)
MIXTURE = replace(TRAINING, architecture=replace(TRAINING.architecture, experts=8, experts_per_token=2))


def trained(*configurations, workload=TRAINING, gpu="NVIDIA-A100-SXM4-80GB"):
    """Relative standard deviation of an iteration's time, [N]."""
    found = TrainingSimulator(find(gpu), pool(gpu)).predict(configurations, workload, hardware(gpu))
    mean, std = found.column("seconds_per_iteration")
    return std / mean


def served(metric, *configurations, workload=SERVING):
    found = ServingSimulator(A100, pool()).predict(configurations, workload, hardware())
    mean, std = found.column(metric)
    return std / mean


def test_what_reaches_ninety_percent_of_a_normal_error_reaches_ninety_percent_of_measurements():
    """Errors are log-normal: the relative standard deviation is that of the factor, not of its logarithm."""
    found = TrainingSimulator(A100, pool()).predict([{"tp": 1, "dp": 8, "mbs": 1}], TRAINING, hardware())
    low, high = found.interval("seconds_per_iteration")
    mean, std = found.column("seconds_per_iteration")
    errors = np.exp(np.sqrt(np.log1p((std / mean) ** 2)) * np.random.default_rng(0).normal(size=20_000))
    assert np.mean((mean * errors >= low) & (mean * errors <= high)) == pytest.approx(0.9, abs=0.01)


def test_causes_add_up():
    alone = spread(A100, NONE, NONE)
    rough, unknown, readings = (
        spread(A100, *more) for more in ((NONE + 0.5, NONE), (NONE, NONE + 1), (NONE, NONE, np.log([2.0])))
    )
    together = spread(A100, NONE + 0.5, NONE + 1, np.log([2.0]))
    assert alone < min(rough, unknown, readings)
    parts = [np.log1p(each**2) - np.log1p(alone**2) for each in (rough, unknown, readings, together)]
    assert sum(parts[:3]) == pytest.approx(parts[3])


def test_readings_that_agree_add_nothing():
    assert spread(A100, NONE, NONE, NONE) == spread(A100, NONE, NONE)


def test_how_far_a_card_holds_its_peak_is_known_less_well_where_its_power_is_short():
    sxm, known, short = (
        spread(find(name), NONE, NONE) for name in ("NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-PCIE-80GB", "NVIDIA-A40")
    )
    assert sxm == known < short


@pytest.mark.parametrize(
    ("simple", "rough"),
    [
        ({"tp": 1, "dp": 8}, {"tp": 8, "dp": 1}),  # sums within every layer
        ({"tp": 1, "dp": 8}, {"tp": 8, "dp": 1, "sp": True, "tpo": "ring"}),  # the same, believed to hide
        ({"tp": 1, "dp": 8}, {"tp": 1, "pp": 8, "dp": 1}),  # a pipeline that fills and drains
    ],
)
def test_time_that_is_modelled_worse_widens_the_interval_of_training(simple, rough):
    assert np.diff(trained(simple, rough)) > 0


def test_experts_widen_the_interval_of_training():
    configuration = {"tp": 1, "dp": 8, "ep": 1}
    assert trained(configuration, workload=MIXTURE) > trained(configuration) + 0.02


def test_a_load_that_fills_no_server_is_another_reading():
    few, many = {"tp": 1, "max_num_seqs": 4}, {"tp": 1, "max_num_seqs": 256}
    rate, tpot = served("milliseconds_per_token", few, many), served("tpot_ms", few, many)
    assert rate[0] == pytest.approx(0.10, abs=0.01)
    assert np.diff(rate) > 0.3
    assert np.diff(tpot) > 0.1


def test_a_job_that_says_how_many_requests_are_in_flight_is_known_better():
    many = {"tp": 1, "max_num_seqs": 256}
    unknown, *known = (
        served("milliseconds_per_token", many, workload=replace(SERVING, in_flight=count))[0]
        for count in (None, 8, 64, 512)
    )
    assert known == pytest.approx([0.10] * 3, abs=0.01)
    assert unknown > 0.3


def test_stages_that_share_a_batch_are_another_reading():
    flooded = replace(SERVING, in_flight=100_000)
    whole, split = served("tpot_ms", {"tp": 1, "max_num_seqs": 256}, {"pp": 4, "max_num_seqs": 256}, workload=flooded)
    assert split > whole


def test_the_first_token_is_known_to_a_factor_of_two_at_best():
    alone = {"tp": 1, "max_num_seqs": 1, "max_num_batched_tokens": 2048}
    crowd = alone | {"max_num_seqs": 256, "max_num_batched_tokens": 16384}
    first, later = served("ttft_ms", alone, crowd)
    assert first > 0.4
    assert later > 2 * first
