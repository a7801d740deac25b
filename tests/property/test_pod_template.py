"""Whatever stands in `spec.profile.template`: errors with fields, or a pod that still is ours; never an exception."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscout.executors.kubernetes.template import FIELD, apply_template

POD: dict[str, Any] = {
    "metadata": {"labels": {"autoscout.io/trial": "3"}},
    "spec": {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 1800,
        "nodeSelector": {"nvidia.com/gpu.product": "A40"},
        "containers": [
            {
                "name": "profile",
                "image": "bench:1",
                "env": [{"name": "AUTOSCOUT_TRIAL", "value": "{}"}],
                "resources": {"limits": {"nvidia.com/gpu": 1}},
            }
        ],
    },
}

WORDS = st.sampled_from(
    [
        *("metadata", "spec", "labels", "finalizers", "containers", "env", "name", "profile", "image", "resources"),
        *("limits", "nvidia.com/gpu", "nodeSelector", "nvidia.com/gpu.product", "restartPolicy", "AUTOSCOUT_TRIAL"),
        *("volumes", "volumeMounts", "mountPath", "autoscout.io/trial", "", "x"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | WORDS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["profile", "other"])}, optional={"env": JSON, "resources": JSON}),
    max_size=2,
)
SPECS = st.fixed_dictionaries({}, optional={"containers": CONTAINERS | JSON, "nodeSelector": JSON, "volumes": JSON})
TEMPLATES = st.fixed_dictionaries({}, optional={"metadata": JSON, "spec": SPECS | JSON}) | st.dictionaries(WORDS, JSON)


@given(TEMPLATES)
def test_a_template_is_refused_by_field_or_leaves_what_is_ours(template: dict[str, Any]) -> None:
    pod, errors = apply_template(POD, template)
    if errors:
        assert all(error.field.startswith(FIELD) and error.message for error in errors)
        return
    spec = pod["spec"]
    container = next(each for each in spec["containers"] if each["name"] == "profile")
    assert pod["metadata"]["labels"]["autoscout.io/trial"] == "3"
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"]) == ("Never", 1800)
    assert spec["nodeSelector"]["nvidia.com/gpu.product"] == "A40"
    assert container["image"] == "bench:1"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"name": "AUTOSCOUT_TRIAL", "value": "{}"} in container["env"]
