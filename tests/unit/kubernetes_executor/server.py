"""A server that answers as it is told, and a client of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import KubernetesApi

Answer = tuple[int, Any] | Callable[[web.Request], web.StreamResponse]


@dataclass
class Server:
    """Gives its answers in order, and remembers what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[str, str, Any, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        content_type = request.headers.get("Content-Type", "")
        self.requests.append((request.method, request.path_qs, json.loads(body) if body else None, content_type))
        answer = self.answers.pop(0)
        if not isinstance(answer, tuple):
            return answer(request)
        return web.json_response(answer[1], status=answer[0])


def status(code: int, reason: str, message: str, **details: Any) -> tuple[int, Any]:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return code, body | {"details": details}


def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]
    yield server, f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def api(
    server: tuple[Server, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesApi]:
    monkeypatch.setattr(client, "FIRST_BACKOFF_SECONDS", 0.001)
    path = tmp_path / "kubeconfig"
    named = {"name": "test"}
    config = {
        "clusters": [named | {"cluster": {"server": server[1]}}],
        "users": [named | {"user": {"token": "secret"}}],
        "contexts": [named | {"context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(yaml.safe_dump(config))
    async with await KubernetesApi.connect(str(path)) as api:
        yield api
