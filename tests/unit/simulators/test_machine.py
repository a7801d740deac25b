"""Single operations."""

from __future__ import annotations

import numpy as np
import pytest

from autoscout.simulators.hardware import find
from autoscout.simulators.machine import Machine

SXM = Machine(find("NVIDIA-A100-SXM4-80GB"), 8)
PCIE = Machine(find("NVIDIA-A100-PCIE-80GB"), 8)


def one(value):
    return np.array([float(value)])


def test_a_large_product_reaches_most_of_the_peak_and_never_more():
    share = 2 * 8192**3 / SXM.gemm(8192, 8192, 8192) / SXM.gpu.peak("bf16")
    assert 0.7 < share < 0.9


def test_a_thin_product_runs_at_the_speed_of_memory():
    seconds = float(SXM.gemm(1, 4096, 4096))
    assert seconds == pytest.approx(4096 * 4096 * 2 / (0.85 * 2039e9), rel=0.3)


def test_a_ring_moves_twice_the_message_for_a_sum_and_once_to_gather():
    message, size = 1e9, one(8)
    both = SXM.all_reduce(message, size)
    assert both == pytest.approx(SXM.reduce_scatter(message, size) + SXM.all_gather(message, size), rel=1e-3)
    assert both == pytest.approx(2 * 7 / 8 * message / (300e9 * 0.8), rel=0.02)


def test_a_group_of_one_does_not_communicate():
    assert SXM.all_reduce(1e9, one(1)) == 0
    assert SXM.all_to_all(1e9, one(1)) == 0


def test_leaving_the_node_and_leaving_nvlink_cost_bandwidth():
    inside = SXM.all_reduce(1e9, one(8))
    assert SXM.all_reduce(1e9, one(16)) > inside
    assert PCIE.all_reduce(1e9, one(8)) > 5 * inside
    # Ranks of one node bring a network adapter each.
    assert SXM.all_reduce(1e9, one(16)) < SXM.all_reduce(1e9, one(16), 8.0)


def test_short_messages_cost_latency():
    assert 5e-6 < float(SXM.all_reduce(8192, one(8))[0]) < 5e-5
