"""The Job of an attempt. Whole manifests: tests/golden/manifests."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.kubernetes_executor.jobs import A100, DEFAULT, UID, WITHOUT_TILE, tuning_job

from autoscout.api.names import attempt_name
from autoscout.executors.kubernetes.manifests import job_manifest, template_errors
from autoscout.executors.kubernetes.names import attempt_of, controlled_by, spec_hash
from autoscout.executors.kubernetes.peers import service_manifest, service_name
from autoscout.executors.protocol import AttemptId, ExecutorError


def manifest(job: Any, trial: Any = DEFAULT, attempt: int = 0) -> dict[str, Any]:
    return job_manifest(job, UID, trial, attempt)


def pod_spec(job: Any, trial: Any = DEFAULT) -> dict[str, Any]:
    spec: dict[str, Any] = manifest(job, trial)["spec"]["template"]["spec"]
    return spec


def container(job: Any, trial: Any = DEFAULT) -> dict[str, Any]:
    return next(each for each in pod_spec(job, trial)["containers"] if each["name"] == "profile")


def test_the_same_attempt_has_the_same_manifest() -> None:
    assert manifest(tuning_job(), attempt=1) == manifest(tuning_job(), attempt=1)


def test_another_attempt_has_another_name_and_says_so() -> None:
    first, second = manifest(tuning_job()), manifest(tuning_job(), attempt=1)
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert attempt_of(second) == AttemptId(0, 1)
    assert attempt_of({"metadata": second["spec"]["template"]["metadata"]}) == AttemptId(0, 1)


def test_the_tuning_job_is_the_controller() -> None:
    assert controlled_by(manifest(tuning_job()), UID)
    assert not controlled_by(manifest(tuning_job()), "another UID")


def test_a_kubelet_would_hand_over_every_argument_and_variable_as_it_is() -> None:
    found = container(tuning_job(), WITHOUT_TILE)
    assert found["command"] == ["bench", "--mode=$$(HOME)"]
    assert found["args"] == ["$$HOME"], "the argument of the inactive parameter is left out"
    assert {"name": "MODE", "value": "$$(HOME)"} in found["env"]


def test_gpus_come_with_their_node_and_toleration() -> None:
    spec = pod_spec(tuning_job([A100]))
    assert spec["nodeSelector"] == {"zone": "a", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
    assert spec["tolerations"] == [
        {"key": "reserved", "operator": "Equal", "value": "ml", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    ]
    assert spec["containers"][0]["resources"] == {"limits": {"nvidia.com/gpu": 2}}


def test_without_gpus_nothing_is_said_about_nodes() -> None:
    spec = pod_spec(tuning_job())
    assert not {"nodeSelector", "tolerations"} & set(spec)
    assert "resources" not in spec["containers"][0]


def test_the_deadline_is_the_timeout_in_whole_seconds() -> None:
    assert pod_spec(tuning_job(timeout="2h30m"))["activeDeadlineSeconds"] == 9000


def test_a_job_for_a_queue_is_suspended_until_the_queue_admits_it() -> None:
    queued = manifest(tuning_job(queueName="gpus"))
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert queued["spec"]["suspend"] is True
    assert "suspend" not in manifest(tuning_job())["spec"]


def test_the_spec_hash_names_the_spec() -> None:
    one, other = manifest(tuning_job()), manifest(tuning_job(iterations=5))
    hashes = [each["metadata"]["annotations"]["autoscout.io/spec-hash"] for each in (one, other)]
    assert hashes == [spec_hash(one), spec_hash(other)]
    assert hashes[0] != hashes[1]


def test_the_template_is_applied() -> None:
    job = tuning_job(template={"spec": {"containers": [{"name": "profile", "workingDir": "/data"}]}})
    assert container(job)["workingDir"] == "/data"
    assert template_errors(job) == []


def test_a_template_that_breaks_the_job_is_refused_by_field() -> None:
    job = tuning_job(template={"spec": {"restartPolicy": "Always"}})
    with pytest.raises(ExecutorError, match=r"spec\.profile\.template\.spec\.restartPolicy: must stay Never") as caught:
        manifest(job)
    assert caught.value.reason == "TemplateInvalid"
    assert [error.field for error in template_errors(job)] == ["spec.profile.template.spec.restartPolicy"]


@pytest.mark.parametrize(
    ("job", "reason", "field"),
    [
        (tuning_job(image=None), "ImageMissing", r"spec\.profile\.image"),
        (tuning_job([A100, A100 | {"name": "more"}]), "HardwareUnsupported", r"spec\.hardware\.pools"),
        (tuning_job(args=["$(params.nope)"]), "CommandInvalid", r"spec\.profile\.args\[0\]"),
    ],
)
def test_what_can_not_become_a_job_is_refused_by_field(job: Any, reason: str, field: str) -> None:
    with pytest.raises(ExecutorError, match=field) as caught:
        manifest(job)
    assert caught.value.reason == reason


def test_several_nodes_are_an_indexed_job_whose_pods_know_where_the_first_one_is() -> None:
    job = manifest(tuning_job([A100 | {"nodes": 4}]))
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert spec["backoffLimit"] == 0
    service = service_manifest("tune", UID, "ml")
    assert pod["subdomain"] == service["metadata"]["name"]
    variables = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert variables["AUTOSCOUT_NODES"] == "4"
    assert variables["AUTOSCOUT_MASTER_PORT"] == "29500"
    assert variables["AUTOSCOUT_MASTER_ADDR"] == f"{job['metadata']['name']}-0.{pod['subdomain']}.ml.svc"
    assert service["spec"]["selector"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["publishNotReadyAddresses"], "they look for each other before any of them is ready"
    assert service["metadata"]["ownerReferences"][0]["uid"] == UID, "it goes with the TuningJob"


def test_the_longest_names_are_still_labels_of_dns() -> None:
    longest = "9" * 40
    assert len(service_name(longest, UID)) <= 63
    assert service_name(longest, UID)[0].isalpha(), "a Service's name must begin with a letter"
    assert len(f"{attempt_name(longest, UID, 9999, 999)}-9999") <= 63


@pytest.mark.parametrize("field", ["hostname", "subdomain"])
def test_a_template_can_not_change_the_names_by_which_pods_find_each_other(field: str) -> None:
    template = {"spec": {field: "mine"}}
    errors = template_errors(tuning_job([A100 | {"nodes": 2}], template=template))
    assert [error.field for error in errors] == [f"spec.profile.template.spec.{field}"]
    assert template_errors(tuning_job([A100], template=template)) == [], "one pod has nobody to find"


def test_the_processes_of_a_built_in_profiler_have_shared_memory_enough() -> None:
    job = tuning_job()
    workload = job.spec.workload.model_copy(update={"framework": "vllm"})
    profile = job.spec.profile.model_copy(update={"command": (), "args": ()})
    spec = pod_spec(
        job.model_copy(update={"spec": job.spec.model_copy(update={"workload": workload, "profile": profile})})
    )
    (volume,) = spec["volumes"]
    assert volume["emptyDir"] == {"medium": "Memory"}
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount == {"name": volume["name"], "mountPath": "/dev/shm"}
    assert "volumes" not in pod_spec(tuning_job()), "a program of the user's own asks for what it needs"
