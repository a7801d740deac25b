"""HTTP for probes and for Prometheus: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


class Health:
    """Answers the kubelet and Prometheus.

    Args:
        age: seconds since the last complete re-list; None before the first one.
        limit_seconds: an older re-list than that means that the operator is blind: it reports itself dead.
        ready: whether this replica works or stands by (both are ready) rather than still starts.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        age: Callable[[], float | None],
        limit_seconds: float,
        ready: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._age = age
        self._limit = limit_seconds
        self._ready = ready
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the address can't be used.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        age = self._age()
        if age is not None and age > self._limit:
            return web.Response(status=503, text=f"the last re-list is {age:.0f} s old (limit {self._limit:.0f} s)\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self._ready() else web.Response(status=503, text="starting\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
