"""One of the replicas works, the others wait: a Lease decides, and whoever loses it ends its process.

Deterministic names and preconditions are the real fence (`docs/adr/0001-ledger.md`); the Lease spares the replicas
from treading on each other's feet. The rules are those of client-go's `leaderelection`. The one in the Python client
(37.0) can't create a Lease, and a leader that was stopped past its Lease goes on for ten seconds when it wakes up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from datetime import UTC, datetime
from typing import NoReturn

from autoscout.executors.kubernetes.client import LEASES, ApiError, KubernetesApi
from autoscout.executors.kubernetes.names import Object

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
"""A Lease that was not renewed for so long is free. Each replica goes by its own clock, since it last saw it change."""
RENEW_SECONDS = 10
"""A leader that could not renew it for so long ends: before another one may begin."""
RETRY_SECONDS = 2


class Leadership:
    """The Lease of this replica.

    Args:
        namespace: where the Lease lies.
        name: of the Lease.
    """

    def __init__(self, api: KubernetesApi, namespace: str, name: str = "autoscout-operator") -> None:
        self.identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._api = api
        self._namespace = namespace
        self._name = name
        self._version = ""
        self._seen = 0.0
        self._renewed = 0.0
        self._task: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Wait until this replica holds the Lease. Losing it later ends the process at once."""
        logger.info("waiting for the lease as %s", self.identity)
        # Polled: what is awaited happens in another process.
        while not await self._try():  # noqa: ASYNC110
            await asyncio.sleep(RETRY_SECONDS)
        logger.info("leading")
        self._task = asyncio.create_task(self._keep(), name="leader-election")

    async def release(self) -> None:
        """Give the Lease back, so that another replica need not wait until it expires."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            lease = await self._api.get(LEASES, self._namespace, self._name)
            if _holder(lease) == self.identity:
                spec = lease["spec"] | {"holderIdentity": ""}
                await self._api.replace(LEASES, self._namespace, self._name, lease | {"spec": spec})
        except ApiError as error:
            logger.warning("the lease was not given back: %s", error)

    async def _keep(self) -> None:
        try:
            while True:
                await asyncio.sleep(RETRY_SECONDS)
                # Asked before anything is sent: whoever slept past its Lease must not take it for its own.
                left = self._renewed + RENEW_SECONDS - time.monotonic()
                if left <= 0:
                    _end("could not renew the lease in time")
                async with asyncio.timeout(left):
                    if not await self._try() and self._seen > self._renewed:
                        _end("lost the lease to another replica")
        except TimeoutError:
            _end("could not renew the lease in time")
        except Exception:
            logger.exception("leader election failed")
            os._exit(1)

    async def _try(self) -> bool:
        """Take or renew the Lease, if it is free or ours."""
        asked = time.monotonic()
        try:
            held = await self._take()
        except ApiError as error:
            logger.warning("lease: %s", error)
            return False
        if held:
            self._renewed = asked
        return held

    async def _take(self) -> bool:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = {"holderIdentity": self.identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        try:
            lease = await self._api.get(LEASES, self._namespace, self._name)
        except ApiError as error:
            if not error.not_found:
                raise
            metadata = {"name": self._name, "namespace": self._namespace}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            await self._api.create(LEASES, self._namespace, body | {"spec": ours | {"acquireTime": now}})
            return True
        spec = lease.get("spec") or {}
        if _holder(lease) not in ("", self.identity):
            if lease["metadata"]["resourceVersion"] != self._version:
                self._version, self._seen = lease["metadata"]["resourceVersion"], time.monotonic()
            if time.monotonic() < self._seen + (spec.get("leaseDurationSeconds") or LEASE_SECONDS):
                return False
        if _holder(lease) != self.identity:
            ours |= {"acquireTime": now, "leaseTransitions": spec.get("leaseTransitions", 0) + 1}
        # With the resource version that was read: of two replicas one gets a conflict.
        await self._api.replace(LEASES, self._namespace, self._name, {**lease, "spec": spec | ours})
        return True


def _holder(lease: Object) -> str:
    holder: str = (lease.get("spec") or {}).get("holderIdentity") or ""
    return holder


def _end(why: str) -> NoReturn:
    # Not sys.exit: nothing of ours may run a moment longer, not even a cleanup that writes.
    logger.error("%s; exiting", why)
    os._exit(1)
