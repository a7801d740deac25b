"""How the pods of one profile over several nodes find each other: a headless Service, and what each pod is told. Pure.

One Service serves all profiles of a TuningJob and goes with it: a Service for each would be two more writes a trial.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from autoscout.api.names import TUNING_JOB_LABEL, TUNING_JOB_UID_LABEL, owner_reference
from autoscout.executors.kubernetes.names import Object

NODES_VARIABLE: Final = "AUTOSCOUT_NODES"
MASTER_ADDRESS_VARIABLE: Final = "AUTOSCOUT_MASTER_ADDR"
MASTER_PORT_VARIABLE: Final = "AUTOSCOUT_MASTER_PORT"
MASTER_PORT: Final = 29500
"""That of torch.distributed."""


def service_name(job: str, uid: str) -> str:
    """Name of the Service of a TuningJob; a Service's name must begin with a letter, a TuningJob's need not."""
    return f"autoscout-{job}-{hashlib.sha256(uid.encode()).hexdigest()[:5]}"


def service_manifest(job: str, uid: str, namespace: str) -> Object:
    """The headless Service of a TuningJob.

    Args:
        job: name of the TuningJob.
        uid: of the TuningJob.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(job, uid),
            "namespace": namespace,
            "labels": {TUNING_JOB_LABEL: job, TUNING_JOB_UID_LABEL: uid},
            "ownerReferences": [owner_reference(job, uid)],
        },
        "spec": {
            "clusterIP": "None",
            # They look for each other before any of them could be called ready.
            "publishNotReadyAddresses": True,
            "selector": {TUNING_JOB_UID_LABEL: uid},
            "ports": [{"name": "rendezvous", "port": MASTER_PORT}],
        },
    }


def indexed(nodes: int) -> Object:
    """What makes a Job start so many pods at once, numbered, and end all of them with the first that fails."""
    return {
        "completionMode": "Indexed",
        "completions": nodes,
        "parallelism": nodes,
        # With `backoffLimit: 0` any failure ends the Job; this rule makes it say so when the platform was to blame.
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}]},
    }


def with_peers(pod_spec: Object, *, nodes: int, job_name: str, service: str, namespace: str) -> Object:
    """The pod spec of one node of several: Kubernetes names the pods `<job_name>-<index>` below the Service.

    Args:
        pod_spec: has one container.
        job_name: of the Kubernetes Job.
    """
    variables = {
        NODES_VARIABLE: str(nodes),
        MASTER_ADDRESS_VARIABLE: f"{job_name}-0.{service}.{namespace}.svc",
        MASTER_PORT_VARIABLE: str(MASTER_PORT),
    }
    [container] = pod_spec["containers"]
    env: list[Any] = [*container["env"], *({"name": name, "value": value} for name, value in variables.items())]
    return pod_spec | {"subdomain": service, "containers": [container | {"env": env}]}
