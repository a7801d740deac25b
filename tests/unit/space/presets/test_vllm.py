"""The vLLM preset: the engine's knobs, its defaults, its rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.space.presets.targets import EXPERTS, GIB, NODE, SERVING, breaks, space

from autoscout.simulators.knobs import ALIASES

EIGHT = space("vllm", SERVING)
ROUTED = space("vllm", replace(SERVING, model=EXPERTS))


def test_every_name_is_in_the_vocabulary_of_knobs():
    assert set(EIGHT.by_name) | set(ROUTED.by_name) <= set(ALIASES)


def test_every_parameter_says_what_it_does():
    assert all(parameter.description for parameter in ROUTED.by_name.values())


@pytest.mark.parametrize(
    ("gpus", "offline", "tokens", "sequences"),
    [
        (NODE, True, 8192, 256),
        (NODE, False, 2048, 256),
        (replace(NODE, ample=True), True, 16_384, 1024),
        (replace(NODE, ample=True), False, 8192, 1024),
    ],
)
def test_the_defaults_are_the_engines(gpus, offline, tokens, sequences):
    found = dict(space("vllm", replace(SERVING, gpus=gpus, offline=offline)).default())
    assert found == {
        "tp": 1,
        "pp": 1,
        "dp": 8,
        "max_num_batched_tokens": tokens,
        "max_num_seqs": sequences,
        "enable_chunked_prefill": True,
        "long_prefill_token_threshold": 0,
        "enable_prefix_caching": True,
        "gpu_memory_utilization": 0.92,
        "block_size": 16,
        "async_scheduling": True,
        "enforce_eager": False,
        "max_cudagraph_capture_size": 512,
    }


def test_a_model_too_large_for_one_gpu_is_split_by_default_and_replicas_fill_the_rest():
    large = replace(SERVING, model=replace(SERVING.model, dense_parameters=70_000_000_000))
    found = space("vllm", large).default()
    assert (found["tp"], found["pp"], found["dp"]) == (4, 1, 2)


@pytest.mark.parametrize(
    ("target", "broken"),
    [
        (SERVING, {"tp": 2, "dp": 8}),
        (replace(SERVING, model=replace(SERVING.model, heads=28, groups=4)), {"tp": 8, "dp": 1}),
        (replace(SERVING, model=replace(SERVING.model, groups=3)), {"tp": 2, "dp": 4}),
        (replace(SERVING, model=replace(SERVING.model, ffn=10)), {"tp": 4, "dp": 2}),
        (replace(SERVING, model=replace(SERVING.model, layers=4)), {"pp": 8, "dp": 1}),
        (SERVING, {"max_num_batched_tokens": 512, "max_num_seqs": 1024}),
        (SERVING, {"enable_chunked_prefill": False, "max_num_batched_tokens": 1024}),
        (replace(SERVING, gpus=replace(NODE, memory=16 * GIB)), {"tp": 1, "dp": 8, "gpu_memory_utilization": 0.8}),
        (replace(SERVING, model=replace(EXPERTS, ffn=1404)), {"tp": 8, "dp": 1, "enable_expert_parallel": False}),
    ],
)
def test_what_the_engine_does_not_take_is_not_in_the_space(target, broken):
    assert breaks(space("vllm", target), **broken).startswith("constraints[")


def test_experts_may_be_spread_where_they_can_not_be_split():
    found = space("vllm", replace(SERVING, model=replace(EXPERTS, ffn=1404)))
    assert breaks(found, tp=8, dp=1, enable_expert_parallel=True) == ""


def test_expert_parallelism_is_for_experts_and_several_gpus():
    assert "enable_expert_parallel" not in EIGHT.by_name
    single = space(
        "vllm", replace(SERVING, model=replace(EXPERTS, expert_parameters=10**9), gpus=replace(NODE, per_node=1))
    )
    assert "enable_expert_parallel" not in single.default()


def test_the_cache_is_in_8_bits_only_where_the_gpu_can():
    assert "kv_cache_dtype" not in EIGHT.by_name
    assert space("vllm", replace(SERVING, gpus=replace(NODE, fp8=True))).by_name["kv_cache_dtype"].values == (
        "auto",
        "fp8",
    )


def test_knobs_that_would_be_ignored_are_not_there():
    full = EIGHT.full_values(EIGHT.default())
    assert "async_scheduling" not in EIGHT.canonical(full | {"pp": 2, "dp": 4})
    assert "max_cudagraph_capture_size" not in EIGHT.canonical(full | {"enforce_eager": True})
    assert "long_prefill_token_threshold" not in EIGHT.canonical(full | {"enable_chunked_prefill": False})


def test_the_threshold_is_no_longer_than_the_longest_sequence():
    assert space("vllm", replace(SERVING, sequence=600)).by_name["long_prefill_token_threshold"].values == (0, 256, 512)
