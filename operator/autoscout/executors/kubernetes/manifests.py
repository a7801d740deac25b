"""From a TuningJob, a trial and an attempt to the Job that measures it. Pure: same arguments, same manifest."""

from __future__ import annotations

import math
from typing import Any, Final

from autoscout.api.errors import FieldError
from autoscout.api.frameworks import is_built_in
from autoscout.api.names import (
    HARVEST_FINALIZER,
    SPEC_HASH_ANNOTATION,
    attempt_labels,
    attempt_name,
    owner_reference,
)
from autoscout.api.tuning_job import TuningJob
from autoscout.api.workload import Pool
from autoscout.executors.command import PlaceholderError, literal
from autoscout.executors.kubernetes.names import (
    CONTAINER,
    GPU_PRODUCT_LABEL,
    GPU_RESOURCE,
    QUEUE_LABEL,
    Object,
    spec_hash,
)
from autoscout.executors.kubernetes.peers import indexed, service_name, with_peers
from autoscout.executors.kubernetes.template import apply_template
from autoscout.executors.measurement import rendered_command, trial_environment
from autoscout.executors.protocol import ExecutorError
from autoscout.search.ledger import Trial

TERMINATION_PATH: Final = "/dev/termination-log"
GRACE_SECONDS: Final = 5
"""A measurement has nothing to save: a shorter grace than Kubernetes' 30 s frees the GPUs sooner."""
UNPRIVILEGED_POD: Final[Object] = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
UNPRIVILEGED_CONTAINER: Final[Object] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What the strictest of Kubernetes' pod security standards asks for."""
_SHARED_MEMORY: Final = "shared-memory"
"""Volume of the frameworks' processes, which talk through /dev/shm: a container's own has 64 MiB, vLLM refuses that."""
KEEP_FINISHED_SECONDS: Final = 3600
"""How long a harvested Job and its log stay for a person to look at; the ledger needs neither."""


def job_manifest(job: TuningJob, uid: str, trial: Trial, attempt: int) -> Object:
    """The Job of one attempt, ready to be created.

    Args:
        uid: of the TuningJob.
        trial: what is measured.
        attempt: 0 for the first run of the trial.

    Raises:
        ExecutorError: the spec can't become a Job; the message names the field.
    """
    metadata, nodes = job.metadata, _pool(job).nodes
    name = attempt_name(metadata.name, uid, trial.number, attempt)
    labels = attempt_labels(metadata.name, uid, trial.number, attempt)
    spec = _pod_spec(job, trial, attempt)
    if nodes > 1:
        service = service_name(metadata.name, uid)
        spec = with_peers(spec, nodes=nodes, job_name=name, service=service, namespace=metadata.namespace)
    pod, errors = apply_template({"metadata": {"labels": labels}, "spec": spec}, job.spec.profile.template)
    if errors:
        raise ExecutorError("TemplateInvalid", "; ".join(map(str, errors)))
    queue = job.spec.profile.queue_name
    manifest: Object = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": metadata.namespace,
            "labels": labels | ({QUEUE_LABEL: queue} if queue else {}),
            "annotations": {},
            "finalizers": [HARVEST_FINALIZER],
            "ownerReferences": [owner_reference(metadata.name, uid)],
        },
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            **(indexed(nodes) if nodes > 1 else {}),
            "ttlSecondsAfterFinished": KEEP_FINISHED_SECONDS,
            # Kueue admits the Job by setting this to false.
            **({"suspend": True} if queue else {}),
            "template": pod,
        },
    }
    manifest["metadata"]["annotations"][SPEC_HASH_ANNOTATION] = spec_hash(manifest)
    return manifest


def template_errors(job: TuningJob) -> list[FieldError]:
    """What is wrong with `spec.profile.template`, without any trial."""
    spec = _placement(job) | {"containers": [_container(job) | {"env": []}]}
    if _pool(job).nodes > 1:
        spec = with_peers(spec, nodes=_pool(job).nodes, job_name="", service="peers", namespace="")
    pod = {"metadata": {}, "spec": spec}
    return apply_template(pod, job.spec.profile.template)[1]


def _pod_spec(job: TuningJob, trial: Trial, attempt: int) -> Object:
    try:
        rendered = rendered_command(job, trial.configuration)
    except PlaceholderError as error:
        raise ExecutorError("CommandInvalid", f"spec.{error}") from error
    variables = trial_environment(job, trial, attempt, TERMINATION_PATH)
    container = _container(job) | {
        "env": [{"name": name, "value": literal(value)} for name, value in {**rendered.env, **variables}.items()]
    }
    if rendered.command:
        container["command"] = [literal(word) for word in rendered.command]
    if rendered.args:
        container["args"] = [literal(word) for word in rendered.args]
    return _placement(job) | {"containers": [container]}


def _container(job: TuningJob) -> Object:
    """The measuring container without its command and environment."""
    pool = _pool(job)
    if job.spec.profile.image is None:
        raise ExecutorError("ImageMissing", "spec.profile.image: a profile on a cluster needs an image")
    container: Object = {
        "name": CONTAINER,
        "image": job.spec.profile.image,
        "terminationMessagePath": TERMINATION_PATH,
        "terminationMessagePolicy": "File",
        "securityContext": UNPRIVILEGED_CONTAINER,
    }
    if pool.gpus_per_node:
        container["resources"] = {"limits": {GPU_RESOURCE: pool.gpus_per_node}}
    if is_built_in(job):
        container["volumeMounts"] = [{"name": _SHARED_MEMORY, "mountPath": "/dev/shm"}]  # noqa: S108 - its own volume
    return container


def _placement(job: TuningJob) -> Object:
    """Where and how the pod runs: its spec without containers."""
    return {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(job.spec.profile.timeout.seconds),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        **UNPRIVILEGED_POD,
        **node_choice(_pool(job)),
        **({"volumes": [{"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory"}}]} if is_built_in(job) else {}),
    }


def node_choice(pool: Pool) -> Object:
    """The part of a pod's spec that puts it on the nodes of a pool."""
    selector = dict(pool.node_selector)
    tolerations: list[Any] = [toleration.manifest() for toleration in pool.tolerations]
    if pool.gpus_per_node:
        # The pool's product wins over a node selector that contradicts it: the ledger says it ran there.
        selector |= {GPU_PRODUCT_LABEL: pool.gpu} if pool.gpu else {}
        tolerations.append({"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"})
    return ({"nodeSelector": selector} if selector else {}) | ({"tolerations": tolerations} if tolerations else {})


def _pool(job: TuningJob) -> Pool:
    pools = job.spec.hardware.pools
    if len(pools) != 1:
        raise ExecutorError("HardwareUnsupported", "spec.hardware.pools: one pool can be profiled; give one")
    return pools[0]
