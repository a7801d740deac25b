from __future__ import annotations

import pytest

from autoscout.simulators.knobs import canonical
from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.vllm.knobs import ALIASES, PLACEMENT, Option, command_line, resolve

OPTIONS = {
    "tensor_parallel_size": Option(),
    "max_num_seqs": Option(optional=True),
    "max_num_batched_tokens": Option(optional=True),
    "enable_chunked_prefill": Option("flag", optional=True),
    "enforce_eager": Option("flag"),
    "cudagraph_capture_sizes": Option("list", optional=True),
    "kv_cache_dtype": Option(),
    "dtype": Option(),
    "model": Option(),
}


@pytest.mark.parametrize(("name", "alias"), [(name, alias) for name, found in ALIASES.items() for alias in found])
def test_the_operators_simulators_understand_each_name_alike(name, alias):
    assert canonical(alias) is not None
    assert canonical(alias) == canonical(name)


def test_placement_is_what_the_operator_calls_a_pool():
    assert {canonical(name) for name in PLACEMENT} == {"pool"}


def test_own_names_and_short_ones_mean_the_engines_arguments():
    given = {"TP": 2, "--max-num-seqs": 16, "chunk_size": 512, "kv_cache_dtype": "auto", "pool": "a100"}
    assert resolve(given, OPTIONS) == {
        "tensor_parallel_size": 2,
        "max_num_seqs": 16,
        "max_num_batched_tokens": 512,
        "kv_cache_dtype": "auto",
    }


def test_a_name_of_the_engine_is_never_taken_for_another_ones_alias():
    # To the simulators `dtype` says how weights are stored; vLLM has an argument of that name.
    assert resolve({"dtype": "float16"}, OPTIONS) == {"dtype": "float16"}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("max_num_seq", "the nearest is max_num_seqs"),
        ("tensor_paralell", "the nearest is tensor_parallel (tensor_parallel_size)"),
        ("swap_space", "the nearest is"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(InvalidConfiguration) as refusal:
        resolve({name: 1}, OPTIONS)
    assert refusal.value.field == name
    assert nearest in str(refusal.value)


def test_an_alias_of_an_argument_that_this_vllm_lacks_is_unknown():
    with pytest.raises(InvalidConfiguration, match="gpu_mem_util: the installed vLLM has no such argument"):
        resolve({"gpu_mem_util": 0.9}, OPTIONS)


def test_two_names_of_one_argument_are_refused():
    with pytest.raises(InvalidConfiguration, match="tensor_parallel_size: means the same as tp"):
        resolve({"tp": 1, "tensor_parallel_size": 2}, OPTIONS)


def test_what_the_profiler_sets_can_not_be_tuned():
    with pytest.raises(InvalidConfiguration, match="model: the profiler sets it"):
        resolve({"model": "other"}, OPTIONS)


def test_values_become_the_words_of_the_command_line():
    values = {
        "tensor_parallel_size": 2,
        "enable_chunked_prefill": False,
        "enforce_eager": "true",
        "cudagraph_capture_sizes": "1, 2,4",
        "kv_cache_dtype": "auto",
    }
    assert command_line(values, OPTIONS) == [
        "--tensor-parallel-size=2",
        "--no-enable-chunked-prefill",
        "--enforce-eager",
        "--cudagraph-capture-sizes",
        "1",
        "2",
        "4",
        "--kv-cache-dtype=auto",
    ]
    assert command_line({"cudagraph_capture_sizes": "[8, 16]"}, OPTIONS)[1:] == ["8", "16"]


def test_auto_leaves_the_choice_to_vllm_where_it_has_one():
    assert command_line({"max_num_seqs": "auto", "enable_chunked_prefill": "auto"}, OPTIONS) == []


def test_a_flag_is_true_or_false():
    with pytest.raises(InvalidConfiguration, match="enforce_eager: 2: true or false is expected"):
        command_line({"enforce_eager": 2}, OPTIONS)
