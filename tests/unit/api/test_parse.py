"""Any document becomes a TuningJob or errors that say where and what to do."""

from __future__ import annotations

from datetime import date

import pytest
from tests.integration.invalid_manifests import base, changed

from autoscout.api.errors import FieldError
from autoscout.api.parse import MAX_ERRORS, load, load_trial
from autoscout.api.tuning_job import TuningJob


def errors(**changes):
    found = load(changed(base(), {path.replace("__", "."): value for path, value in changes.items()}))
    assert isinstance(found, list)
    return [str(error) for error in found]


def test_a_valid_document_becomes_a_job_with_defaults_and_the_users_spelling():
    job = load(base())
    assert isinstance(job, TuningJob)
    assert job.spec.budget.max_gpu_hours is not None
    assert str(job.spec.budget.max_gpu_hours) == "2.5"
    assert job.spec.budget.max_duration == "1h30m"
    assert job.spec.profile.start_timeout.seconds == 600
    assert job.spec.search.algorithm == "autoscout"
    assert job.spec.hardware.pools[0].nodes == 1


def test_hardware_defaults_to_one_pool_of_cpus():
    document = base()
    del document["spec"]["hardware"]
    job = load(document)
    assert isinstance(job, TuningJob)
    assert [(pool.name, pool.gpus_per_node) for pool in job.spec.hardware.pools] == [("cpu", 0)]


def test_what_a_job_writes_reads_back_the_same():
    job = load(base())
    assert isinstance(job, TuningJob)
    assert load(job.manifest()) == job


def test_a_null_counts_as_left_out():
    job = load(changed(base(), {"spec.budget": {"maxProfiles": None, "maxDuration": None}, "spec.warmStart": None}))
    assert isinstance(job, TuningJob)
    assert job.spec.budget.max_profiles == 50
    assert job.spec.budget.max_duration is None


def test_messages_say_what_to_do():
    assert errors(spec__budget__maxProfile=3) == ["spec.budget.maxProfile: unknown field; did you mean maxProfiles?"]
    assert errors(spec__budget__zeal=3) == [
        "spec.budget.zeal: unknown field; there are: maxProfiles, maxDuration, maxGpuHours, parallelism"
    ]
    assert errors(spec__budget__maxProfiles="3") == ["spec.budget.maxProfiles: must be an integer, not a string"]
    assert errors(spec__budget__parallelism=0) == ["spec.budget.parallelism: must be at least 1, not 0"]
    assert [each.partition(":")[0] for each in errors(spec__objectives=[{"metric": "two words"}])] == [
        "spec.objectives[0].metric"
    ]
    assert errors(spec__workload__framework="jax") == ["spec.workload.framework: must be custom, megatron or vllm"]
    assert errors(spec__profile__timeout="30") == [
        "spec.profile.timeout: must be a duration in hours, minutes, seconds: 90s, 15m or 2h30m"
    ]
    assert errors(spec__profile__command="run") == ["spec.profile.command: must be a list, not a string"]
    assert errors(metadata__name="A B") == [
        (
            "metadata.name: must consist of lower-case letters, digits and dashes, and begin and end with a letter or "
            "digit, not 'A B'"
        )
    ]
    (missing,) = errors(spec__objectives=None)
    assert missing.startswith("spec.objectives: is required. What to make better")


def test_values_and_range_exclude_each_other():
    (error,) = errors(**{"spec.searchSpace.parameters[0].range": {"min": 1, "max": 2, "step": 1}})
    assert error == "spec.searchSpace.parameters[0]: give either values or range, and not both"


@pytest.mark.parametrize(
    "workload",
    [
        {"task": "fine-tuning", "fineTuning": {}},
        {"task": "fine-tuning", "fineTuning": {"method": "full", "packed": False}},
        {
            "task": "fine-tuning",
            "fineTuning": {"method": "lora", "loraRank": 8, "loraAlpha": 16, "loraTargets": ["qkv"]},
        },
        {"task": "inference", "load": {}},
        {"task": "inference", "load": {"mode": "serving", "concurrency": 8, "requests": 100, "lengths": "sampled"}},
        {
            "task": "inference",
            "load": {"mode": "serving", "requestsPerSecond": "2.5"},
            "data": {"path": "/data/p.jsonl"},
        },
        {"model": {"architecture": {"kind": "vision-language", "imageTokens": 256}}},
        {"model": {"architecture": {"imageTokens": 256}}},
        {"model": {"architecture": {"experts": 60, "expertsPerToken": 4, "sharedExpertFfnHiddenSize": 5632}}},
        {"model": {"architecture": {"tiedEmbeddings": True, "activation": "gelu", "normalization": "layernorm"}}},
    ],
)
def test_workloads_that_a_profiler_can_be_given(workload):
    job = load(changed(base(), {"spec.workload": workload}))
    assert isinstance(job, TuningJob), job
    assert load(job.manifest()) == job


def test_what_the_load_and_the_fine_tuning_leave_out():
    job = load(changed(base(), {"spec.workload": {"task": "inference", "load": {}}}))
    assert isinstance(job, TuningJob)
    assert job.spec.workload.manifest()["load"] == {"mode": "offline", "requests": 64, "lengths": "fixed"}
    job = load(changed(base(), {"spec.workload": {"task": "fine-tuning", "fineTuning": {"method": "lora"}}}))
    assert isinstance(job, TuningJob)
    assert job.spec.workload.manifest()["fineTuning"] == {"method": "lora", "packed": True}


def test_a_manifest_says_what_it_is():
    found = load({"spec": base()["spec"], "metadata": {"name": "a"}, "kind": "Job"})
    assert found == [
        FieldError("apiVersion", "is required: apiVersion: autoscout.io/v1alpha1"),
        FieldError("kind", "must be TuningJob"),
    ]


def _list(found):
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    "document", [None, 3, "text", [], [base()], {1: 2}, {}, date(2024, 1, 1), {"spec": {1, 2}}, b"x"]
)
def test_odd_documents_are_answered(document):
    found = load(document)
    assert isinstance(found, list)
    assert found
    assert load_trial(document)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (date(2024, 1, 1), "must not be a date: put it in quotes to make it a string"),
        (float("nan"), "must be finite"),
        ("\ud800", "holds half of a surrogate pair, which is no text"),
        ({1: 2}, "a key must be a string, not an integer: put it in quotes"),
        ({"a", "b"}, "must not be a set: put it in quotes to make it a string"),
    ],
)
def test_what_json_cannot_hold_is_refused_at_its_place(value, message):
    (error,) = errors(**{"spec.search.settings": {"x": value}})
    path = "spec.search.settings.x.1" if isinstance(value, dict) else "spec.search.settings.x"
    assert error == f"{path}: {message}"


def test_a_document_that_contains_itself_is_refused():
    document = base()
    document["spec"]["search"] = {"settings": document}
    (error,) = _list(load(document))
    assert "nested more than 64 levels deep" in error.message


def test_a_document_that_multiplies_itself_is_refused():
    value: list[object] = ["x"] * 10
    for _ in range(8):
        value = [value] * 10
    (error,) = _list(load(changed(base(), {"spec.search.settings": {"x": value}})))
    assert "too large" in error.message


def test_errors_are_limited():
    found = load(changed(base(), {"spec.budget": {f"x{number}": 1 for number in range(1000)}}))
    assert len(_list(found)) == MAX_ERRORS


def test_a_damaged_status_does_not_hide_a_sound_spec():
    job = load(base() | {"status": {"phase": "Exploded", "conditions": 3}})
    assert isinstance(job, TuningJob)
    assert job.status.phase is None


def test_a_status_of_a_newer_version_is_read():
    job = load(base() | {"status": {"phase": "Searching", "paretoFront": []}})
    assert isinstance(job, TuningJob)
    assert job.status.phase == "Searching"
