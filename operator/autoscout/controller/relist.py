"""The authoritative re-list: what a watch lost comes back, what is gone goes away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from autoscout.api.names import TUNING_JOB_UID_LABEL
from autoscout.controller.queue import WorkQueue
from autoscout.controller.store import Key, Kind, Store
from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import ApiError, KubernetesApi, Resource

logger = logging.getLogger(__name__)

# What is made last is listed first: a Job on the list always finds its trial on the later list.
ORDER: tuple[tuple[Kind, Resource, str], ...] = (
    (Kind.PODS, client.PODS, TUNING_JOB_UID_LABEL),
    (Kind.JOBS, client.JOBS, TUNING_JOB_UID_LABEL),
    (Kind.TUNING_TRIALS, client.TUNING_TRIALS, TUNING_JOB_UID_LABEL),
    (Kind.TUNING_JOBS, client.TUNING_JOBS, ""),
)

RETRY_SECONDS = 5.0


class Relister:
    """Lists everything now and then.

    Attributes:
        last_success: when the last complete re-list ended, by the `clock` given; None before the first one.
            Liveness is the age of this: watchers can die while the process lives (kopf#996, #1145, #1276).
        listed: set once everything was listed.
    """

    def __init__(
        self,
        api: KubernetesApi,
        store: Store,
        queue: WorkQueue[Key],
        namespaces: Sequence[str],
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._store = store
        self._queue = queue
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._clock = clock
        self.last_success: float | None = None
        self.listed = asyncio.Event()

    async def run(self, interval_seconds: float) -> None:
        """Re-list for ever; a failure is tried again soon and never ends the loop."""
        while True:
            try:
                await self.relist()
                delay = interval_seconds
            except ApiError as error:
                delay = min(RETRY_SECONDS, interval_seconds)
                hint = "; are the CRDs installed? kubectl apply -f crds/" if error.not_found else ""
                logger.warning("re-list failed: %s%s", error, hint)
            except Exception:
                delay = min(RETRY_SECONDS, interval_seconds)
                logger.exception("re-list failed")
            await asyncio.sleep(delay)

    async def relist(self) -> None:
        """Replace the cache by what the API server has, and have every TuningJob looked at.

        Raises:
            ApiError: the API server refuses or can't be reached; the cache is as fresh as it could be made.
        """
        keys = self._store.known()
        for kind, resource, selector in ORDER:
            for namespace in self._namespaces:
                listed = await self._api.list(resource, namespace, label_selector=selector)
                keys |= self._store.replace(kind, listed.items, int(listed.resource_version), namespace=namespace)
        for key in keys | self._store.known():
            self._queue.add(key)
        self.last_success = self._clock()
        self.listed.set()
