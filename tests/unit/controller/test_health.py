"""Probes: alive as long as the operator sees the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from autoscout.controller.health import Health

LIMIT = 600.0


@asynccontextmanager
async def listening(
    age: Callable[[], float | None], *, ready: bool = True, registry: CollectorRegistry | None = None
) -> AsyncIterator[Callable[[str], object]]:
    health = Health(registry or CollectorRegistry(), age=age, limit_seconds=LIMIT, ready=lambda: ready)
    await health.start("127.0.0.1", 0)
    assert health._runner is not None
    port = health._runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def get(path: str) -> tuple[int, str]:
                async with session.get(path) as answer:
                    return answer.status, await answer.text()

            yield get
    finally:
        await health.stop()


@pytest.mark.parametrize(("age", "expected"), [(None, 200), (0.0, 200), (LIMIT, 200), (LIMIT + 1, 503)])
async def test_it_is_dead_when_the_last_relist_is_too_old(age: float | None, expected: int) -> None:
    async with listening(lambda: age) as get:
        code, words = await get("/healthz")
    assert code == expected
    if expected == 503:
        assert words == "the last re-list is 601 s old (limit 600 s)\n"


@pytest.mark.parametrize(("ready", "expected"), [(True, 200), (False, 503)])
async def test_it_is_ready_when_it_works_or_stands_by(expected: int, *, ready: bool) -> None:
    async with listening(lambda: None, ready=ready) as get:
        assert (await get("/readyz"))[0] == expected


async def test_the_metrics_are_those_of_the_registry() -> None:
    registry = CollectorRegistry()
    Counter("autoscout_things", "Things", registry=registry).inc(3)
    async with listening(lambda: None, registry=registry) as get:
        code, text = await get("/metrics")
    assert code == 200
    assert "autoscout_things_total 3.0" in text


async def test_a_stopped_server_frees_its_port() -> None:
    async with listening(lambda: None) as get:
        pass
    with pytest.raises((aiohttp.ClientError, RuntimeError)):
        await get("/healthz")
