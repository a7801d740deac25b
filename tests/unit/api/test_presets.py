"""`searchSpace.preset` in a TuningJob: derived, changed, refused, and seen alike by everyone who asks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from autoscout.api import convert
from autoscout.api.check import problems
from autoscout.api.errors import ApiError, FieldError
from autoscout.api.space import Expansion, expansion, parameter_names
from autoscout.executors import admission
from autoscout.simulators.hardware import CATALOGUE
from autoscout.simulators.models import MODELS

A100 = {"name": "a100", "gpu": "NVIDIA-A100-SXM4-80GB", "gpusPerNode": 8}
CLUSTERS = (
    A100,
    {"name": "h100", "gpu": "NVIDIA-H100-80GB-HBM3", "gpusPerNode": 8, "nodes": 8},
    {"name": "a40", "gpu": "NVIDIA-A40", "gpusPerNode": 4},
    {"name": "l40s", "gpu": "NVIDIA-L40S", "gpusPerNode": 1},
    {"name": "h200", "gpu": "NVIDIA-H200", "gpusPerNode": 8, "nodes": 3},
    {"name": "other", "gpu": "AMD-MI300X", "gpusPerNode": 8},
)
TRAINING = {"framework": "megatron", "task": "training", "globalBatchSize": 96, "sequenceLength": 4096}
SERVING = {"framework": "vllm", "task": "inference", "inputTokens": 1024, "outputTokens": 256}
WORKLOADS = {"megatron": TRAINING, "vllm": SERVING}
METRICS = {"megatron": "seconds_per_iteration", "vllm": "milliseconds_per_token"}


def manifest(preset="megatron", model="llama-3.1-8b", pool=A100, workload=None, **space):
    return {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "tune"},
        "spec": {
            "workload": WORKLOADS[preset] | ({"model": {"name": model}} if model else {}) | (workload or {}),
            "hardware": {"pools": [pool]},
            "objectives": [{"metric": METRICS[preset]}],
            "searchSpace": {"preset": preset, **space},
            "profile": {"image": "registry.example.com/profiler:1"},
        },
    }


def job(*arguments, **fields):
    return convert.job(manifest(*arguments, **fields))


def space(*arguments, **fields):
    found = expansion(job(*arguments, **fields).spec)
    assert isinstance(found, Expansion), found
    return found.space


def errors(*arguments, **fields):
    return problems(job(*arguments, **fields))


@pytest.mark.parametrize("preset", ["megatron", "vllm"])
@pytest.mark.parametrize("pool", CLUSTERS, ids=lambda pool: pool["name"])
def test_every_model_has_a_default_that_runs_or_is_too_large(preset, pool):
    usable = 0
    for model in {shape: name for name, shape in MODELS.items()}.values():
        found = errors(preset, model, pool)
        if found:
            # Three nodes would need the experts of the largest Mixtral in thirds.
            assert found[0].field == "spec.hardware.pools[0]" or (pool["name"], model[:13]) == ("h200", "mixtral-8x22b")
        else:
            assert space(preset, model, pool).default()
            usable += 1
    assert usable >= (5 if pool["gpusPerNode"] == 1 else 20)


def test_the_default_of_training_is_one_that_the_simulator_expects_to_fit():
    default = space("megatron", "llama-3.1-8b").default()
    assert (default["tp"], default["pp"], default["cp"], default["ar"]) == (2, 1, 1, "none")
    assert space("megatron", "llama-3.1-70b", CLUSTERS[1]).default()["tp"] == 8


def test_the_default_of_training_keeps_the_bound_on_memory_that_the_job_sets():
    bounded = manifest("megatron", "llama-3.1-8b")
    bounded["spec"]["constraints"] = [{"metric": "peak_memory_gib", "max": 36}]
    found = expansion(convert.job(bounded).spec)
    assert isinstance(found, Expansion)
    free, kept = space("megatron", "llama-3.1-8b").default(), found.space.default()
    assert kept["tp"] * kept["pp"] > free["tp"] * free["pp"]


def test_every_gpu_of_the_catalogue_has_a_space():
    for gpu in CATALOGUE:
        assert space("vllm", "llama-3.2-1b", A100 | {"gpu": gpu}).count() > 0


def test_a_shape_of_ones_own_needs_no_name():
    own = {"layers": 4, "hiddenSize": 256, "attentionHeads": 4, "ffnHiddenSize": 1024, "vocabSize": 1024}
    found = space("megatron", None, workload={"model": {"architecture": own}})
    assert set(found.by_name["tp"].values) == {1, 2, 4, 8}
    assert not any(each["tp"] == 8 for each in found.enumerate({"mbs": 1, "pp": 1, "cp": 1}))


def test_fp8_caches_are_offered_where_the_gpu_has_them():
    assert "kv_cache_dtype" in space("vllm", pool=CLUSTERS[1]).by_name
    assert "kv_cache_dtype" not in space("vllm", pool=A100).by_name


def test_the_longest_sequence_of_a_server_is_prompt_and_answer():
    found = space("vllm", workload={"inputTokens": 3000, "outputTokens": 500})
    assert not found.is_valid(
        found.full_values(found.default()) | {"enable_chunked_prefill": False, "max_num_batched_tokens": 2048}
    )


def test_a_job_fixes_narrows_extends_and_adds():
    found = space(
        parameters=[
            {"name": "cp", "values": [1]},
            {"name": "mbs", "range": {"min": 1, "max": 16, "factor": 2}},
            {"name": "tp", "default": 4},
            {"name": "grad_fp32", "kind": "structural", "values": [False, True], "default": True},
        ],
        constraints=["pp <= 2"],
    )
    assert found.by_name["cp"].values == (1,)
    assert found.by_name["mbs"].values == (1, 2, 4, 8, 16)
    assert found.default()["tp"] == 4
    assert found.default()["grad_fp32"] is True
    assert found.count({"pp": 4}) == 0


def test_the_order_of_the_space_is_the_presets_whatever_the_order_of_the_changes():
    changes = [{"name": "mbs", "values": [1]}, {"name": "tp", "values": [1, 2]}]
    assert parameter_names(job(parameters=changes).spec) == parameter_names(job(parameters=changes[::-1]).spec)
    assert list(parameter_names(job().spec)[:4]) == ["tp", "pp", "cp", "dp"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"model": None}, "spec.workload.model", "is required by preset megatron: give name or architecture"),
        ({"model": "lama-3.1-8b"}, "spec.workload.model.name", "did you mean llama-3.1-8b?"),
        ({"model": "no-such-thing"}, "spec.workload.model.name", "or one of these names: llama-2-7b, "),
        (
            {"model": None, "workload": {"model": {"architecture": {"layers": 4}}}},
            "spec.workload.model.architecture.hiddenSize",
            "is required by preset megatron",
        ),
        ({"pool": {"name": "cpu"}}, "spec.hardware.pools[0].gpusPerNode", "leave searchSpace.preset out"),
        ({"workload": {"globalBatchSize": None}}, "spec.workload.globalBatchSize", "is required by preset megatron"),
        ({"workload": {"sequenceLength": None}}, "spec.workload.sequenceLength", "is required by preset megatron"),
        ({"workload": {"framework": "vllm"}}, "spec.searchSpace.preset", "choose preset vllm"),
        ({"model": "llama-3.1-405b"}, "spec.hardware.pools[0]", "take 6,804 GiB at least: use more GPUs"),
        ({"parameters": [{"name": "tpp", "values": [1]}]}, "spec.searchSpace.parameters[0].name", "did you mean tp?"),
        (
            {"parameters": [{"name": "overlap_grad_reduce", "values": [True]}]},
            "spec.searchSpace.parameters[0].name",
            "the preset calls 'overlap_grad_reduce' dpo: use that name",
        ),
        ({"parameters": [{"name": "tp", "values": ["1"]}]}, "spec.searchSpace.parameters[0].values", "must be numbers"),
        ({"parameters": [{"name": "pp", "activeWhen": "tp >"}]}, "spec.searchSpace.parameters[0].activeWhen", "syntax"),
        ({"parameters": [{"name": "pp", "activeWhen": "no > 1"}]}, "spec.searchSpace.parameters[0].activeWhen", "no"),
        ({"constraints": ["nothing > 1"]}, "spec.searchSpace.constraints[0]", "names nothing, which is no parameter"),
        ({"constraints": ["tp > 8"]}, "spec.searchSpace.constraints[0]", "no configuration satisfies"),
        ({"parameters": [{"name": "tp", "values": [3]}]}, "spec.searchSpace.preset", "the preset's `tp * pp * cp * dp"),
        (
            {"parameters": [{"name": "tp", "default": 8}, {"name": "pp", "default": 8}]},
            "spec.searchSpace.preset",
            "the default configuration is not valid",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_answered_with_its_field(changes, field, words):
    found = errors(**changes)
    assert found[0].field == field, found
    assert words in found[0].message, found


def test_a_preset_that_can_not_be_derived_is_one_error_and_not_two():
    found = admission.check(manifest(model="no-such-thing") | {}, cluster=True)
    assert [error.field for error in found].count("spec.workload.model.name") == 1


def test_names_for_placeholders_are_those_of_the_space():
    template = manifest()
    template["spec"]["profile"]["command"] = ["train", "--tp=$(params.tp)", "--chunks=$(params.vpp)"]
    assert admission.check(template, cluster=True) == []
    template["spec"]["profile"]["command"] = ["train", "--ep=$(params.ep)"]
    (error,) = admission.check(template, cluster=True)
    assert error.field == "spec.profile.command[1]"
    with pytest.raises(ApiError):
        parameter_names(job(model="no-such-thing").spec)


def test_the_job_stays_as_its_author_wrote_it():
    written = manifest(parameters=[{"name": "cp", "values": [1]}])
    kept = convert.job(json.loads(json.dumps(written))).spec.search_space.manifest()
    assert kept == {"preset": "megatron", "parameters": [{"name": "cp", "values": [1]}], "constraints": []}


def test_the_same_job_has_the_same_space_in_another_process():
    program = (
        "import json, sys; from autoscout.api import convert; "
        "print(convert.problem(convert.job(json.load(sys.stdin))).space.fingerprint)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(manifest()), capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == space().fingerprint


def test_a_message_about_the_whole_space_is_at_the_preset():
    (error,) = errors("megatron", "mixtral-8x22b", CLUSTERS[4])
    assert error.field == "spec.searchSpace.preset"
    assert "no configuration satisfies" in error.message


def test_values_that_only_look_alike_are_not_mixed_up():
    assert errors(parameters=[{"name": "mbs", "values": [1]}]) == []
    assert [error.field for error in errors(parameters=[{"name": "mbs", "values": [True]}])] == [
        "spec.searchSpace.parameters[0].values"
    ]


def test_without_a_preset_what_is_left_out_is_asked_for():
    written = manifest()
    written["spec"]["searchSpace"] = {"parameters": [{"name": "tp"}]}
    with pytest.raises(ApiError) as raised:
        convert.job(written)
    assert raised.value.errors == tuple(
        FieldError(f"spec.searchSpace.parameters[0].{field}", "is required, except for a knob of the preset")
        for field in ("kind", "values", "default")
    )
