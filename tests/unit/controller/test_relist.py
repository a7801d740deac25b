"""The re-list against a server that answers as it is told: only HTTP is at stake; the rest is tested on a real one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.unit.kubernetes_executor.server import Server, api, server, status

from autoscout.controller.queue import WorkQueue
from autoscout.controller.relist import Relister
from autoscout.controller.store import Key, Kind, Store
from autoscout.executors.kubernetes.client import ApiError, KubernetesApi

__all__ = ["api", "server"]

JOB = {"metadata": {"namespace": "team", "name": "tune", "uid": "u1", "resourceVersion": "5"}}
NOT_THERE = status(404, "NotFound", "the server could not find the requested resource")


def listing(*items: dict[str, Any], version: int = 10) -> tuple[int, Any]:
    return 200, {"kind": "List", "metadata": {"resourceVersion": str(version)}, "items": list(items)}


class Clock:
    """Moves when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(relister: Relister, interval: float = 3600) -> AsyncIterator[None]:
    task = asyncio.create_task(relister.run(interval))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_everything_is_listed_what_was_made_last_first(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [listing(), listing(), listing(), listing(JOB)]
    store, queue, clock = Store(), WorkQueue[Key](), Clock()
    relister = Relister(api, store, queue, (), clock)
    assert relister.last_success is None
    await relister.relist()
    asked = [path.partition("?")[0].rpartition("/")[2] for _, path, _, _ in server[0].requests]
    assert asked == ["pods", "jobs", "tuningtrials", "tuningjobs"]
    assert store.known() == {Key("team", "tune")}
    assert len(queue) == 1
    assert relister.last_success == 100.0
    assert relister.listed.is_set()


async def test_each_served_namespace_is_listed_and_no_other(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [listing() for _ in range(8)]
    await Relister(api, Store(), WorkQueue[Key](), ("blue", "green"), Clock()).relist()
    assert {path.split("/namespaces/")[1].split("/")[0] for _, path, _, _ in server[0].requests} == {"blue", "green"}


async def test_a_job_that_vanished_unseen_is_looked_at(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [listing() for _ in range(4)]
    store, queue = Store(), WorkQueue[Key]()
    store.apply(Kind.TUNING_JOBS, {"metadata": dict(JOB["metadata"])})
    await Relister(api, store, queue, (), Clock()).relist()
    assert store.job(Key("team", "tune")) is None
    assert len(queue) == 1


async def test_a_failed_list_is_no_success(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [listing(), status(403, "Forbidden", "not allowed")]
    relister = Relister(api, Store(), WorkQueue[Key](), (), Clock())
    with pytest.raises(ApiError, match="not allowed"):
        await relister.relist()
    assert relister.last_success is None
    assert not relister.listed.is_set()


async def test_missing_crds_are_named_and_waited_for(
    server: tuple[Server, str], api: KubernetesApi, caplog: pytest.LogCaptureFixture
) -> None:
    server[0].answers = [listing(), listing(), NOT_THERE, listing(), listing(), listing(), listing(JOB)]
    relister = Relister(api, Store(), WorkQueue[Key](), (), Clock())
    with caplog.at_level(logging.WARNING):
        async with running(relister, interval=0.01):
            await asyncio.wait_for(relister.listed.wait(), 60)
    assert "are the CRDs installed? kubectl apply -f crds/" in caplog.text


async def test_an_answer_that_makes_no_sense_does_not_end_the_loop(
    server: tuple[Server, str], api: KubernetesApi, caplog: pytest.LogCaptureFixture
) -> None:
    def html(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>a proxy's login page</html>")

    server[0].answers = [html, (200, {}), listing(), listing(), listing(), listing(JOB)]
    relister = Relister(api, Store(), WorkQueue[Key](), (), Clock())
    with caplog.at_level(logging.ERROR):
        async with running(relister, interval=0.01):
            await asyncio.wait_for(relister.listed.wait(), 60)
    assert caplog.text.count("re-list failed") == 2
