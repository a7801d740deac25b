"""A program as Kubernetes objects: a Job where it ends by itself, a Deployment and its Service where it serves.

What serves from several nodes is two StatefulSets, whose pods keep their names and numbers: the node that takes the
requests, and all others. They run the same program, but only the first listens, so only it has probes and a Service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

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
NODE_LABEL = f"{GROUP}/node"
"""Of a pod that serves together with others: `FIRST` or `OTHER`."""
FIRST = "first"
OTHER = "other"

_FILES = "/etc/autoscout"
_STARTUP_SECONDS = 1800
"""How long a server may load its weights and capture its graphs."""
_PROBE_SECONDS = 10
_JOB_INDEX: Object = {"valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX_ANNOTATION}']"}}}
_POD_INDEX: Object = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}}
_POD_ADDRESS: Object = {"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
_NOTHING: Object = {}


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
    if program.files:
        yield _object("v1", "ConfigMap", name, name) | {"data": dict(program.files)}
    if program.port is None:
        yield from _job(program, job, name)
    elif program.nodes == 1:
        yield from _server(program, job, name, program.port)
    else:
        yield from _servers(program, job, name, program.port)


def _job(program: Program, job: TuningJob, name: str) -> Iterator[Object]:
    ends: Object = {"restartPolicy": "Never"}
    nodes: Object = {}
    if program.nodes > 1:
        yield _names(name, name)
        ends["subdomain"] = name
        nodes = {"completionMode": "Indexed", "completions": program.nodes, "parallelism": program.nodes}
    address = {"value": f"{name}-0.{name}"}
    places = {NODE_RANK: _JOB_INDEX, MASTER_ADDRESS: address, MASTER_ADDRESS_VARIABLE: address}
    pod = _pod(program, job, name, {NAME_LABEL: name}, places, ends)
    yield _object("batch/v1", "Job", name, name) | {"spec": {**nodes, "backoffLimit": 0, "template": pod}}


def _server(program: Program, job: TuningJob, name: str, port: int) -> Iterator[Object]:
    labels = {NAME_LABEL: name}
    yield _service(name, port, labels)
    yield _object("apps/v1", "Deployment", name, name) | {
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            # The new one would wait for the GPUs of the old one.
            "strategy": {"type": "Recreate"},
            "template": _pod(program, job, name, labels),
        }
    }


def _servers(program: Program, job: TuningJob, name: str, port: int) -> Iterator[Object]:
    """What serves from several nodes; the first has number 0, the others follow."""
    nodes = f"{name}-nodes"
    first, other = ({NAME_LABEL: name, NODE_LABEL: node} for node in (FIRST, OTHER))
    yield _service(name, port, first)
    yield _names(nodes, name)
    # It listens at its address: its name may not lead there yet.
    places: dict[str, Object] = {NODE_RANK: {"value": "0"}, MASTER_ADDRESS: _POD_ADDRESS}
    yield _stateful(name, nodes, first, {"replicas": 1}, _pod(program, job, name, first, places))
    headless = replace(program, groups=(*program.groups, program.others), port=None)
    places = {NODE_RANK: _POD_INDEX, MASTER_ADDRESS: {"value": f"{name}-0.{nodes}"}}
    count = {"replicas": program.nodes - 1, "ordinals": {"start": 1}}
    yield _stateful(f"{name}-others", nodes, other, count, _pod(headless, job, name, other, places))


def _stateful(name: str, service: str, labels: Object, count: Object, pod: Object) -> Object:
    # All at once: none is ready before it has met the others.
    spec = {**count, "serviceName": service, "podManagementPolicy": "Parallel", "selector": {"matchLabels": labels}}
    return _object("apps/v1", "StatefulSet", name, labels[NAME_LABEL]) | {"spec": spec | {"template": pod}}


def _object(version: str, kind: str, name: str, program: str) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {NAME_LABEL: program}}}


def _service(name: str, port: int, selector: Object) -> Object:
    ports = [{"name": "http", "port": port, "targetPort": "http"}]
    return _object("v1", "Service", name, name) | {"spec": {"selector": selector, "ports": ports}}


def _names(name: str, program: str) -> Object:
    """The headless Service by which the pods of a program find each other."""
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {NAME_LABEL: program}}
    return _object("v1", "Service", name, program) | {"spec": headless}


def _pod(
    program: Program,
    job: TuningJob,
    name: str,
    labels: Object,
    places: Mapping[str, Object] = _NOTHING,
    ends: Object = _NOTHING,
) -> Object:
    """The template of a pod.

    Args:
        name: of what is launched.
        places: the variables that tell it where it is; those that the program does not ask for are left out.
        ends: what else its spec says.
    """
    volumes, mounts = _volumes(program, name)
    spec: Object = {
        # What a profile may say of its pod holds here too, but for its end.
        **ends,
        **UNPRIVILEGED_POD,
        **node_choice(job.spec.hardware.pools[0]),
        "containers": [_container(program, job, places) | ({"volumeMounts": mounts} if mounts else {})],
        **({"volumes": volumes} if volumes else {}),
    }
    pod, errors = apply_template({"metadata": {"labels": labels}, "spec": spec}, job.spec.profile.template)
    if errors:
        raise LaunchError(errors[0].field.removeprefix("spec."), errors[0].message)
    containers = [each | {"name": "main"} if each["name"] == CONTAINER else each for each in pod["spec"]["containers"]]
    return pod | {"spec": pod["spec"] | {"containers": containers}}


def _volumes(program: Program, name: str) -> tuple[list[Object], list[Object]]:
    volumes: list[Object] = []
    mounts: list[Object] = []
    if program.shares_memory:
        # A container's own has 64 MiB.
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108 - no file of ours
    if program.files:
        volumes.append({"name": "files", "configMap": {"name": name}})
        mounts.append({"name": "files", "mountPath": _FILES, "readOnly": True})
    return volumes, mounts


def _container(program: Program, job: TuningJob, places: Mapping[str, Object]) -> Object:
    words = [_word(word) for group in program.groups for word in _joined(group)]
    container: Object = {
        "name": CONTAINER,
        "image": job.spec.profile.image or IMAGE,
        **({"args": words} if program.in_image else {"command": words[:1], "args": words[1:]}),
    }
    if env := _environment(program, places):
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


def _environment(program: Program, places: Mapping[str, Object]) -> list[Object]:
    own = [{"name": variable, "value": literal(value)} for variable, value in program.environment.items()]
    # Kubernetes sets the others itself.
    return own + [{"name": each, **places[each]} for each in program.variables if each in places]


def _word(word: str) -> str:
    return "".join(f"$({text})" if named else literal(text) for text, named in pieces(word.replace(FILES, _FILES)))
