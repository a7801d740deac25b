"""`spec.profile.template`: what a TuningJob changes about the pods of its profiles.

Merged as `kubectl patch` merges: maps deeply, lists of named things by their key, other lists as a whole; null
deletes. What the operator relies on can't be changed, and the error says where it is set instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from autoscout.api.errors import FieldError
from autoscout.api.names import GROUP
from autoscout.executors.command import RESERVED
from autoscout.executors.kubernetes.names import CONTAINER, GPU_PRODUCT_LABEL, GPU_RESOURCE, Object

FIELD: Final = "spec.profile.template"

_MERGE_KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "resourceClaims": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""Lists whose elements merge by a key: those of a pod's spec that the API declares so."""

_OURS_IN_SPEC: Final[Mapping[str, str]] = {
    "restartPolicy": "must stay Never: what failed is measured again by a new attempt",
    "activeDeadlineSeconds": "set spec.profile.timeout instead",
}
_OURS_IN_CONTAINER: Final[Mapping[str, str]] = {
    "image": "set spec.profile.image instead",
    "command": "set spec.profile.command instead",
    "args": "set spec.profile.args instead",
    "terminationMessagePath": "can't be changed: the result comes back through it",
    "terminationMessagePolicy": "can't be changed: the result comes back through it",
}


def apply_template(pod: Object, template: Mapping[str, Any]) -> tuple[Object, list[FieldError]]:
    """The pod template {metadata, spec} with the changes, and what is wrong with them.

    Args:
        pod: as the operator would write it; left as it is.
        template: `spec.profile.template`.
    """
    errors = [
        FieldError(f"{FIELD}.{key}", "unknown: a pod template has metadata and spec")
        for key in template
        if key not in ("metadata", "spec")
    ]
    changes = {key: template[key] for key in ("metadata", "spec") if template.get(key) is not None}
    for key, value in changes.items():
        if not isinstance(value, Mapping):
            errors.append(FieldError(f"{FIELD}.{key}", "must be an object"))
    if errors:
        return pod, errors
    merged = _merge_maps(pod, changes, FIELD, errors)
    return merged, errors or _broken(pod, merged)


def _merge_maps(base: Mapping[str, Any], changes: Mapping[str, Any], path: str, errors: list[FieldError]) -> Object:
    merged = dict(base)
    for key, change in changes.items():
        place = f"{path}.{key}"
        if change is None:
            merged.pop(key, None)
        elif key in _MERGE_KEYS and (isinstance(change, list) or isinstance(base.get(key), list)):
            # Only lists: a label may be called `env` too.
            old = base.get(key)
            merged[key] = _merge_lists(old if isinstance(old, list) else [], change, _MERGE_KEYS[key], place, errors)
        elif isinstance(change, Mapping):
            merged[key] = _merge_maps(_map(base.get(key)), change, place, errors)
        else:
            merged[key] = change
    return merged


def _merge_lists(base: Sequence[Object], changes: Any, key: str, path: str, errors: list[FieldError]) -> list[Object]:
    merged = {item[key]: item for item in base}
    if not isinstance(changes, list):
        errors.append(FieldError(path, f"must be a list of objects with {key}"))
        return list(base)
    for index, change in enumerate(changes):
        if not isinstance(change, Mapping) or not isinstance(change.get(key), str | int):
            errors.append(FieldError(f"{path}[{index}]", f"must be an object with {key}: this list merges by it"))
            continue
        name = change[key]
        merged[name] = _merge_maps(merged.get(name, {}), change, f"{path}[{name}]", errors)
    return list(merged.values())


def _broken(ours: Object, merged: Object) -> list[FieldError]:
    """Where the result differs in what the operator relies on."""
    spec, new = ours["spec"], _map(merged.get("spec"))
    where = f"{FIELD}.spec"
    errors = _broken_metadata(_map(ours.get("metadata")), _map(merged.get("metadata")))
    errors += _changed(spec, new, _OURS_IN_SPEC, where)
    if "subdomain" in spec:
        message = "can't be changed: the pods of a profile over several nodes find each other by it"
        errors += _changed(spec, new, dict.fromkeys(("hostname", "subdomain"), message), where)
    product = {GPU_PRODUCT_LABEL: "set spec.hardware.pools[].gpu instead"}
    errors += _changed(spec.get("nodeSelector"), new.get("nodeSelector"), product, f"{where}.nodeSelector")

    mine, other = _container(spec), _container(new)
    where = f"{where}.containers[{CONTAINER}]"
    if not other:
        return [*errors, FieldError(where, "can't be removed: it is what measures")]
    errors += _changed(mine, other, _OURS_IN_CONTAINER, where)
    for part in ("limits", "requests"):
        gpus = {GPU_RESOURCE: "set spec.hardware.pools[].gpusPerNode instead"}
        old, now = (_map(container.get("resources")).get(part) for container in (mine, other))
        errors += _changed(old, now, gpus, f"{where}.resources.{part}")
    before, after = (_by_name(container.get("env")) for container in (mine, other))
    names = [name for name in {*before, *after} if name.startswith(RESERVED)]
    message = f"names that begin with {RESERVED} are the operator's"
    return errors + _changed(before, after, dict.fromkeys(names, message), f"{where}.env")


def _broken_metadata(ours: Mapping[str, Any], merged: Mapping[str, Any]) -> list[FieldError]:
    where = f"{FIELD}.metadata"
    errors = [
        FieldError(f"{where}.{key}", "can't be set: only labels and annotations can")
        for key in merged
        if key not in ("labels", "annotations")
    ]
    before, after = _map(ours.get("labels")), _map(merged.get("labels"))
    names = [name for name in {*before, *after} if name.startswith(f"{GROUP}/")]
    return errors + _changed(
        before, after, dict.fromkeys(names, f"labels of {GROUP} are the operator's"), f"{where}.labels"
    )


def _changed(before: Any, after: Any, fields: Mapping[str, str], path: str) -> list[FieldError]:
    before, after = _map(before), _map(after)
    return [
        FieldError(f"{path}.{field}", message)
        for field, message in sorted(fields.items())
        if before.get(field) != after.get(field)
    ]


def _container(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return _by_name(spec.get("containers")).get(CONTAINER, {})


def _by_name(items: Any) -> Mapping[str, Mapping[str, Any]]:
    return {str(item["name"]): item for item in items} if isinstance(items, list) else {}


def _map(value: Any) -> Mapping[str, Any]:
    """A map, or none where somebody wrote something else: the API server refuses that in its own words."""
    return value if isinstance(value, Mapping) else {}
