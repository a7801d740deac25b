"""What the built-in profilers need of a TuningJob is said before the first measurement."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.invalid_manifests import REMOVED, base, changed

from autoscout.api import convert
from autoscout.api.architecture import workload_manifest
from autoscout.api.check import runnable
from autoscout.api.frameworks import is_built_in
from autoscout.api.vllm_arguments import OPTIONS
from autoscout.executors.measurement import rendered_command
from autoscout.simulators.knobs import canonical
from autoscout_profiler.megatron.knobs import KNOBS
from autoscout_profiler.vllm.knobs import RESERVED

TINY = {"layers": 2, "hiddenSize": 64, "attentionHeads": 4, "vocabSize": 512}
MEGATRON: dict[str, Any] = {
    "spec.workload": {
        "framework": "megatron",
        "task": "training",
        "globalBatchSize": 8,
        "sequenceLength": 128,
        "model": {"architecture": TINY},
    },
    "spec.searchSpace": {
        "parameters": [{"name": "mbs", "kind": "execution", "values": [1, 2, 4], "default": 1}],
    },
    "spec.profile": {"image": "registry.example.com/megatron:1"},
}
VLLM: dict[str, Any] = MEGATRON | {
    "spec.workload": {
        "framework": "vllm",
        "task": "inference",
        "inputTokens": 128,
        "outputTokens": 16,
        "model": {"architecture": TINY},
    },
    "spec.objectives": [{"metric": "milliseconds_per_token"}],
    "spec.searchSpace": {
        "parameters": [{"name": "max_num_seqs", "kind": "execution", "values": [2, 4], "default": 4}],
    },
}


def job(document: dict[str, Any], changes: dict[str, Any] | None = None):
    return convert.job(changed(changed(base(), document), changes or {}))


def errors(document: dict[str, Any], changes: dict[str, Any]) -> list[str]:
    return [str(error) for error in runnable(job(document, changes), cluster=True)]


@pytest.mark.parametrize("document", [MEGATRON, VLLM], ids=["megatron", "vllm"])
def test_a_job_without_a_command_is_measured_by_the_built_in_profiler(document):
    tuning_job = job(document)
    assert runnable(tuning_job, cluster=True) == []
    assert is_built_in(tuning_job)
    framework = tuning_job.spec.workload.framework
    assert rendered_command(tuning_job, {}).argv == ("python3", "-m", "autoscout_profiler", framework)


@pytest.mark.parametrize(
    ("load", "in_flight"),
    [
        (None, 64),
        ({"requests": 16}, 16),
        ({"mode": "serving", "concurrency": 32}, 32),
        ({"mode": "serving", "requestsPerSecond": "2.5"}, None),
    ],
)
def test_the_simulators_expect_the_load_that_the_profiler_will_send(load, in_flight):
    stated = {} if load is None else {"spec.workload.load": load}
    assert convert.problem(job(VLLM, stated)).workload.in_flight == in_flight


def test_the_load_of_a_program_of_ones_own_is_not_known():
    own = {"spec.profile": {"image": "registry.example.com/own:1", "command": ["./serve"]}}
    assert convert.problem(job(VLLM, own)).workload.in_flight is None


@pytest.mark.parametrize("part", ["command", "args"])
def test_a_command_of_ones_own_is_asked_for_nothing(part):
    own = {
        "spec.workload": {"framework": "megatron"},
        "spec.profile": {"image": "registry.example.com/own:1", part: ["./train", "--tile=$(params.tile)"]},
    }
    tuning_job = job(own)
    assert runnable(tuning_job, cluster=True) == []
    assert rendered_command(tuning_job, {"tile": 64}).argv == ("./train", "--tile=64")


def test_the_architecture_of_a_known_model_is_handed_to_the_profiler():
    known = {"spec.workload.model": {"name": "meta-llama/Llama-3.1-8B"}}
    assert errors(MEGATRON, known) == []
    shape = workload_manifest(job(MEGATRON, known))["model"]["architecture"]
    assert (shape["layers"], shape["hiddenSize"], shape["queryGroups"]) == (32, 4096, 8)


def test_what_the_job_gives_wins_over_the_known_model():
    fewer = {"spec.workload.model": {"name": "meta-llama/Llama-3.1-8B", "architecture": {"layers": 4}}}
    shape = workload_manifest(job(MEGATRON, fewer))["model"]["architecture"]
    assert (shape["layers"], shape["hiddenSize"]) == (4, 4096)


@pytest.mark.parametrize(
    ("document", "changes", "says"),
    [
        (
            MEGATRON,
            {"spec.workload.task": "inference"},
            "spec.workload.task: is inference, but the built-in profiler of megatron measures training and fine-tuning",
        ),
        (MEGATRON, {"spec.workload.task": REMOVED}, "spec.workload.task: is custom, but the built-in profiler"),
        (
            VLLM,
            {"spec.workload.task": "training"},
            "spec.workload.task: is training, but the built-in profiler of vllm",
        ),
        (MEGATRON, {"spec.workload.globalBatchSize": REMOVED}, "spec.workload.globalBatchSize: is required by"),
        (MEGATRON, {"spec.workload.sequenceLength": REMOVED}, "spec.workload.sequenceLength: is required by"),
        (VLLM, {"spec.workload.inputTokens": REMOVED}, "spec.workload.inputTokens: is required by"),
        (VLLM, {"spec.workload.outputTokens": REMOVED}, "spec.workload.outputTokens: is required by"),
        (
            MEGATRON,
            {"spec.workload.model": REMOVED},
            "spec.workload.model.architecture.layers: is required by the built-in profiler of megatron: give layers",
        ),
        (
            VLLM,
            {"spec.workload.model": {"name": "nobody/Nothing-1B", "architecture": {"layers": 2}}},
            "spec.workload.model.architecture.hiddenSize: is required by the built-in profiler of vllm: 'nobody",
        ),
        (MEGATRON, {"spec.workload.precision": "int3"}, "spec.workload.precision: 'int3' is not one of fp32, bf16"),
        (VLLM, {"spec.workload.precision": "int3"}, "spec.workload.precision: 'int3'; there are bf16"),
        (
            MEGATRON,
            {"spec.searchSpace.parameters[0].name": "mbz"},
            "spec.searchSpace.parameters[0].name: megatron has no parameter 'mbz'; did you mean mbs?",
        ),
        (
            MEGATRON,
            {"spec.searchSpace.parameters[0].name": "max_num_seqs"},
            "spec.searchSpace.parameters[0].name: megatron has no parameter 'max_num_seqs'",
        ),
        (
            VLLM,
            {"spec.searchSpace.parameters[0].name": "max_num_seq"},
            "spec.searchSpace.parameters[0].name: vllm has no parameter 'max_num_seq'; did you mean max_num_seqs?",
        ),
        (
            VLLM,
            {"spec.searchSpace.parameters[0].name": "seed"},
            "spec.searchSpace.parameters[0].name: vllm has no parameter 'seed'",
        ),
        (
            MEGATRON,
            {"spec.objectives[0].metric": "seconds_per_iterations"},
            "spec.objectives[0].metric: the built-in profiler of megatron reports no 'seconds_per_iterations'; did you",
        ),
        (
            VLLM,
            {"spec.constraints[0].metric": "ttft_p99"},
            "spec.constraints[0].metric: the built-in profiler of vllm reports no 'ttft_p99'; did you mean ttft_ms_p9",
        ),
        (
            MEGATRON,
            {"spec.objectives[0].metric": "model_flops_utilization", "spec.hardware": {"pools": [{"name": "cpu"}]}},
            "spec.objectives[0].metric: model_flops_utilization needs bf16 or fp16 on a GPU whose peak is known",
        ),
        (
            MEGATRON,
            {"spec.constraints[0].metric": "model_flops_utilization", "spec.workload.precision": "fp32"},
            "spec.constraints[0].metric: model_flops_utilization needs bf16 or fp16",
        ),
        (
            VLLM,
            {
                "spec.hardware": {"pools": [{"name": "cpu", "nodes": 2}]},
                "spec.searchSpace.parameters": [
                    {"name": "dp", "kind": "structural", "values": [1, 2], "default": 1},
                ],
            },
            (
                "spec.searchSpace: the built-in profiler of vllm refuses the defaults, which are measured first: "
                "tensor_parallel_size, pipeline_parallel_size, data_parallel_size: 1 worker(s) can't be spread evenly "
                "over 2 nodes: choose them so that a node holds whole replicas, or a replica whole nodes"
            ),
        ),
        (
            VLLM,
            {
                "spec.hardware.pools[0].nodes": 2,
                "spec.searchSpace.parameters": [
                    {"name": "data_parallel_size_local", "kind": "structural", "values": [1, 2], "default": 1},
                ],
            },
            (
                "spec.searchSpace: the built-in profiler of vllm refuses the defaults, which are measured first: "
                "data_parallel_size_local: over several nodes the profiler places the workers itself: remove it"
            ),
        ),
    ],
)
def test_what_would_fail_in_every_measurement_is_an_error_that_names_the_field(document, changes, says):
    (error,) = errors(document, changes)
    assert error.startswith(says)


def test_utilization_is_a_metric_where_the_peak_of_the_gpu_is_known():
    assert errors(MEGATRON, {"spec.objectives[0].metric": "model_flops_utilization"}) == []


def test_a_file_of_prompts_says_how_long_they_are():
    prompts = {
        "spec.workload.inputTokens": REMOVED,
        "spec.workload.outputTokens": REMOVED,
        "spec.workload.data": {"path": "/data/prompts.jsonl"},
    }
    assert errors(VLLM, prompts) == []


def test_a_mounted_model_says_its_shape_itself():
    assert errors(VLLM, {"spec.workload.model": {"name": "/models/ours"}}) == []
    assert errors(MEGATRON, {"spec.workload.model": {"name": "/models/ours"}}) != []


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        (
            {"name": "mbs", "kind": "execution", "values": [3, 4], "default": 3},
            "globalBatchSize 8 is no multiple of mbs",
        ),
        ({"name": "tp", "kind": "structural", "values": [1, 3], "default": 3}, "tp"),
        (
            {"name": "sp", "kind": "structural", "values": ["on", "half"], "default": "half"},
            "'half' is neither true nor false",
        ),
    ],
)
def test_defaults_that_megatron_refuses_are_refused_before_the_first_profile(parameter, says):
    (found,) = errors(MEGATRON, {"spec.searchSpace": {"parameters": [parameter]}})
    assert found.startswith("spec.searchSpace: the built-in profiler of megatron refuses the defaults")
    assert says in found


@pytest.mark.parametrize(
    ("document", "name", "values", "says"),
    [
        (VLLM, "gpu_memory_utilization", [0.9, 1.5], "can't be 1.5: vllm takes numbers above 0, up to 1"),
        (VLLM, "mem_fraction", [0.0, 0.9], "can't be 0.0: vllm takes numbers above 0, up to 1"),
        (VLLM, "max_num_seqs", [0, 8], "can't be 0: vllm takes whole numbers from 1"),
        (VLLM, "max_num_seqs", [1.5, 8.0], "can't be 1.5: vllm takes whole numbers from 1"),
        (VLLM, "tp", [False, True], "can't be False: vllm takes whole numbers from 1"),
        (VLLM, "long_prefill_token_threshold", [-1, 0], "can't be -1: vllm takes whole numbers from 0"),
        (MEGATRON, "ar", ["none", "some"], "can't be 'some': megatron takes none, selective, full"),
        (MEGATRON, "recompute_granularity", ["none", "1"], "can't be '1': megatron takes none, selective, full"),
    ],
)
def test_a_value_that_the_framework_never_takes_is_refused(document, name, values, says):
    parameter = {"name": name, "kind": "structural", "values": values, "default": values[-1]}
    found = errors(document, {"spec.searchSpace.parameters": [parameter]})
    assert found == [f"spec.searchSpace.parameters[0]: {name} {says}"]


@pytest.mark.parametrize(
    ("document", "name", "values"),
    [
        (VLLM, "gpu_memory_utilization", [0.5, 1.0]),
        (VLLM, "max_num_batched_tokens", ["auto", "2k"]),
        (VLLM, "max_model_len", [-1, 4096]),
        (MEGATRON, "ar", [False]),
        (MEGATRON, "ar", ["None", "FULL"]),
    ],
)
def test_whatever_else_may_be_right_is_left_to_the_framework(document, name, values):
    parameter = {"name": name, "kind": "structural", "values": values, "default": values[-1]}
    assert errors(document, {"spec.searchSpace.parameters": [parameter]}) == []


@pytest.mark.parametrize("document", [MEGATRON, VLLM], ids=["megatron", "vllm"])
def test_several_nodes_need_a_cluster(document):
    two = job(document, {"spec.hardware.pools[0].nodes": 2})
    assert runnable(two, cluster=True) == []
    (error,) = runnable(two, cluster=False)
    assert error.field == "spec.hardware.pools[0].nodes"


def test_the_simulators_know_every_spelling_that_megatron_takes():
    for name, aliases in KNOBS.items():
        for spelling in (name, *aliases):
            assert canonical(spelling) == name, spelling


def test_what_the_profiler_sets_itself_can_not_be_tuned():
    assert not RESERVED & OPTIONS.keys()
