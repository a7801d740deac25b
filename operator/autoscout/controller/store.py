"""What the cluster looked like when we last heard of it: a cache of raw objects, fed by watches and re-lists.

kopf's watches bring events soon; they may also lose one (knowledge: a re-list after a 410 never reports what was
deleted meanwhile). So an authoritative re-list replaces the contents every few minutes. Nothing here is trusted for a
decision that can't be undone: every write carries a precondition, and names are deterministic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from autoscout.api.names import TUNING_JOB_LABEL, TUNING_JOB_UID_LABEL

Object = dict[str, Any]
"""A Kubernetes object as JSON."""


class Key(NamedTuple):
    """A TuningJob."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Kind(StrEnum):
    """What the operator watches, by plural name."""

    TUNING_JOBS = "tuningjobs"
    TUNING_TRIALS = "tuningtrials"
    JOBS = "jobs"
    PODS = "pods"


class Store:
    """The cache. One instance serves all TuningJobs; only the event loop's thread touches it.

    It is also the `Source` of the Kubernetes executor.
    """

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[str, Object]] = {kind: {} for kind in Kind}
        self._by_job: dict[Kind, defaultdict[str, set[str]]] = {kind: defaultdict(set) for kind in Kind}
        # UIDs whose deletion we saw since the last re-list: a late reply must not bring them back to life.
        self._gone: dict[Kind, set[str]] = {kind: set() for kind in Kind}

    def job(self, key: Key) -> Object | None:
        """The TuningJob of that name."""
        uids = self._by_job[Kind.TUNING_JOBS].get(str(key), ())
        # One name can have two objects for a moment (deleted and made again): the newer one counts.
        objects = (self._objects[Kind.TUNING_JOBS][uid] for uid in uids)
        return max(objects, key=_version, default=None)

    def known(self) -> set[Key]:
        """Every TuningJob that exists or has left something behind."""
        return {key for kind in Kind for item in self._objects[kind].values() if (key := key_of(kind, item))}

    def trials(self, uid: str) -> list[Object]:
        """TuningTrials that carry the label of the TuningJob with this UID."""
        return self._labelled(Kind.TUNING_TRIALS, uid)

    def jobs(self, uid: str) -> list[Object]:
        """Jobs that carry the label of the TuningJob with this UID."""
        return self._labelled(Kind.JOBS, uid)

    def pods(self, uid: str) -> list[Object]:
        """Pods that carry the label of the TuningJob with this UID."""
        return self._labelled(Kind.PODS, uid)

    def wrote(self, job: Object) -> None:
        """A Job as the API server returned it from a write of ours."""
        self.apply(Kind.JOBS, job)

    def uids_left_behind(self, key: Key, alive: str | None) -> set[str]:
        """UIDs of former TuningJobs of this name whose Jobs are still here."""
        return {
            uid
            for item in self._objects[Kind.JOBS].values()
            if key_of(Kind.JOBS, item) == key and (uid := _label(item, TUNING_JOB_UID_LABEL)) and uid != alive
        }

    def apply(self, kind: Kind, item: Object, *, deleted: bool = False) -> None:
        """Take in an object from a watch or from the reply to a write; an older version than ours is ignored."""
        uid = item["metadata"]["uid"]
        if deleted:
            self._gone[kind].add(uid)
            self._drop(kind, uid)
            return
        known = self._objects[kind].get(uid)
        if uid in self._gone[kind] or (known is not None and _version(known) > _version(item)):
            return
        self._put(kind, uid, item)

    def replace(self, kind: Kind, items: Iterable[Object], version: int, *, namespace: str | None = None) -> set[Key]:
        """Take in a whole list of a namespace (None: of the cluster), as of that resource version.

        Returns:
            The TuningJobs of objects that had vanished without a word.
        """
        listed = {item["metadata"]["uid"]: item for item in items}
        vanished = [
            uid
            for uid, known in self._objects[kind].items()
            if uid not in listed and _version(known) <= version and namespace in (None, known["metadata"]["namespace"])
        ]
        keys = {key for uid in vanished if (key := key_of(kind, self._objects[kind][uid]))}
        for uid in vanished:
            self._drop(kind, uid)
        self._gone[kind].clear()
        for item in listed.values():
            self.apply(kind, item)
        return keys

    def _labelled(self, kind: Kind, uid: str) -> list[Object]:
        found = self._by_job[kind].get(uid, ())
        return sorted((self._objects[kind][each] for each in found), key=lambda item: str(item["metadata"]["name"]))

    def _put(self, kind: Kind, uid: str, item: Object) -> None:
        item["metadata"].pop("managedFields", None)
        # Under its former label it must not be found any more.
        self._drop(kind, uid)
        self._objects[kind][uid] = item
        self._by_job[kind][_index(kind, item)].add(uid)

    def _drop(self, kind: Kind, uid: str) -> None:
        item = self._objects[kind].pop(uid, None)
        if item is None:
            return
        index = _index(kind, item)
        self._by_job[kind][index].discard(uid)
        if not self._by_job[kind][index]:
            del self._by_job[kind][index]


def key_of(kind: Kind, item: Mapping[str, Any]) -> Key | None:
    """The TuningJob that an object belongs to."""
    metadata = item["metadata"]
    name = metadata["name"] if kind is Kind.TUNING_JOBS else _label(item, TUNING_JOB_LABEL)
    return Key(metadata["namespace"], name) if name else None


def _index(kind: Kind, item: Object) -> str:
    if kind is Kind.TUNING_JOBS:
        return str(key_of(kind, item))
    return _label(item, TUNING_JOB_UID_LABEL) or ""


def _label(item: Mapping[str, Any], label: str) -> str | None:
    return (item["metadata"].get("labels") or {}).get(label)


def _version(item: Mapping[str, Any]) -> int:
    # Comparable since Kubernetes 1.35 by contract, and before that by how etcd numbers its revisions.
    return int(item["metadata"].get("resourceVersion") or 0)
