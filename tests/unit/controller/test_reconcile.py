"""A reconcile: what takes long keeps neither the Lease nor the probes waiting; a conflict is looked into."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.support.launches import CUSTOM

from autoscout.api.convert import budget, job, problem
from autoscout.controller import reconcile, results
from autoscout.controller.planner import Planner
from autoscout.controller.reconcile import Reconciler
from autoscout.controller.session import Session
from autoscout.controller.store import Key, Kind, Store
from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import ApiError, KubernetesApi, ObjectList
from autoscout.executors.kubernetes.manifests import job_manifest
from autoscout.search.ledger import Ledger, Trial
from autoscout.search.plan import Phase, Plan, Verdict

PATIENCE_SECONDS = 5.0
DONE = Verdict(Phase.COMPLETE, "MaxProfiles", "done")
ITEM: dict[str, Any] = {
    **CUSTOM.document,
    "metadata": {"name": "llama", "namespace": "team", "uid": "u1", "generation": 1, "resourceVersion": "1"},
}


class Api:
    """Takes every write."""

    def __init__(self) -> None:
        self.written: list[tuple[str, dict[str, Any]]] = []

    async def create(self, _resource: object, _namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        self.written.append((body["kind"], body))
        return body

    async def replace(
        self, _resource: object, _namespace: str, _name: str, body: dict[str, Any], **_: object
    ) -> dict[str, Any]:
        self.written.append((body["kind"], body))
        return body


class Planned:
    """Finds nothing wrong, and plans as it is told."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan = plan or Plan(DONE)

    async def check(self, _document: object) -> list[object]:
        return []

    async def plan(self, *_: object) -> Plan:
        return self._plan


class Newer(Api):
    """Has a newer version of one Job than the cache, and refuses what is written to the older one."""

    def __init__(self, newer: dict[str, Any]) -> None:
        super().__init__()
        self._newer = newer

    async def get(self, *_: object) -> dict[str, Any]:
        return ITEM

    async def list(self, resource: object, *_: object, **__: object) -> ObjectList:
        return ObjectList([self._newer] if resource is client.JOBS else [], "9")

    async def merge_patch(self, *_: object) -> dict[str, Any]:
        raise ApiError(409, "Conflict", "the object has been modified")


async def test_after_a_conflict_the_next_look_sees_the_jobs_as_they_are() -> None:
    tuning_job = job(ITEM)
    trial = Trial(0, problem(tuning_job).space.default(), "default")
    made = job_manifest(tuning_job, "u1", trial, 0)
    # Somebody took the finalizer away, and wrote the Job once more since.
    old, new = (
        {**made, "metadata": {**made["metadata"], "uid": "j1", "resourceVersion": version, "finalizers": []}}
        for version in ("3", "4")
    )
    store = Store()
    store.apply(Kind.TUNING_JOBS, ITEM)
    store.apply(Kind.JOBS, old)
    planned = Planned(Plan(Verdict(Phase.SEARCHING, "Profiling", "1 in flight"), ensure=((trial, 0),)))
    reconciler = Reconciler(cast("KubernetesApi", Newer(new)), store, cast("Planner", planned), lambda: 1e9)
    assert await reconciler.reconcile(Key("team", "llama")) == 0.0
    assert [each["metadata"]["resourceVersion"] for each in store.jobs("u1")] == ["4"]


def needs_the_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which goes on only once the event loop has answered it."""
    loop, answered = asyncio.get_running_loop(), threading.Event()

    def waiting(*arguments: Any, **options: Any) -> Any:
        loop.call_soon_threadsafe(answered.set)
        assert answered.wait(PATIENCE_SECONDS), "the event loop was kept waiting"
        return function(*arguments, **options)

    return waiting


async def test_the_event_loop_goes_on_while_the_status_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile.statuses, "searching", needs_the_loop(reconcile.statuses.searching))
    store, api = Store(), Api()
    store.apply(Kind.TUNING_JOBS, ITEM)
    reconciler = Reconciler(cast("KubernetesApi", api), store, cast("Planner", Planned()), lambda: 1e9)
    assert await reconciler.reconcile(Key("team", "llama")) is None
    assert [kind for kind, _ in api.written] == ["ConfigMap", "TuningJob"]
    assert api.written[1][1]["status"]["phase"] == "Complete"


async def test_the_event_loop_goes_on_while_the_result_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "html", needs_the_loop(results.html))
    tuning_job, api = job(ITEM), Api()
    session = Session(tuning_job, "u1", 1, ITEM, problem(tuning_job), budget(tuning_job))
    await results.publish(cast("KubernetesApi", api), session, Ledger(), DONE, namespace="team", seconds=1.0)
    assert [kind for kind, _ in api.written] == ["ConfigMap"]
