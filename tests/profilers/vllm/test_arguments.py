"""What the installed vLLM accepts, refuses and ignores, before anything is started."""

from __future__ import annotations

import pytest

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.runner.launch import Hardware, Place
from autoscout_profiler.vllm import arguments, model
from autoscout_profiler.vllm.settings import Settings

from .tiny import ARCHITECTURE, EXPERTS, workload

TABLE = {
    "tensor_parallel_size": 2,
    "pipeline_parallel_size": 2,
    "data_parallel_size": 2,
    "max_num_batched_tokens": 2048,
    "max_num_seqs": 16,
    "enable_chunked_prefill": True,
    "enable_prefix_caching": False,
    "long_prefill_token_threshold": 128,
    "gpu_memory_utilization": 0.5,
    "block_size": 32,
    "kv_cache_dtype": "fp8",
    "async_scheduling": False,
    "enforce_eager": True,
    "performance_mode": "throughput",
    "scheduling_policy": "priority",
    "kv_cache_memory_bytes": 2**30,
}
"""Each knob that presets and users vary, with a value that is not the default."""

LONGEST = 288


def plan(tmp_path, configuration, hardware=None, architecture=ARCHITECTURE, name="tiny-llama", **changes):
    settings = Settings.read(configuration, workload(**changes), hardware or Hardware())
    source = model.written(architecture, name, LONGEST, tmp_path)
    return arguments.plan(settings, arguments.values_of(configuration), source, LONGEST, Place())


@pytest.mark.parametrize(("name", "value"), TABLE.items())
def test_every_knob_of_the_table_reaches_the_engine(tmp_path, name, value):
    assert plan(tmp_path, {name: value}).arguments[name] in (value, str(value))


def test_short_names_reach_the_engine(tmp_path):
    config = plan(tmp_path, {"tp": 2, "pp": 2, "dp": 2, "max_batch_size": 8, "chunked_prefill": True}).config
    parallel = config.parallel_config
    degrees = (parallel.tensor_parallel_size, parallel.pipeline_parallel_size, parallel.data_parallel_size)
    assert degrees == (2, 2, 2)
    assert config.scheduler_config.max_num_seqs == 8


def test_serving_has_the_defaults_of_the_server_and_offline_those_of_the_class(tmp_path):
    offline = plan(tmp_path, {}).config.scheduler_config
    serving = plan(tmp_path, {}, load={"mode": "serving", "concurrency": 4}).config.scheduler_config
    assert offline.max_num_batched_tokens > serving.max_num_batched_tokens


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "llama"),
        ({}, "qwen2.5"),
        ({}, "qwen3"),
        (EXPERTS, "qwen3-moe"),
        (EXPERTS | {"sharedExpertFfnHiddenSize": 512}, "qwen1.5-moe"),
        ({"experts": 8, "expertsPerToken": 2}, "mixtral"),
    ],
)
def test_vllm_knows_every_architecture_that_is_made(tmp_path, more, name):
    config = plan(tmp_path, {}, architecture=ARCHITECTURE | more, name=name).config
    assert config.model_config.get_num_layers(config.parallel_config) == ARCHITECTURE["layers"]
    assert config.model_config.get_num_experts() == more.get("experts", 0)


@pytest.mark.parametrize(
    ("configuration", "field", "words"),
    [
        ({"max_num_seq": 16}, "max_num_seq", "the nearest is max_num_seqs"),
        ({"swap_space": 4}, "swap_space", "no such argument"),
        ({"max_num_seqs": "many"}, "max_num_seqs", "invalid int value: 'many'"),
        ({"max_num_seqs": 0}, "max_num_seqs", "greater than or equal to 1"),
        ({"kv_cache_dtype": "int3"}, "kv_cache_dtype", "invalid choice: 'int3'"),
        ({"tp": 3}, "tensor_parallel_size", "attention heads (4) must be divisible by tensor parallel size (3)"),
        ({"pp": 8}, "pipeline_parallel_size", "8 stages for 4 layers"),
        (
            {"max_num_seqs": 64, "max_num_batched_tokens": 32},
            "max_num_seqs, max_num_batched_tokens",
            "max_num_batched_tokens (32) must be greater than or equal to max_num_seqs (64)",
        ),
        (
            {"max_num_batched_tokens": 128, "max_num_seqs": 8, "enable_chunked_prefill": False},
            "max_num_batched_tokens",
            "is smaller than max_model_len (288)",
        ),
        ({"long_prefill_token_threshold": 500}, "long_prefill_token_threshold", "cannot be greater than"),
        ({"enable_expert_parallel": True}, "enable_expert_parallel", "Number of experts in the model must be greater"),
    ],
)
def test_what_vllm_refuses_is_refused_in_its_own_words_with_the_knob(tmp_path, configuration, field, words):
    with pytest.raises(InvalidConfiguration) as refusal:
        plan(tmp_path, configuration)
    assert refusal.value.field == field
    assert words in str(refusal.value)


def test_the_optimization_level_is_taken_where_something_is_compiled(tmp_path):
    config = plan(tmp_path, {"optimization_level": 1, "enforce_eager": False}).config
    assert config.optimization_level == 1


def test_replicas_that_share_experts_are_refused_on_cpus(tmp_path):
    shared = {"architecture": ARCHITECTURE | EXPERTS, "name": "qwen3-moe"}
    assert plan(tmp_path, {"tp": 2}, **shared).replicas == 1
    with pytest.raises(InvalidConfiguration, match=r"data_parallel_size: on CPUs vLLM .* share experts: set it to 1"):
        plan(tmp_path, {"dp": 2}, **shared)


def test_a_variable_does_not_take_the_place_of_a_knob(tmp_path, monkeypatch):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "2")
    with pytest.raises(InvalidConfiguration, match=r"kv_cache_memory_bytes: vLLM .* would run with 2147483648"):
        plan(tmp_path, {"kv_cache_memory_bytes": 2**30})


@pytest.mark.parametrize(
    "configuration",
    [
        {"enable_dbo": True},
        {"async_scheduling": True},
        {"cudagraph_capture_sizes": "1,2,4"},
        {"stream_interval": 8},
        {"optimization_level": 1},
        {"optimization_level": 1, "enforce_eager": True},
    ],
)
def test_what_vllm_would_accept_and_ignore_here_is_refused(tmp_path, configuration):
    with pytest.raises(InvalidConfiguration, match=r"it has no effect|it would change nothing"):
        plan(tmp_path, configuration)


def test_experts_on_several_workers_are_refused_on_cpus_where_vllm_crashes(tmp_path):
    moe = {"architecture": ARCHITECTURE | EXPERTS, "name": "qwen3-moe"}
    assert plan(tmp_path, {"enable_expert_parallel": True}, **moe)
    assert plan(tmp_path, {"tp": 2}, **moe)
    with pytest.raises(InvalidConfiguration, match="enable_expert_parallel: the CPU kernel"):
        plan(tmp_path, {"enable_expert_parallel": True, "tp": 2}, **moe)


def test_stream_interval_is_taken_where_tokens_are_streamed(tmp_path):
    config = plan(tmp_path, {"stream_interval": 8}, load={"mode": "serving", "concurrency": 4}).config
    assert config.scheduler_config.stream_interval == 8


def test_replicas_fill_the_gpus_that_a_configuration_leaves(tmp_path):
    pool = Hardware("H100", 1, 8)
    assert plan(tmp_path, {"tp": 2}, pool).replicas == 4
    assert plan(tmp_path, {"tp": 2, "dp": 1}, pool).replicas == 1
    with pytest.raises(InvalidConfiguration, match="need 16 GPUs; the pool has 8"):
        plan(tmp_path, {"tp": 4, "dp": 4}, pool)
