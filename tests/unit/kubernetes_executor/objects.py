"""Jobs and pods as the API server shows them: recorded from Kubernetes 1.34, then cut down."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from autoscout.executors.kubernetes.client import selector
from autoscout.executors.kubernetes.names import INDEX_ANNOTATION, STOPPED_ANNOTATION
from autoscout_profiler.frames import Body, Frame, encode

Object = dict[str, Any]

START = 1_795_305_600.0
"""When the Job and its pod were created, seconds since the epoch; all times below are seconds after it."""
UID = "5f0c1f6e-8d5c-4b0e-9d4f-0d6f6f0a3a11"
TRIAL, ATTEMPT = "tune-3", 1


def time(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def frame(body: Body, sequence: int = 1) -> str:
    return encode(Frame(TRIAL, ATTEMPT, sequence, body))


def job(
    *conditions: Object,
    suspend: bool = False,
    deleted: float | None = None,
    stopped: tuple[str, str, float | None] | None = None,
    stopped_gpus: int | None = None,
    started: float | None = 0.0,
    gpus: int = 0,
    nodes: int = 1,
    deadline: int = 1800,
    **counts: int,
) -> Object:
    metadata: Object = {
        "name": "tune-3-1-a1b2c",
        "uid": "job-uid",
        "creationTimestamp": time(0),
        "labels": dict(part.split("=") for part in [selector(UID)]),
        "finalizers": ["autoscout.io/harvest"],
    }
    if deleted is not None:
        metadata["deletionTimestamp"] = time(deleted)
    if stopped is not None:
        reason, message, begun = stopped
        content = {"reason": reason, "message": message, "started": None if begun is None else START + begun}
        content |= {"gpus": stopped_gpus} if stopped_gpus is not None else {}
        metadata["annotations"] = {STOPPED_ANNOTATION: json.dumps(content)}
    status: Object = {"conditions": list(conditions), "uncountedTerminatedPods": {}, **counts}
    if started is not None:
        status["startTime"] = time(started)
    limits = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}} if gpus else {}
    template = {"spec": {"containers": [{"name": "profile", **limits}], "activeDeadlineSeconds": deadline}}
    many = {"completions": nodes} if nodes > 1 else {}
    return {"metadata": metadata, "spec": {"suspend": suspend, "template": template, **many}, "status": status}


def job_condition(kind: str, reason: str, message: str = "", at: float = 90) -> Object:
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": time(at)}


def pod(
    phase: str,
    state: Object | None = None,
    *conditions: Object,
    reason: str = "",
    message: str = "",
    started: float | None = 1.0,
    created: float = 0.0,
    deletion: tuple[float, int] | None = None,
    init: list[Object] | None = None,
    gpus: int = 0,
    name: str = "tune-3-1-a1b2c-x7x7x",
    index: int | None = None,
    deadline: int = 1800,
) -> Object:
    """A pod.

    Args:
        state: of the container `profile`.
        deletion: (second at which its grace ends, length of the grace).
    """
    metadata: Object = {
        "name": name,
        "uid": f"uid-of-{name}",
        "creationTimestamp": time(created),
        "ownerReferences": [{"kind": "Job", "uid": "job-uid", "controller": True}],
    }
    if index is not None:
        metadata |= {"name": f"{name}-{index}", "uid": f"uid-of-{index}", "annotations": {INDEX_ANNOTATION: str(index)}}
    if deletion is not None:
        metadata |= {"deletionTimestamp": time(deletion[0]), "deletionGracePeriodSeconds": deletion[1]}
    limits = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}, "requests": {"nvidia.com/gpu": str(gpus)}}}
    status: Object = {"phase": phase, "conditions": list(conditions)}
    if state is not None:
        status["containerStatuses"] = [{"name": "profile", "state": state, "restartCount": 0}]
    if init is not None:
        status["initContainerStatuses"] = init
    status |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
    if started is not None:
        status["startTime"] = time(started)
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "profile", **(limits if gpus else {})}], "activeDeadlineSeconds": deadline},
        "status": status,
    }


def running(at: float = 2) -> Object:
    return {"running": {"startedAt": time(at)}}


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(
    exit_code: int, reason: str = "", *, message: str = "", begun: float = 2, finished: float | None = 90
) -> Object:
    end: Object = {
        "exitCode": exit_code,
        "reason": reason or ("Error" if exit_code else "Completed"),
        "startedAt": time(begun),
        "finishedAt": None if finished is None else time(finished),
    }
    return {"terminated": end | ({"message": message} if message else {})}


def pod_condition(kind: str, reason: str, message: str = "", *, status: str = "True", at: float = 60) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": time(at)}


def unscheduled(reason: str, message: str) -> Object:
    return pod_condition("PodScheduled", reason, message, status="False", at=0)


def disrupted(reason: str, message: str = "") -> Object:
    return pod_condition("DisruptionTarget", reason, message)
