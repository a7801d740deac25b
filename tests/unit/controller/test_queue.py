"""The work queue: nothing that happened is missed, nothing is done twice at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from autoscout.controller import queue as queues
from autoscout.controller.queue import WorkQueue


class Recorder:
    """A handler that records what it is given, and can be held up in the middle of its work."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.most_at_once = 0
        self._now = 0
        self._waiters: list[tuple[Callable[[], bool], asyncio.Event]] = []

    async def __call__(self, key: str) -> float | None:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        self.seen.append(key)
        self.started.set()
        self._tell()
        await self.go_on.wait()
        self._now -= 1
        self._tell()
        return None

    async def until(self, count: int) -> None:
        """Wait until so many pieces of work are done."""
        await self._wait(lambda: len(self.seen) >= count and self._now == 0)

    async def until_at_once(self, count: int) -> None:
        """Wait until so many are in work at the same time."""
        await self._wait(lambda: self._now == count)

    async def _wait(self, reached: Callable[[], bool]) -> None:
        event = asyncio.Event()
        self._waiters.append((reached, event))
        if not reached():
            await asyncio.wait_for(event.wait(), 60)

    def _tell(self) -> None:
        for reached, event in self._waiters:
            if reached():
                event.set()


@asynccontextmanager
async def workers(queue: WorkQueue[str], handle: Callable[..., object], count: int = 1) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(queue.work(handle)) for _ in range(count)]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_a_key_added_twice_while_it_waits_is_worked_on_once() -> None:
    queue, recorder = WorkQueue[str](), Recorder()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    async with workers(queue, recorder):
        await recorder.until(2)
    assert recorder.seen == ["a", "b"]


async def test_a_key_added_during_its_work_is_worked_on_once_more_but_never_beside_itself() -> None:
    queue, recorder = WorkQueue[str](), Recorder()
    recorder.go_on.clear()
    async with workers(queue, recorder, count=3):
        queue.add("a")
        await recorder.started.wait()
        for _ in range(5):
            queue.add("a")
        recorder.go_on.set()
        await recorder.until(2)
    assert recorder.seen == ["a", "a"]
    assert recorder.most_at_once == 1


async def test_different_keys_are_worked_on_at_the_same_time_up_to_the_number_of_workers() -> None:
    queue, recorder = WorkQueue[str](), Recorder()
    recorder.go_on.clear()
    async with workers(queue, recorder, count=2):
        for key in "abc":
            queue.add(key)
        await recorder.until_at_once(2)
        recorder.go_on.set()
        await recorder.until(3)
    assert recorder.most_at_once == 2


async def test_a_failure_brings_the_key_back_and_leaves_the_worker_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "FIRST_BACKOFF_SECONDS", 0.001)
    queue = WorkQueue[str]()
    tries: list[str] = []
    done = asyncio.Event()

    async def fails_twice(key: str) -> None:
        tries.append(key)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        done.set()

    async with workers(queue, fails_twice):
        queue.add("a")
        await asyncio.wait_for(done.wait(), 60)
    assert tries == ["a", "a", "a"]


async def test_backoff_doubles_up_to_a_limit_and_starts_over_after_a_success() -> None:
    queue = WorkQueue[str]()
    delays = [queue._backoff("a") for _ in range(10)]
    assert delays[:4] == [0.5, 1, 2, 4]
    assert delays[-1] == queues.LONGEST_BACKOFF_SECONDS
    done = asyncio.Event()

    async def succeeds(_: str) -> None:
        done.set()

    async with workers(queue, succeeds):
        queue.add("a")
        await asyncio.wait_for(done.wait(), 60)
    assert queue._backoff("a") == 0.5


async def test_of_several_delays_the_shortest_counts_and_an_event_beats_them_all() -> None:
    queue, recorder = WorkQueue[str](), Recorder()
    queue.add_after("a", 3600)
    queue.add_after("a", 0.01)
    queue.add_after("a", 7200)
    queue.add_after("b", 3600)
    queue.add("b")
    async with workers(queue, recorder):
        await recorder.until(2)
    assert sorted(recorder.seen) == ["a", "b"]
