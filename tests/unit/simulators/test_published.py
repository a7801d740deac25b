"""Against measurements on real hardware: Korthikanti et al. 2022, Table 5 (Megatron-LM on DGX A100 80GB)."""

from __future__ import annotations

import pytest

from autoscout.simulators.hardware import find
from autoscout.simulators.training import TrainingSimulator
from autoscout.simulators.workload import Architecture, Hardware, Pool, Workload

# Layers, hidden size, heads; tp, pp, interleaved chunks; global batch, micro-batch; seconds of an iteration with full
# recomputation, and with selective recomputation and sequence parallelism.
RUNS = {
    "22B": (48, 6144, 64, 8, 1, 1, 4, 4, 1.42, 1.10),
    "175B": (96, 12288, 96, 8, 8, 3, 64, 1, 18.13, 13.75),
    "530B": (105, 20480, 128, 8, 35, 3, 280, 1, 49.05, 37.83),
    "1T": (128, 25600, 160, 8, 64, 1, 512, 1, 94.42, 71.49),
}


@pytest.mark.parametrize("name", RUNS)
def test_iterations_of_megatron_lm_are_met_within_a_tenth(name):
    layers, hidden, heads, tp, pp, vpp, batch, micro, full, selective = RUNS[name]
    shape = Architecture(layers, hidden, 4 * hidden, heads, heads, hidden // heads, 51200)
    workload = Workload("megatron", "training", "gpt", shape, batch, 2048, precision="fp16")
    pool = Pool("dgx", "NVIDIA-A100-SXM4-80GB", tp * pp // 8, 8)
    base = {"tp": tp, "pp": pp, "vpp": vpp, "dp": 1, "mbs": micro, "use_flash_attn": False}
    prediction = TrainingSimulator(find(pool.gpu), pool).predict(
        [
            base | {"recompute_granularity": "full", "sequence_parallel": False},
            base | {"recompute_granularity": "selective", "sequence_parallel": True},
        ],
        workload,
        Hardware((pool,)),
    )
    assert list(prediction.column("seconds_per_iteration")[0]) == pytest.approx([full, selective], rel=0.1)
    assert min(prediction.feasible) > 0.9
