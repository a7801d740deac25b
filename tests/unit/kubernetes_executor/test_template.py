"""What `spec.profile.template` may change about a pod, and what it may not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autoscout.executors.kubernetes.template import apply_template

POD: dict[str, Any] = {
    "metadata": {"labels": {"autoscout.io/trial": "3"}},
    "spec": {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 1800,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "nodeSelector": {"nvidia.com/gpu.product": "A40", "zone": "a"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "containers": [
            {
                "name": "profile",
                "image": "bench:1",
                "command": ["bench"],
                "env": [{"name": "AUTOSCOUT_TRIAL", "value": "{}"}, {"name": "MODE", "value": "fast"}],
                "resources": {"limits": {"nvidia.com/gpu": 1}},
                "terminationMessagePolicy": "File",
            }
        ],
    },
}


def merged(template: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(POD)
    pod, errors = apply_template(POD, template)
    assert errors == []
    assert before == POD, "the original is left as it is"
    return pod


def errors(template: dict[str, Any]) -> dict[str, str]:
    return {error.field: error.message for error in apply_template(POD, template)[1]}


def profile(**changes: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "profile", **changes}]}}


def test_nothing_changes_nothing() -> None:
    assert merged({}) == POD
    assert merged({"metadata": None, "spec": {}}) == POD


def test_maps_merge_deeply() -> None:
    spec = merged({"spec": {"nodeSelector": {"zone": "b", "disk": "ssd"}, "priorityClassName": "low"}})["spec"]
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": "A40", "zone": "b", "disk": "ssd"}
    assert spec["priorityClassName"] == "low"
    assert spec["securityContext"] == POD["spec"]["securityContext"]


def test_null_deletes() -> None:
    spec = merged({"spec": {"securityContext": {"runAsNonRoot": None}, "tolerations": None}})["spec"]
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert "tolerations" not in spec


def test_null_in_something_new_leaves_no_trace() -> None:
    assert merged({"spec": {"affinity": {"nodeAffinity": None}}})["spec"]["affinity"] == {}


def test_containers_and_their_variables_merge_by_name() -> None:
    spec = merged(
        {
            "spec": {
                "containers": [
                    {"name": "profile", "env": [{"name": "MODE", "value": "slow"}, {"name": "NEW", "value": "1"}]},
                    {"name": "sidecar", "image": "log:2"},
                ]
            }
        }
    )["spec"]
    container, sidecar = spec["containers"]
    assert container["env"] == [
        {"name": "AUTOSCOUT_TRIAL", "value": "{}"},
        {"name": "MODE", "value": "slow"},
        {"name": "NEW", "value": "1"},
    ]
    assert container["image"] == "bench:1"
    assert sidecar == {"name": "sidecar", "image": "log:2"}


def test_volumes_merge_by_name_and_mounts_by_their_path() -> None:
    data = {"name": "data", "persistentVolumeClaim": {"claimName": "corpus"}}
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "data", "mountPath": "/data"}]
    spec = merged({"spec": {"volumes": [data], **profile(volumeMounts=mounts)["spec"]}})["spec"]
    assert spec["volumes"] == [data]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]


def test_other_lists_are_replaced() -> None:
    spec = merged({"spec": {"tolerations": [{"operator": "Exists"}]}})["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]


def test_labels_and_annotations_can_be_added() -> None:
    metadata = merged({"metadata": {"labels": {"env": "prod"}, "annotations": {"ports": "80"}}})["metadata"]
    assert metadata == {"labels": {"autoscout.io/trial": "3", "env": "prod"}, "annotations": {"ports": "80"}}


def test_what_is_set_to_the_same_again_is_no_error() -> None:
    assert errors({"spec": {"restartPolicy": "Never"}}) == {}
    assert errors(profile(image="bench:1")) == {}


CONTAINER = "spec.profile.template.spec.containers[profile]"


@pytest.mark.parametrize(
    ("template", "field", "way_out"),
    [
        ({"spec": {"restartPolicy": "OnFailure"}}, "spec.profile.template.spec.restartPolicy", "must stay Never"),
        ({"spec": {"restartPolicy": None}}, "spec.profile.template.spec.restartPolicy", "must stay Never"),
        (
            {"spec": {"activeDeadlineSeconds": 5}},
            "spec.profile.template.spec.activeDeadlineSeconds",
            "set spec.profile.timeout instead",
        ),
        (
            {"spec": {"nodeSelector": {"nvidia.com/gpu.product": "H100"}}},
            "spec.profile.template.spec.nodeSelector.nvidia.com/gpu.product",
            "set spec.hardware.pools[].gpu instead",
        ),
        (
            {"spec": {"nodeSelector": None}},
            "spec.profile.template.spec.nodeSelector.nvidia.com/gpu.product",
            "set spec.hardware.pools[].gpu instead",
        ),
        (profile(image="other"), f"{CONTAINER}.image", "set spec.profile.image instead"),
        (profile(command=["sh"]), f"{CONTAINER}.command", "set spec.profile.command instead"),
        (profile(args=["-x"]), f"{CONTAINER}.args", "set spec.profile.args instead"),
        (
            profile(terminationMessagePolicy="FallbackToLogsOnError"),
            f"{CONTAINER}.terminationMessagePolicy",
            "the result comes back through it",
        ),
        (
            profile(resources={"limits": {"nvidia.com/gpu": 8}}),
            f"{CONTAINER}.resources.limits.nvidia.com/gpu",
            "set spec.hardware.pools[].gpusPerNode instead",
        ),
        (
            profile(resources=None),
            f"{CONTAINER}.resources.limits.nvidia.com/gpu",
            "set spec.hardware.pools[].gpusPerNode instead",
        ),
        (
            profile(env=[{"name": "AUTOSCOUT_TRIAL", "value": "x"}]),
            f"{CONTAINER}.env.AUTOSCOUT_TRIAL",
            "the operator's",
        ),
        (profile(env=[{"name": "AUTOSCOUT_NEW", "value": "x"}]), f"{CONTAINER}.env.AUTOSCOUT_NEW", "the operator's"),
        ({"spec": {"containers": None}}, CONTAINER, "can't be removed"),
        ({"spec": {"containers": "x"}}, "spec.profile.template.spec.containers", "must be a list of objects with name"),
        (
            {"spec": {"volumes": [{"emptyDir": {}}]}},
            "spec.profile.template.spec.volumes[0]",
            "must be an object with name",
        ),
        (
            {"metadata": {"labels": {"autoscout.io/trial": "4"}}},
            "spec.profile.template.metadata.labels.autoscout.io/trial",
            "the operator's",
        ),
        (
            {"metadata": {"finalizers": ["x/y"]}},
            "spec.profile.template.metadata.finalizers",
            "only labels and annotations",
        ),
        ({"metadata": {"name": "x"}}, "spec.profile.template.metadata.name", "only labels and annotations"),
        ({"metadata": "x"}, "spec.profile.template.metadata", "must be an object"),
        ({"spec": []}, "spec.profile.template.spec", "must be an object"),
        ({"status": {}}, "spec.profile.template.status", "metadata and spec"),
    ],
)
def test_what_the_operator_relies_on_is_refused_with_the_field_and_the_way_out(
    template: dict[str, Any], field: str, way_out: str
) -> None:
    found = errors(template)
    assert list(found) == [field]
    assert way_out in found[field]
