"""Physics that holds for every server."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulators.jobs import SERVING, hardware, pool, serve

from autoscout.simulators.hardware import find
from autoscout.simulators.serving import ServingSimulator


def column(metric, *configurations, **more):
    return serve(*configurations, **more).column(metric)[0]


def test_one_sequence_decodes_at_the_speed_of_memory():
    parameters = 32 * (4096 * 4096 * 2 + 2 * 4096 * 1024 + 3 * 4096 * 11008) + 32000 * 4096
    floor = 1000 * 2 * parameters / 2039e9
    tpot = column("tpot_ms", {"tp": 1, "max_num_seqs": 1})
    assert floor < tpot[0] < 1.6 * floor


def test_more_sequences_raise_throughput_and_latency():
    sizes = [{"max_num_seqs": n, "max_num_batched_tokens": 8192} for n in (1, 4, 16, 64, 256)]
    assert np.all(np.diff(column("tokens_per_second", *sizes)) > 0)
    assert np.all(np.diff(column("tpot_ms", *sizes)) > 0)


def test_tensor_parallelism_shortens_a_token_and_costs_throughput():
    degrees = [{"tp": n, "max_num_seqs": 32} for n in (1, 2, 4, 8)]
    assert np.all(np.diff(column("tpot_ms", *degrees)) < 0)
    assert np.all(np.diff(column("milliseconds_per_token", *degrees)) > 0)


def test_units_agree():
    prediction = serve({"tp": 2, "max_num_seqs": 64})
    assert prediction.column("milliseconds_per_token")[0] * prediction.column("tokens_per_second")[0] == pytest.approx(
        1000
    )


def test_replicas_fill_the_pool():
    alone = column("tokens_per_second", {"tp": 8, "max_num_seqs": 1})
    many = column("tokens_per_second", {"tp": 1, "max_num_seqs": 1})
    rate = 1000 / column("tpot_ms", {"tp": 1, "max_num_seqs": 1})
    assert alone < many < 8 * rate


def test_a_load_that_the_job_states_limits_the_batch_of_every_replica():
    few = replace(SERVING, in_flight=64)
    small, exact, large = column(
        "tokens_per_second", *({"tp": 1, "max_num_seqs": n} for n in (4, 8, 256)), workload=few
    )
    assert small < exact, "8 replicas have 8 requests each"
    assert large == pytest.approx(exact)
    unlimited = column("tokens_per_second", {"tp": 1, "max_num_seqs": 256})[0]
    assert large < unlimited
    # With few requests for each, fewer and faster replicas win; with many they lose.
    pair = {"tp": 1, "max_num_seqs": 256}, {"tp": 2, "max_num_seqs": 256}
    assert np.diff(column("tpot_ms", *pair, workload=replace(SERVING, in_flight=8)))[0] < 0
    assert (
        column("tokens_per_second", *pair, workload=replace(SERVING, in_flight=8))[1]
        > column("tokens_per_second", pair[0], workload=replace(SERVING, in_flight=8))[0]
    )
    assert np.diff(column("tokens_per_second", *pair))[0] < 0


def test_the_memory_is_that_of_a_full_server_whatever_the_load():
    given = {"tp": 1, "max_num_seqs": 256}
    assert serve(given, workload=replace(SERVING, in_flight=4)).feasible == serve(given).feasible


def test_a_budget_too_small_for_the_prompts_starves_decoding():
    rate = column("tokens_per_second", *({"max_num_seqs": 256, "max_num_batched_tokens": n} for n in (128, 512, 2048)))
    assert np.all(np.diff(rate) > 0)


def test_a_full_batch_needs_its_cache():
    sizes = [{"max_num_seqs": n} for n in (1, 64, 256, 512)]
    prediction = serve(*sizes)
    memory = prediction.peak_memory_gib
    cache = 2 * 32 * 8 * 128 * 2 * (1024 + 256)
    assert (memory[1] - memory[0]) * 2**30 == pytest.approx(63 * cache, rel=0.01)
    assert prediction.feasible[0] > 0.99
    assert prediction.feasible[3] < 0.01


def test_memory_that_the_server_may_not_take_does_not_count():
    prediction = serve(*({"max_num_seqs": 256, "gpu_memory_utilization": share} for share in (0.5, 0.7, 0.95)))
    assert np.all(np.diff(prediction.feasible) > 0)
    assert np.ptp(prediction.peak_memory_gib) == 0


def test_quantised_weights_and_caches_save_memory_and_time():
    plain, weights, cache = (
        {"max_num_seqs": 64} | more for more in ({}, {"quantization": "fp8"}, {"kv_cache_dtype": "fp8"})
    )
    prediction = serve(plain, weights, cache)
    assert np.all(prediction.peak_memory_gib[1:] < prediction.peak_memory_gib[0])
    assert np.all(prediction.column("tpot_ms")[0][1:] < prediction.column("tpot_ms")[0][0])


def test_replicas_share_experts_where_these_are_spread():
    mixture = replace(SERVING, architecture=replace(SERVING.architecture, experts=64, experts_per_token=8))
    plain = {"tp": 1, "dp": 8, "max_num_seqs": 16}
    whole, shared = serve(plain, plain | {"enable_expert_parallel": True}, workload=mixture).peak_memory_gib
    experts = 2 * 32 * 64 * 3 * 4096 * 11008 / 2**30
    assert whole - shared == pytest.approx(experts * 7 / 8, rel=0.01)
    alone = {"tp": 1, "max_num_seqs": 16}
    assert column("tpot_ms", alone, workload=mixture) == column(
        "tpot_ms", alone | {"enable_expert_parallel": True}, workload=mixture
    )


def test_every_node_that_a_replica_spans_costs_a_way_over_the_network():
    stages, gpu = {"tp": 2, "pp": 4, "max_num_seqs": 16}, "NVIDIA-A100-SXM4-80GB"
    tpot = [
        ServingSimulator(find(gpu), pool(gpu, nodes, 8 // nodes))
        .predict([stages], SERVING, hardware(gpu, nodes, 8 // nodes))
        .column("tpot_ms")[0][0]
        for nodes in (1, 2, 4)
    ]
    # One of the three ways between the stages leads out of a node, then all of them.
    assert tpot[2] - tpot[0] == pytest.approx(3 * (tpot[1] - tpot[0]), rel=1e-6)
    assert tpot[1] > tpot[0]


def test_a_mixture_reads_only_the_experts_that_tokens_reach():
    mixture = replace(SERVING, architecture=replace(SERVING.architecture, experts=8, experts_per_token=2))
    one, many = (
        column("tpot_ms", {"max_num_seqs": n, "tp": 4}, workload=mixture)[0]
        / column("tpot_ms", {"max_num_seqs": n, "tp": 4})[0]
        for n in (1, 8)
    )
    assert 1 < one < 2
    assert 3 < many < 8


def test_launching_kernels_one_by_one_is_slower():
    eager, graphs = column("tpot_ms", {"enforce_eager": True}, {"enforce_eager": False})
    assert eager > graphs


def test_frameworks_names_mean_the_same():
    prediction = serve(
        {"tp": 2, "pp": 2, "max_num_seqs": 32},
        {"tensor_parallel_size": 2, "pipeline-parallel-size": 2, "max_num_seqs": 32},
    )
    assert np.array_equal(prediction.mean[0], prediction.mean[1])
