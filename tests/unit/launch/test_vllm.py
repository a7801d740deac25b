"""Every parameter of vLLM becomes the argument of `vllm serve` that says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.launches import SERVING

from autoscout.launch.program import LaunchError, Program
from autoscout.launch.shell import line
from autoscout.launch.vllm import HEADLESS, MODEL, program

HARDWARE = {"gpu": "NVIDIA-A100-SXM4-80GB", "nodes": 1, "gpusPerNode": 4}


def started(configuration: dict[str, Any], *, gpus: int = 4, **workload: Any) -> Program:
    return program(configuration, SERVING | workload, HARDWARE | {"gpusPerNode": gpus})


@pytest.mark.parametrize(
    ("configuration", "groups"),
    [
        ({"tp": 4}, [("--tensor-parallel-size", "4")]),
        ({"tensor_parallel_size": 4}, [("--tensor-parallel-size", "4")]),
        ({"tp": 2}, [("--tensor-parallel-size", "2"), ("--data-parallel-size", "2")]),
        ({"tp": 2, "pp": 2}, [("--tensor-parallel-size", "2"), ("--pipeline-parallel-size", "2")]),
        ({"tp": 1, "dp": 2}, [("--tensor-parallel-size", "1"), ("--data-parallel-size", "2")]),
        ({"dp": 4, "enable_expert_parallel": True}, [("--data-parallel-size", "4"), ("--enable-expert-parallel",)]),
        (
            {"tp": 4, "enable_chunked_prefill": False},
            [("--tensor-parallel-size", "4"), ("--no-enable-chunked-prefill",)],
        ),
        ({"tp": 4, "max_num_seqs": 64}, [("--tensor-parallel-size", "4"), ("--max-num-seqs", "64")]),
        ({"tp": 4, "batch_size": 64}, [("--tensor-parallel-size", "4"), ("--max-num-seqs", "64")]),
        (
            {"tp": 4, "gpu_memory_utilization": 0.9},
            [("--tensor-parallel-size", "4"), ("--gpu-memory-utilization", "0.9")],
        ),
        ({"tp": 4, "async_scheduling": "auto"}, [("--tensor-parallel-size", "4")]),
        ({"tp": 4, "async_scheduling": "false"}, [("--tensor-parallel-size", "4"), ("--no-async-scheduling",)]),
        (
            {"tp": 4, "cudagraph_capture_sizes": "1, 2, 4"},
            [("--tensor-parallel-size", "4"), ("--cudagraph-capture-sizes", "1", "2", "4")],
        ),
    ],
)
def test_a_parameter_is_an_argument(configuration, groups):
    found = started(configuration)
    assert found.groups[0] == ("vllm", "serve", "meta-llama/Llama-3.1-8B")
    assert list(found.groups[3:]) == groups


def test_replicas_fill_the_gpus_as_they_did_when_it_was_measured():
    assert started({"tp": 2}).gpus == 4
    assert started({"tp": 1, "dp": 1}).gpus == 1
    assert started({"tp": 3}).gpus == 3


@pytest.mark.parametrize(
    ("workload", "groups"),
    [
        ({}, [("--dtype", "bfloat16"), ("--max-model-len", "1280")]),
        ({"precision": "fp16"}, [("--dtype", "float16"), ("--max-model-len", "1280")]),
        ({"precision": "fp8"}, [("--dtype", "bfloat16"), ("--quantization", "fp8"), ("--max-model-len", "1280")]),
        ({"sequenceLength": 4096}, [("--dtype", "bfloat16"), ("--max-model-len", "4096")]),
        ({"precision": None}, [("--dtype", "auto"), ("--max-model-len", "1280")]),
        ({"load": {"lengths": "sampled"}}, [("--dtype", "bfloat16"), ("--max-model-len", "5120")]),
        ({"data": {"path": "/data/prompts.jsonl"}}, [("--dtype", "bfloat16")]),
    ],
)
def test_what_the_workload_asks_for(workload, groups):
    assert list(started({"tp": 4}, **workload).groups[1:-1]) == groups


def test_the_configuration_wins_over_the_workload():
    found = started({"tp": 4, "dtype": "float16", "max_model_len": 8192})
    assert ("--dtype", "float16") in found.groups
    assert ("--max-model-len", "8192") in found.groups
    assert len(found.groups) == 4


def test_on_cpus_nothing_is_compiled():
    cpu = started({"max_num_seqs": 8}, gpus=0)
    assert ("--enforce-eager",) in cpu.groups
    assert cpu.gpus == 0
    assert ("--no-enforce-eager",) in started({"enforce_eager": False}, gpus=0).groups


def test_a_model_without_a_name_is_a_place_to_fill_in():
    found = started({"tp": 4}, model={"architecture": {"layers": 2}})
    assert found.groups[0] == ("vllm", "serve", MODEL)
    assert any(MODEL in note for note in found.notes)


def test_where_vllm_chooses_differently_for_a_server_it_is_said():
    assert any("max_num_seqs and max_num_batched_tokens" in note for note in started({"tp": 4}).notes)
    both = {"max_num_seqs": 8, "max_num_batched_tokens": 2048}
    assert not any("without its server" in note for note in started(both).notes)
    serving = {"mode": "serving", "concurrency": 4}
    assert not any("without its server" in note for note in started({"tp": 4}, load=serving).notes)


@pytest.mark.parametrize(
    ("configuration", "field", "says"),
    [
        ({"max_num_seq": 8}, "max_num_seq", "the nearest is max_num_seqs"),
        ({"seed": 8}, "seed", "the profiler sets it"),
        ({"tp": 2, "tensor_parallel_size": 4}, "tensor_parallel_size", "means the same as tp"),
        ({"tp": 8}, "tensor_parallel_size", "need 8 GPUs; the pool has 4"),
        ({"tp": 0}, "tensor_parallel_size", "0 is no whole number from 1"),
        ({"enable_prefix_caching": "maybe"}, "enable_prefix_caching", "true or false is expected"),
    ],
)
def test_what_vllm_can_not_be_started_with_is_refused_by_name(configuration, field, says):
    with pytest.raises(LaunchError, match=says) as refused:
        started(configuration)
    assert refused.value.field == field


def on_two_nodes(configuration: dict[str, Any], **workload: Any) -> Program:
    return program(configuration, SERVING | workload, HARDWARE | {"nodes": 2})


@pytest.mark.parametrize(
    ("configuration", "replicas", "gpus"),
    [
        ({"tp": 4}, ["2"], 4),  # one on each node
        ({"tp": 2}, ["4"], 4),
        ({"tp": 1, "dp": 2}, ["2"], 1),
        ({"tp": 4, "pp": 2}, [], 4),  # one over both
        ({"tp": 2, "dp": 1}, ["1"], 1),
        ({"tp": 3}, ["2"], 3),  # what fits on a node, twice
    ],
)
def test_the_nodes_of_several_find_each_other_as_they_did_when_it_was_measured(configuration, replicas, gpus):
    found = on_two_nodes(configuration)
    assert (found.nodes, found.gpus) == (2, gpus)
    assert [group[1] for group in found.groups if group[0] == "--data-parallel-size"] == replicas
    assert line(replace(found, groups=found.groups[-5:], environment={})) == (
        '--distributed-executor-backend mp --nnodes 2 --node-rank "${NODE_RANK}" --master-addr "${MASTER_ADDR}" '
        '--master-port 29500 $(test "${NODE_RANK}" = 0 || echo --headless)'
    )
    assert any("2 nodes" in note for note in found.notes)


def test_on_one_node_nobody_is_asked_for_a_place():
    found = started({"tp": 2})
    assert (found.variables, found.others) == ({}, ())
    assert HEADLESS not in line(found)


@pytest.mark.parametrize(
    ("configuration", "field", "says"),
    [
        ({"tp": 1, "dp": 1}, "tensor_parallel_size", "1 worker\\(s\\) can't be spread evenly over 2 nodes"),
        ({"tp": 3, "dp": 1}, "tensor_parallel_size", "3 worker\\(s\\) can't be spread evenly"),
        ({"tp": 2, "dp": 3}, "tensor_parallel_size", "3 workers on each of 2 nodes hold no whole replicas of 2"),
        ({"tp": 16}, "tensor_parallel_size", "need 16 GPUs; the pool has 8"),
        ({"tp": 2, "data_parallel_size_local": 2}, "data_parallel_size_local", "remove it"),
    ],
)
def test_what_can_not_be_spread_over_the_nodes_is_refused_by_name(configuration, field, says):
    with pytest.raises(LaunchError, match=says) as refused:
        on_two_nodes(configuration)
    assert refused.value.field.startswith(field)
