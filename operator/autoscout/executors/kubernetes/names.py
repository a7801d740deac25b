"""Words on Kubernetes objects: what `api.names` says of TuningJobs and trials, and what only Jobs and pods carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from autoscout.api.names import ATTEMPT_LABEL, GROUP, TRIAL_LABEL, TUNING_JOB_LABEL, TUNING_JOB_UID_LABEL
from autoscout.executors.protocol import AttemptId

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

JOB_LABEL: Final = TUNING_JOB_LABEL
JOB_UID_LABEL: Final = TUNING_JOB_UID_LABEL
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"

STOPPED_ANNOTATION: Final = f"{GROUP}/stopped"
"""On a Job that we stop: what `views.Stop` says. It outlives the pod, so that nothing is lost with it."""

CONTAINER: Final = "profile"
"""The container that measures."""

INDEX_ANNOTATION: Final = "batch.kubernetes.io/job-completion-index"
"""On a pod of an Indexed Job: which node of the profile it is."""

GPU_RESOURCE: Final = "nvidia.com/gpu"
GPU_PRODUCT_LABEL: Final = "nvidia.com/gpu.product"


def attempt_of(item: Mapping[str, Any]) -> AttemptId | None:
    """Which attempt a Job or pod belongs to, by its labels; None if they don't say."""
    labels = item["metadata"].get("labels") or {}
    try:
        return AttemptId(int(labels[TRIAL_LABEL]), int(labels[ATTEMPT_LABEL]))
    except (KeyError, ValueError):
        return None


def controlled_by(item: Mapping[str, Any], uid: str) -> bool:
    """Whether the object with this UID is the controller owner."""
    owners = item["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def spec_hash(manifest: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that name the spec of a manifest as we wrote it, before the API server's defaults."""
    text = json.dumps(manifest["spec"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
