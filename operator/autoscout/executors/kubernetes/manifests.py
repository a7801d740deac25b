"""From a TuningJob, a trial and an attempt to the Job that measures it. Pure: same arguments, same manifest."""

from __future__ import annotations

import math
from typing import Any, Final

from autoscout.api.errors import FieldError
from autoscout.api.names import (
    HARVEST_FINALIZER,
    SPEC_HASH_ANNOTATION,
    attempt_labels,
    attempt_name,
    owner_reference,
    trial_name,
)
from autoscout.api.tuning_job import TuningJob
from autoscout.api.workload import Pool
from autoscout.executors.command import PlaceholderError, environment, literal, render
from autoscout.executors.kubernetes.names import (
    CONTAINER,
    GPU_PRODUCT_LABEL,
    GPU_RESOURCE,
    QUEUE_LABEL,
    Object,
    spec_hash,
)
from autoscout.executors.kubernetes.template import apply_template
from autoscout.executors.protocol import ExecutorError
from autoscout.search.ledger import Trial

TERMINATION_PATH: Final = "/dev/termination-log"
GRACE_SECONDS: Final = 5
"""A measurement has nothing to save: a shorter grace than Kubernetes' 30 s frees the GPUs sooner."""
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
    metadata = job.metadata
    labels = attempt_labels(metadata.name, uid, trial.number, attempt)
    pod, errors = apply_template(
        {"metadata": {"labels": labels}, "spec": _pod_spec(job, trial, attempt)}, job.spec.profile.template
    )
    if errors:
        raise ExecutorError("TemplateInvalid", "; ".join(map(str, errors)))
    queue = job.spec.profile.queue_name
    manifest: Object = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": attempt_name(metadata.name, uid, trial.number, attempt),
            "namespace": metadata.namespace,
            "labels": labels | ({QUEUE_LABEL: queue} if queue else {}),
            "annotations": {},
            "finalizers": [HARVEST_FINALIZER],
            "ownerReferences": [owner_reference(metadata.name, uid)],
        },
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
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
    pod = {"metadata": {}, "spec": _placement(job) | {"containers": [_container(job)]}}
    return apply_template(pod, job.spec.profile.template)[1]


def _pod_spec(job: TuningJob, trial: Trial, attempt: int) -> Object:
    profile = job.spec.profile
    try:
        rendered = render(
            profile.command,
            profile.args,
            {variable.name: variable.value for variable in profile.env},
            trial.configuration,
            [parameter.name for parameter in job.spec.search_space.parameters],
        )
    except PlaceholderError as error:
        raise ExecutorError("CommandInvalid", f"spec.{error}") from error
    variables = environment(
        trial=trial_name(job.metadata.name, trial.number),
        attempt=attempt,
        configuration=trial.configuration,
        workload=job.spec.workload.manifest(),
        warmup_iterations=profile.warmup_iterations,
        iterations=profile.iterations,
        termination_path=TERMINATION_PATH,
    )
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
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if pool.gpus_per_node:
        container["resources"] = {"limits": {GPU_RESOURCE: pool.gpus_per_node}}
    return container


def _placement(job: TuningJob) -> Object:
    """Where and how the pod runs: its spec without containers."""
    pool = _pool(job)
    selector = dict(pool.node_selector)
    tolerations: list[Any] = [toleration.manifest() for toleration in pool.tolerations]
    if pool.gpus_per_node:
        # The pool's product wins over a node selector that contradicts it: the ledger says it ran there.
        selector |= {GPU_PRODUCT_LABEL: pool.gpu} if pool.gpu else {}
        tolerations.append({"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"})
    return {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(job.spec.profile.timeout.seconds),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        **({"nodeSelector": selector} if selector else {}),
        **({"tolerations": tolerations} if tolerations else {}),
    }


def _pool(job: TuningJob) -> Pool:
    pools = job.spec.hardware.pools
    if len(pools) != 1 or pools[0].nodes != 1:
        raise ExecutorError(
            "HardwareUnsupported",
            "spec.hardware.pools: one pool with one node can be profiled; give one pool and leave out its nodes",
        )
    return pools[0]
