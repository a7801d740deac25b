"""The Job of an attempt. Whole manifests: tests/golden/manifests."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.kubernetes_executor.jobs import A100, DEFAULT, UID, WITHOUT_TILE, tuning_job

from autoscout.executors.kubernetes.manifests import job_manifest, template_errors
from autoscout.executors.kubernetes.names import attempt_of, controlled_by, spec_hash
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
        (tuning_job([A100 | {"nodes": 2}]), "HardwareUnsupported", r"spec\.hardware\.pools"),
        (tuning_job(args=["$(params.nope)"]), "CommandInvalid", r"spec\.profile\.args\[0\]"),
    ],
)
def test_what_can_not_become_a_job_is_refused_by_field(job: Any, reason: str, field: str) -> None:
    with pytest.raises(ExecutorError, match=field) as caught:
        manifest(job)
    assert caught.value.reason == reason
