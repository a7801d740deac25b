"""Where the executor sees its Jobs and pods: in somebody's cache, or by asking each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autoscout.executors.kubernetes.client import JOBS, PODS, KubernetesApi, selector
from autoscout.executors.kubernetes.names import Object


class Source(Protocol):
    """Jobs and pods of TuningJobs as raw JSON, perhaps a little old.

    The executor reads again from the API server before it does what can't be undone.
    """

    def jobs(self, uid: str) -> Sequence[Object]:
        """Jobs that carry the label of the TuningJob with this UID."""
        ...

    def pods(self, uid: str) -> Sequence[Object]:
        """Pods that carry the label of the TuningJob with this UID."""
        ...

    def wrote(self, job: Object) -> None:
        """A Job as the API server returned it from a write of ours: newer than what any watch has brought."""
        ...


class ApiSource:
    """A source that is as new as its last `refresh`, without a watch."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._jobs: dict[str, Sequence[Object]] = {}
        self._pods: dict[str, Sequence[Object]] = {}

    async def refresh(self, uid: str) -> None:
        """List Jobs and pods of the TuningJob with this UID.

        Raises:
            ApiError: the API server refuses.
        """
        self._jobs[uid] = (await self._api.list(JOBS, self._namespace, label_selector=selector(uid))).items
        self._pods[uid] = (await self._api.list(PODS, self._namespace, label_selector=selector(uid))).items

    def jobs(self, uid: str) -> Sequence[Object]:
        """As of the last `refresh` of this UID."""
        return self._jobs.get(uid, ())

    def pods(self, uid: str) -> Sequence[Object]:
        """As of the last `refresh` of this UID."""
        return self._pods.get(uid, ())

    def wrote(self, job: Object) -> None:
        """Nothing to keep: the next `refresh` shows it."""
