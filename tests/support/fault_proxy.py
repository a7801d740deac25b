"""A proxy before a real API server that can cut the operator off at exactly one write."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PATIENCE_SECONDS = 120
"""Longest time for its own start and end."""
STRIKES = 2
"""How often one method on one path is struck; a TuningJob's status, for one, is written again and again."""
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host"})


class Cut(Enum):
    """When the blow falls."""

    BEFORE = "before the write reaches the API server"
    AFTER = "after the write was applied, before its reply arrives"


@dataclass
class Blow:
    """At the next write that was not struck often enough, `strike` is called; the request is never answered."""

    cut: Cut
    strike: Callable[[], None]


class FaultProxy:
    """Forwards requests and watches to the API server of a kubeconfig, with that kubeconfig's credentials.

    It runs in a thread of its own, on loopback, without TLS towards the operator.
    """

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        config: Any = yaml.safe_load(kubeconfig.read_text())
        self._cluster = config["clusters"][0]["cluster"]
        self._token = config["users"][0]["user"]["token"]
        self.kubeconfig = directory / "proxied-kubeconfig"
        self.struck: Counter[str] = Counter()
        self._blow: Blow | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(PATIENCE_SECONDS)
        cluster = {"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        context = {"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "contexts": [context],
            "current-context": "proxy",
            "users": [{"name": "nobody", "user": {}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()
        # Connections that were cut on purpose complain when they are collected: here, and not in a later test.
        gc.collect()

    def arm(self, blow: Blow) -> None:
        """Have the blow fall once."""
        self._blow = blow

    async def _start(self) -> int:
        trust = ssl.create_default_context(cadata=_certificate(self._cluster))
        connector = aiohttp.TCPConnector(ssl=trust, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return port

    async def _stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()
        # Watches whose reader is dead would go on for ever.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        strikes = request.method in WRITES and self._counts(f"{request.method} {request.path}")
        if strikes is Cut.BEFORE:
            return await self._strike()
        assert self._session is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        headers["Authorization"] = f"Bearer {self._token}"
        url = f"{self._cluster['server']}{request.raw_path}"
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            if strikes is Cut.AFTER:
                await answer.read()
                return await self._strike()
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP}
            if encoding := answer.headers.get("Content-Encoding"):
                kept["Content-Encoding"] = encoding
            response = web.StreamResponse(status=answer.status, headers=kept)
            with contextlib.suppress(ConnectionError):  # the operator was killed while it watched
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response

    def _counts(self, what: str) -> Cut | None:
        # A write that is repeated for ever, as it has to be, must get through in the end.
        if self._blow is None or self.struck[what] >= STRIKES:
            return None
        self.struck[what] += 1
        return self._blow.cut

    async def _strike(self) -> web.StreamResponse:
        blow, self._blow = self._blow, None
        assert blow is not None
        await asyncio.to_thread(blow.strike)
        return web.Response(status=502, text="nobody is left to read this")


def _certificate(cluster: Any) -> str:
    if "certificate-authority-data" in cluster:
        return base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Path(cluster["certificate-authority"]).read_text()
