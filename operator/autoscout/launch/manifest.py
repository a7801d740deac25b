"""A program as Kubernetes objects: a Job where it ends by itself, a Deployment and its Service where it serves."""

from __future__ import annotations

from collections.abc import Iterator

from autoscout.api.names import GROUP
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.command import literal
from autoscout.executors.kubernetes.manifests import UNPRIVILEGED_CONTAINER, UNPRIVILEGED_POD, node_choice
from autoscout.executors.kubernetes.names import CONTAINER, GPU_RESOURCE, INDEX_ANNOTATION, Object
from autoscout.executors.kubernetes.peers import MASTER_ADDRESS_VARIABLE
from autoscout.executors.kubernetes.template import apply_template
from autoscout.launch.program import FILES, MASTER_ADDRESS, NODE_RANK, LaunchError, Program, pieces

IMAGE = "registry.example.com/replace-me:latest"
"""In place of an image that the job does not name."""
NAME_LABEL = f"{GROUP}/launch"

_FILES = "/etc/autoscout"
_STARTUP_SECONDS = 1800
"""How long a server may load its weights and capture its graphs."""
_PROBE_SECONDS = 10


def objects(program: Program, job: TuningJob) -> Iterator[Object]:
    """What to apply, in order.

    Args:
        program: what runs.
        job: gives the name, the image, the nodes, and with `profile.template` volumes and the like.

    Raises:
        LaunchError: the template can't be applied.
    """
    # Services must begin with a letter.
    name = job.metadata.name if job.metadata.name[0].isalpha() else f"run-{job.metadata.name}"
    pod = _pod(program, job, name)
    if program.files:
        yield _object("v1", "ConfigMap", name) | {"data": dict(program.files)}
    if program.port is not None:
        yield _service(name, program.port, {"selector": {NAME_LABEL: name}})
        yield _object("apps/v1", "Deployment", name) | {
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {NAME_LABEL: name}},
                # The new one would wait for the GPUs of the old one.
                "strategy": {"type": "Recreate"},
                "template": pod,
            }
        }
        return
    several = program.nodes > 1
    if several:
        headless: Object = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {NAME_LABEL: name}}
        yield _object("v1", "Service", name) | {"spec": headless}
    nodes = {"completionMode": "Indexed", "completions": program.nodes, "parallelism": program.nodes} if several else {}
    yield _object("batch/v1", "Job", name) | {"spec": {**nodes, "backoffLimit": 0, "template": pod}}


def _object(version: str, kind: str, name: str) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {NAME_LABEL: name}}}


def _service(name: str, port: int, spec: Object) -> Object:
    ports = [{"name": "http", "port": port, "targetPort": "http"}]
    return _object("v1", "Service", name) | {"spec": spec | {"ports": ports}}


def _pod(program: Program, job: TuningJob, name: str) -> Object:
    volumes, mounts = _volumes(program, name)
    spec: Object = {
        # What a profile may say of its pod holds here too, but for its end.
        **({} if program.port is not None else {"restartPolicy": "Never"}),
        **({"subdomain": name} if program.nodes > 1 else {}),
        **UNPRIVILEGED_POD,
        **node_choice(job.spec.hardware.pools[0]),
        "containers": [_container(program, job, name) | ({"volumeMounts": mounts} if mounts else {})],
        **({"volumes": volumes} if volumes else {}),
    }
    pod, errors = apply_template({"metadata": {"labels": {NAME_LABEL: name}}, "spec": spec}, job.spec.profile.template)
    if errors:
        raise LaunchError(errors[0].field.removeprefix("spec."), errors[0].message)
    containers = [each | {"name": "main"} if each["name"] == CONTAINER else each for each in pod["spec"]["containers"]]
    return pod | {"spec": pod["spec"] | {"containers": containers}}


def _volumes(program: Program, name: str) -> tuple[list[Object], list[Object]]:
    volumes: list[Object] = []
    mounts: list[Object] = []
    if program.gpus > 1:
        # NCCL's ranks of one node exchange data through it; a container's own has 64 MiB.
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108 - no file of ours
    if program.files:
        volumes.append({"name": "files", "configMap": {"name": name}})
        mounts.append({"name": "files", "mountPath": _FILES, "readOnly": True})
    return volumes, mounts


def _container(program: Program, job: TuningJob, name: str) -> Object:
    words = [_word(word) for group in program.groups for word in _joined(group)]
    container: Object = {
        "name": CONTAINER,
        "image": job.spec.profile.image or IMAGE,
        **({"args": words} if program.in_image else {"command": words[:1], "args": words[1:]}),
    }
    if env := _environment(program, name):
        container["env"] = env
    if program.port is not None:
        health: Object = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": _PROBE_SECONDS}
        container |= {
            "ports": [{"name": "http", "containerPort": program.port}],
            "startupProbe": health | {"failureThreshold": _STARTUP_SECONDS // _PROBE_SECONDS},
            "readinessProbe": health,
        }
    if program.gpus:
        container["resources"] = {"limits": {GPU_RESOURCE: program.gpus}}
    return container | {"securityContext": UNPRIVILEGED_CONTAINER}


def _joined(group: tuple[str, ...]) -> tuple[str, ...]:
    """A flag and its one value as one argument: half as many lines."""
    return ("=".join(group),) if len(group) == 2 and group[0].startswith("--") else group


def _environment(program: Program, name: str) -> list[Object]:
    first = {"value": f"{name}-0.{name}"}
    values: dict[str, Object] = {
        NODE_RANK: {"valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX_ANNOTATION}']"}}},
        MASTER_ADDRESS: first,
        MASTER_ADDRESS_VARIABLE: first,
    }
    own = [{"name": variable, "value": literal(value)} for variable, value in program.environment.items()]
    # Kubernetes sets the others itself.
    return own + [{"name": each, **values[each]} for each in program.variables if each in values]


def _word(word: str) -> str:
    return "".join(f"$({text})" if named else literal(text) for text, named in pieces(word.replace(FILES, _FILES)))
