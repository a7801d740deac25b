"""Writes to Jobs, their pods and their Service. Each may be repeated: a repetition finds its work done."""

from __future__ import annotations

from typing import Any, Final

from autoscout.api.names import HARVEST_FINALIZER, SPEC_HASH_ANNOTATION
from autoscout.executors.kubernetes.client import (
    JOBS,
    PODS,
    SERVICES,
    ApiError,
    KubernetesApi,
    Resource,
    TransientApiError,
    selector,
)
from autoscout.executors.kubernetes.names import STOPPED_ANNOTATION, Object, controlled_by
from autoscout.executors.kubernetes.views import JobView, Stop
from autoscout.executors.protocol import ExecutorError

_TRIES: Final = 3
_UNPROCESSABLE: Final = 422


def held(job: Object) -> bool:
    """Whether our finalizer holds this Job: its result is not committed yet."""
    return HARVEST_FINALIZER in (job["metadata"].get("finalizers") or ())


async def find(api: KubernetesApi, namespace: str, name: str) -> Object | None:
    """The Job of this name, as it is now."""
    return await _get(api, JOBS, namespace, name)


async def _get(api: KubernetesApi, resource: Resource, namespace: str, name: str) -> Object | None:
    try:
        return await api.get(resource, namespace, name)
    except ApiError as error:
        if error.not_found:
            return None
        raise


async def ensure_service(api: KubernetesApi, manifest: Object, owner: str) -> None:
    """Make sure that this Service exists.

    Args:
        manifest: of the Service.
        owner: UID of the TuningJob.

    Raises:
        ExecutorError: another object has its name, or the API server refuses it.
    """
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    try:
        existing = await _get(api, SERVICES, namespace, name)
        if existing is None:
            existing = await api.create(SERVICES, namespace, manifest)
    except TransientApiError:
        raise
    except ApiError as error:
        if not error.already_exists:
            raise _refusal(error, f"Service {name}") from error
        existing = await api.get(SERVICES, namespace, name)
    if not controlled_by(existing, owner):
        raise ExecutorError(
            "NameTaken", f"a Service {name} exists that this TuningJob does not own: kubectl delete service {name}"
        )


async def create(api: KubernetesApi, manifest: Object, owner: str) -> Object:
    """Make sure that this Job exists: create it, or adopt it if it is there.

    Args:
        manifest: of the Job.
        owner: UID of the TuningJob.

    Raises:
        ExecutorError: another object has its name, or the API server refuses it.
        TransientApiError: it vanished between two requests; try again.
    """
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    try:
        return await api.create(JOBS, namespace, manifest)
    except TransientApiError:
        raise
    except ApiError as error:
        if not error.already_exists:
            raise _refusal(error, f"Job {name}") from error
    existing = await find(api, namespace, name)
    if existing is None:
        raise TransientApiError(404, "Vanished", f"Job {name} existed and was gone when it was read")
    return await adopt(api, existing, manifest, owner)


async def adopt(api: KubernetesApi, existing: Object, manifest: Object, owner: str) -> Object:
    """Take an existing Job for the one that would have been created.

    Raises:
        ExecutorError: it isn't.
    """
    metadata = existing["metadata"]
    name = metadata["name"]
    if not controlled_by(existing, owner):
        raise ExecutorError(
            "NameTaken", f"a Job {name} exists that this TuningJob does not own: delete it (kubectl delete job {name})"
        )
    theirs = (metadata.get("annotations") or {}).get(SPEC_HASH_ANNOTATION)
    if theirs != manifest["metadata"]["annotations"][SPEC_HASH_ANNOTATION]:
        raise ExecutorError(
            "NameTaken",
            f"Job {name} of this TuningJob has another spec than this trial asks for: delete it "
            f"(kubectl delete job {name}), it is then made anew",
        )
    if held(existing) or metadata.get("deletionTimestamp"):
        return existing
    # Somebody took our finalizer away, and with it the attempt out of sight.
    finalizers = [*(metadata.get("finalizers") or []), HARVEST_FINALIZER]
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
    return await api.merge_patch(JOBS, metadata["namespace"], name, patch)


async def stop(api: KubernetesApi, job: Object, why: Stop) -> Object | None:
    """Say why on the Job, then delete it and its pod; our finalizer keeps the Job until its end is committed.

    Returns:
        The Job as it is afterwards; None if it is gone.
    """
    metadata = job["metadata"]
    namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
    try:
        if JobView.of(job).stopped is None:
            await api.json_patch(JOBS, namespace, name, _annotate(metadata, why))
        # Foreground: the garbage collector deletes the pod at once, although the Job stays.
        answer = await api.delete(JOBS, namespace, name, propagation="Foreground", uid=uid)
    except ApiError as error:
        # Gone, or another one of that name (a JSON patch whose test fails is 422).
        if error.not_found or error.conflict or error.status == _UNPROCESSABLE:
            return None
        raise
    return answer if answer["kind"] == "Job" else None  # a Status says that nothing held it any more


def _annotate(metadata: Object, why: Stop) -> list[Object]:
    """A JSON patch that says why a Job is stopped, to this very Job."""
    test = {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]}
    if not metadata.get("annotations"):
        return [test, {"op": "add", "path": "/metadata/annotations", "value": {STOPPED_ANNOTATION: why.annotation}}]
    key = STOPPED_ANNOTATION.replace("/", "~1")
    return [test, {"op": "add", "path": f"/metadata/annotations/{key}", "value": why.annotation}]


async def hasten(api: KubernetesApi, pod: Object, age: float) -> None:
    """End a pod now as if its deadline had come: with SIGTERM and its grace, and it stays there to be read.

    To delete it would take its log and its last words along.

    Args:
        age: seconds since its start.
    """
    metadata, seconds = pod["metadata"], max(1, int(age))
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "add", "path": "/spec/activeDeadlineSeconds", "value": seconds},
    ]
    try:
        await api.json_patch(PODS, metadata["namespace"], metadata["name"], operations)
    except ApiError as error:
        # Gone, or it has ended meanwhile.
        if not (error.not_found or error.status == _UNPROCESSABLE):
            raise


async def dismiss(api: KubernetesApi, namespace: str, pod: str, uid: str) -> None:
    """Delete a pod of an attempt that is decided."""
    try:
        await api.delete(PODS, namespace, pod, uid=uid)
    except ApiError as error:
        if not (error.not_found or error.conflict):
            raise


async def let_go(api: KubernetesApi, job: Object) -> Object | None:
    """Take our finalizer off a Job.

    Returns:
        The Job as it is afterwards; None if it is gone.
    """
    metadata = job["metadata"]
    namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
    current: Object | None = job
    for _ in range(_TRIES):
        if current is None or current["metadata"]["uid"] != uid or not held(current):
            return current
        index = current["metadata"]["finalizers"].index(HARVEST_FINALIZER)
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": f"/metadata/finalizers/{index}", "value": HARVEST_FINALIZER},
            {"op": "remove", "path": f"/metadata/finalizers/{index}"},
        ]
        try:
            return await api.json_patch(JOBS, namespace, name, operations)
        except ApiError as error:
            if error.not_found:
                return None
            if error.status != _UNPROCESSABLE:
                raise
            # The list of finalizers changed, perhaps by an earlier try of ours: look again.
            current = await find(api, namespace, name)
    raise TransientApiError(_UNPROCESSABLE, "Busy", f"the finalizers of Job {name} changed {_TRIES} times meanwhile")


async def release_orphans(api: KubernetesApi, namespace: str, uid: str) -> None:
    """Delete what a TuningJob that is gone left behind: its Jobs, held by our finalizer, and their pods.

    A Job that the TuningJob does not control any more (`kubectl delete --cascade=orphan`) only loses the finalizer.

    Args:
        uid: of the TuningJob.

    Raises:
        ApiError: the API server refuses; what was done stays done.
    """
    jobs = await api.list(JOBS, namespace, label_selector=selector(uid))
    for job in jobs.items:
        metadata = job["metadata"]
        if controlled_by(job, uid) and not metadata.get("deletionTimestamp"):
            await discard(api, job)
        if held(job):
            await let_go(api, job)


async def discard(api: KubernetesApi, job: Object) -> None:
    """Delete a Job that nobody needs any more, and its pod with it."""
    metadata = job["metadata"]
    try:
        await api.delete(JOBS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
    except ApiError as error:
        if not (error.not_found or error.conflict):
            raise


def _refusal(error: ApiError, what: str) -> ExecutorError:
    """Why the API server won't have an object of ours, for a condition."""
    reason = error.reason
    if "exceeded quota" in error.message:
        reason = "QuotaExceeded"
    elif any(cause == "NamespaceTerminating" for cause, _ in error.causes):
        reason = "NamespaceTerminating"
    elif reason in ("Invalid", "BadRequest"):
        reason = "JobInvalid"
    return ExecutorError(reason, f"the API server refuses {what}: {error.message}")
