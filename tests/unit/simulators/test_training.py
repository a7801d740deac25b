"""Physics that holds for every training job."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulators.jobs import SHAPE, TRAINING, hardware, pool, train

from autoscout.simulators.hardware import find
from autoscout.simulators.machine import Machine
from autoscout.simulators.training import TrainingSimulator

PARAMETERS = 32 * (4096 * 4096 * 2 + 2 * 4096 * 1024 + 3 * 4096 * 11008) + 2 * 32000 * 4096
BASE = {"tp": 2, "pp": 2, "dp": 2, "mbs": 1, "ar": "none"}


def test_states_alone_take_sixteen_to_eighteen_bytes_of_a_parameter():
    # 16: fp16 parameters and gradients, fp32 copy and two moments; bf16 keeps gradients in fp32.
    tiny = replace(TRAINING, sequence_length=1, global_batch_size=1)
    one = {"tp": 1, "pp": 1, "dp": 1, "mbs": 1}
    _, memory, _ = train(one, workload=tiny)
    assert memory[0] == pytest.approx(18 * PARAMETERS / 2**30, rel=0.01)
    _, memory, _ = train(one, workload=replace(tiny, precision="fp16"))
    assert memory[0] == pytest.approx(16 * PARAMETERS / 2**30, rel=0.01)


def test_compute_is_six_flops_for_each_parameter_and_token():
    seconds, _, _ = train({"tp": 1, "pp": 1, "dp": 8, "mbs": 1, "ar": "none", "zero1": True, "dpo": True})
    flops = 6 * 5.9e9 * 64 * 4096
    assert 0.4 < flops / (seconds[0] * 8 * 312e12) < 0.8


@pytest.mark.parametrize("knob", ["tp", "pp"])
def test_splitting_the_model_saves_memory(knob):
    _, memory, _ = train(*({"tp": 1, "pp": 1, "dp": 1, "ar": "none", "mbs": 1} | {knob: n} for n in (1, 2, 4, 8)))
    assert np.all(np.diff(memory) < 0)


def test_context_parallelism_saves_activations():
    _, memory, _ = train(*({"dp": 1, "mbs": 1, "ar": "none", "cp": n} for n in (1, 2, 4, 8)))
    assert np.all(np.diff(memory) < 0)


def test_a_larger_micro_batch_takes_more_memory():
    _, memory, _ = train(*(BASE | {"mbs": n} for n in (1, 2, 4, 8)))
    assert np.all(np.diff(memory) > 0)


def test_the_bubble_shrinks_with_more_micro_batches_and_with_interleaving():
    def idle(batch, **more):
        seconds, _, _ = train(BASE | {"pp": 4, "dp": 1} | more, workload=replace(TRAINING, global_batch_size=batch))
        return seconds[0] / batch

    assert idle(4) > idle(8) > idle(64)
    assert idle(8) > idle(8, vpp=2) > idle(8, vpp=4)


def test_interleaving_keeps_more_activations():
    _, memory, _ = train(BASE | {"pp": 4}, BASE | {"pp": 4, "vpp": 4})
    assert memory[1] > memory[0]


def test_sharding_optimizer_gradients_and_parameters_saves_ever_more():
    _, memory, _ = train(*(BASE | {"zero": stage} for stage in (0, 1, 2, 3)))
    assert np.all(np.diff(memory) < 0)
    _, same, _ = train(BASE | {"zero1": True})
    assert same[0] == memory[1]


def test_sharding_does_nothing_for_a_single_replica():
    _, memory, _ = train({"tp": 8, "dp": 1, "zero1": True}, {"tp": 8, "dp": 1, "zero1": False})
    assert memory[0] == memory[1]


def test_recomputation_trades_time_for_memory():
    seconds, memory, _ = train(*(BASE | {"ar": mode, "mbs": 4} for mode in ("none", "mlp_only", "full_block")))
    assert np.all(np.diff(seconds) > 0)
    assert np.all(np.diff(memory) < 0)


def test_half_the_layers_recomputed_is_between_none_and_all():
    seconds, memory, _ = train(
        BASE | {"ar": "none"},
        BASE | {"ar": "full", "ar_layers_frac": 0.5},
        BASE | {"ar": "full", "ar_layers_frac": 1.0},
    )
    assert seconds[0] < seconds[1] < seconds[2]
    assert memory[0] > memory[1] > memory[2]


def test_sequence_parallelism_saves_activations():
    _, memory, _ = train(BASE | {"tp": 4, "sp": False}, BASE | {"tp": 4, "sp": True})
    assert memory[1] < memory[0]


def test_overlap_saves_time():
    seconds, _, _ = train(BASE | {"dpo": False}, BASE | {"dpo": True})
    assert seconds[1] < seconds[0]
    seconds, _, _ = train(BASE | {"sp": True}, BASE | {"sp": True, "tp_comm_overlap": True})
    assert seconds[1] < seconds[0]


def test_narrower_gradients_save_time_and_memory():
    seconds, memory, _ = train(BASE | {"grad_bf16": False}, BASE | {"grad_bf16": True})
    assert seconds[1] < seconds[0]
    assert memory[1] < memory[0]


def test_a_faster_gpu_is_faster():
    slow, _, _ = train(BASE, gpu="NVIDIA-A40")
    middle, _, _ = train(BASE)
    fast, _, _ = train(BASE, gpu="NVIDIA-H100-80GB-HBM3")
    assert slow[0] > middle[0] > fast[0]


def test_tensor_parallelism_across_nodes_is_slow():
    seconds, _, _ = train({"tp": 8, "dp": 2, "mbs": 1}, {"tp": 16, "dp": 1, "mbs": 1}, nodes=2)
    assert seconds[1] > 1.5 * seconds[0]


def test_what_the_model_can_not_be_split_into_has_no_chance():
    _, _, feasible = train(
        {"tp": 3, "dp": 1, "mbs": 1}, {"tp": 1, "dp": 3, "mbs": 1}, {"pp": 64, "dp": 1, "mbs": 1}, {"tp": 2, "dp": 4}
    )
    assert list(feasible[:3]) == [0, 0, 0]
    assert feasible[3] > 0


def test_feasibility_follows_the_margin():
    _, memory, feasible = train(*(BASE | {"mbs": n} for n in (1, 2, 4, 8)))
    assert np.all(np.diff(feasible) <= 0)
    for gib, probability in zip(memory, feasible, strict=True):
        assert (gib > 78) == (probability < 0.5)


def test_frameworks_names_mean_the_same():
    short = {"tp": 2, "pp": 2, "dp": 2, "mbs": 2, "ar": "full", "zero1": True, "dpo": True, "sp": True}
    long = {
        "tensor_model_parallel_size": 2,
        "--pipeline-model-parallel-size": 2,
        "data_parallel_size": 2,
        "micro-batch-size": 2,
        "recompute_granularity": "full",
        "use_distributed_optimizer": True,
        "overlap_grad_reduce": "true",
        "sequence_parallel": 1,
    }
    (one, other), (memory, other_memory), _ = train(short, long)
    assert one == other
    assert memory == other_memory


def test_an_unknown_knob_changes_no_mean_but_widens():
    where = hardware()
    simulator = TrainingSimulator(find("NVIDIA-A100-SXM4-80GB"), pool())
    prediction = simulator.predict([BASE, BASE | {"nccl_algo": "tree"}], TRAINING, where)
    assert prediction.mean[0] == pytest.approx(prediction.mean[1])
    assert np.all(prediction.std[1] > prediction.std[0])


def test_tokens_and_seconds_agree():
    simulator = TrainingSimulator(find("NVIDIA-A100-SXM4-80GB"), pool())
    prediction = simulator.predict([BASE], TRAINING, hardware())
    seconds, tokens = prediction.column("seconds_per_iteration")[0], prediction.column("tokens_per_second")[0]
    assert seconds * tokens == pytest.approx(64 * 4096)


MIXTURE = replace(TRAINING, architecture=replace(TRAINING.architecture, experts=8, experts_per_token=2))


def test_experts_spread_over_ranks_save_memory_and_have_fewer_replicas():
    _, memory, _ = train(*({"tp": 2, "dp": 4, "ep": n} for n in (1, 2, 4)), workload=MIXTURE)
    assert np.all(np.diff(memory) < 0)
    # With as many shards as ranks there is nothing left for the distributed optimizer to shard of the experts.
    saved = [
        train(
            {"tp": 1, "dp": 8, "ep": n, "zero1": False}, {"tp": 1, "dp": 8, "ep": n, "zero1": True}, workload=MIXTURE
        )[1]
        for n in (1, 8)
    ]
    assert saved[0][0] - saved[0][1] > 5 * (saved[1][0] - saved[1][1]) > 0


def test_experts_that_do_not_divide_can_not_be_spread():
    _, _, feasible = train({"tp": 1, "dp": 8, "ep": 3}, {"tp": 1, "dp": 2, "ep": 8}, workload=MIXTURE)
    assert list(feasible) == [0, 0]


def test_only_the_experts_of_a_token_cost_time():
    dense, mixture = (train({"tp": 8, "dp": 1}, workload=workload)[0][0] for workload in (TRAINING, MIXTURE))
    assert dense < mixture < 2.5 * dense


def test_a_job_without_shape_is_refused():
    simulator = TrainingSimulator(find("NVIDIA-A100-SXM4-80GB"), pool())
    with pytest.raises(ValueError, match=r"workload\.model\.architecture"):
        simulator.predict([BASE], replace(TRAINING, architecture=None), hardware())


def test_many_configurations_cost_no_more_operations_than_one(monkeypatch):
    calls = []
    gemm = Machine.gemm

    def counted(self, *arguments):
        calls.append(1)
        return gemm(self, *arguments)

    monkeypatch.setattr(Machine, "gemm", counted)
    train(BASE)
    one = len(calls)
    train(*[BASE] * 1000)
    assert len(calls) == 2 * one


def test_frozen_weights_have_no_gradients_and_no_states():
    plain = {"tp": 1, "pp": 1, "dp": 8, "mbs": 1, "ar": "full"}
    seconds, memory, _ = train(plain)
    lighter, smaller, _ = train(plain, workload=replace(TRAINING, adapters=True))
    # 16 of the 18 bytes of a parameter go, and one of the three products of a layer.
    assert memory[0] - smaller[0] == pytest.approx(16 * PARAMETERS / 2**30, rel=0.05)
    assert 0.6 < lighter[0] / seconds[0] < 0.9


def test_the_expert_that_sees_every_token_costs_time_and_memory():
    routed = replace(SHAPE, experts=8, experts_per_token=2, expert_ffn_hidden_size=1408)
    plain = {"tp": 1, "pp": 1, "dp": 8, "ep": 8, "mbs": 1}
    without = train(plain, workload=replace(TRAINING, architecture=routed))
    shared = train(plain, workload=replace(TRAINING, architecture=replace(routed, shared_expert_ffn_hidden_size=5632)))
    assert shared[0][0] > 1.1 * without[0][0]
    assert shared[1][0] > without[1][0]


def test_an_expert_is_as_wide_as_the_job_says():
    wide = replace(SHAPE, experts=8, experts_per_token=2)
    narrow = replace(wide, expert_ffn_hidden_size=1408)
    plain = {"tp": 1, "pp": 1, "dp": 8, "ep": 8, "mbs": 1}
    assert (
        train(plain, workload=replace(TRAINING, architecture=narrow))[1][0]
        < train(plain, workload=replace(TRAINING, architecture=wide))[1][0]
    )
