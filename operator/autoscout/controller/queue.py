"""A deduplicating work queue: level-triggered, one worker a key at a time, backoff per key.

The semantics are those of client-go's `workqueue`: a key that is added while it waits is added once; a key that is
added while it is being worked on is worked on once more afterwards. So nothing that happened is missed and
nothing is done twice at the same time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0


class WorkQueue(Generic[K]):
    """Keys that need a look, soonest first."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return len(self._dirty)

    def add(self, key: K) -> None:
        """Have the key worked on as soon as a worker is free."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have the key worked on in so many seconds, or earlier if something else asks for it."""
        if key in self._dirty:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self.add, key)

    async def work(self, handle: Callable[[K], Awaitable[float | None]]) -> None:
        """Take keys for ever, one at a time; run several of these for several workers.

        Args:
            handle: works on one key and returns in how many seconds it wants to see it again, or None. An
                exception means the same key again after an exponential backoff; it never ends the worker.
        """
        while True:
            key = await self._ready.get()
            self._dirty.discard(key)
            self._working.add(key)
            try:
                again = await handle(key)
            except Exception:
                delay = self._backoff(key)
                logger.exception("work on %s failed; again in %.1f s", key, delay)
                again = delay
            else:
                self._failures.pop(key, None)
            finally:
                self._working.discard(key)
            if key in self._dirty:
                self._ready.put_nowait(key)
            elif again is not None:
                self.add_after(key, again)

    def _backoff(self, key: K) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return float(min(FIRST_BACKOFF_SECONDS * 2 ** (failures - 1), LONGEST_BACKOFF_SECONDS))
