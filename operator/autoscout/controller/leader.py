"""One of the replicas works, the others wait: a Lease decides, and whoever loses it ends its process.

Deterministic names and preconditions are the real fence (`docs/adr/0001-ledger.md`); the Lease spares the replicas
from treading on each other's feet.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException
from kubernetes.aio.leaderelection import electionconfig, leaderelection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
RENEW_SECONDS = 10
RETRY_SECONDS = 2

_UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError)


class _PatientLeaseLock(LeaseLock):
    """A lock whose reads survive a connection that breaks: to the election it is a failed try, not the end."""

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        try:
            result: tuple[bool, Any] = await super().get(name, namespace)
        except _UNREACHABLE as error:
            return False, ApiException(status=0, reason=str(error))
        return result

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        try:
            return bool(await super().create(name, namespace, election_record))
        except _UNREACHABLE:
            return False

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        try:
            return bool(await super().update(name, namespace, updated_record))
        except _UNREACHABLE:
            return False


class Leadership:
    """The Lease of this replica.

    Args:
        client: of the official package.
        namespace: where the Lease lies.
        name: of the Lease.
    """

    def __init__(self, client: ApiClient, namespace: str, name: str = "autoscout-operator") -> None:
        self.identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._won = asyncio.Event()
        lock = _PatientLeaseLock(name, namespace, self.identity, client)
        self._election = leaderelection.LeaderElection(
            electionconfig.Config(lock, LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, self._lead, self._lost)
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def leading(self) -> bool:
        return self._won.is_set()

    async def acquire(self) -> None:
        """Wait until this replica holds the Lease. Losing it later ends the process at once."""
        self._task = asyncio.create_task(self._run(), name="leader-election")
        logger.info("waiting for the lease as %s", self.identity)
        await self._won.wait()
        logger.info("leading")

    async def _run(self) -> None:
        try:
            await self._election.run()
        except Exception:
            logger.exception("leader election failed")
        # Not sys.exit: nothing of ours may run a moment longer, not even a cleanup that writes.
        os._exit(1)

    async def _lead(self) -> None:
        self._won.set()

    async def _lost(self) -> None:
        logger.error("lost the lease; exiting")
