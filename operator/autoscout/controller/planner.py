"""The search runs in worker processes: the event loop never waits for arithmetic."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import Any, TypeVar, TypeVarTuple

from autoscout.api import convert
from autoscout.api.errors import FieldError
from autoscout.baselines import algorithm
from autoscout.executors import admission
from autoscout.search.ledger import Ledger
from autoscout.search.plan import Plan, Situation, plan
from autoscout.search.problem import Problem

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class PlanningError(Exception):
    """The search itself failed: a defect of an optimizer. The ledger is as it was."""


class Planner:
    """A pool of worker processes that check specs and plan.

    A worker that dies (killed for memory, say) leaves a `ProcessPoolExecutor` broken for good, so the pool is
    made anew; a worker holds only caches, so nothing is lost.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._pool = self._make()

    async def check(self, document: dict[str, Any]) -> list[FieldError]:
        """Everything that is wrong with a TuningJob, as far as it can be told without running it.

        Raises:
            PlanningError: its worker process died twice.
        """
        return await self._run(_check, json.dumps(document))

    async def plan(self, document: dict[str, Any], ledger: Ledger, situation: Situation) -> Plan:
        """`search.plan.plan` for the problem of this TuningJob, which has passed `check`.

        Raises:
            PlanningError: it failed, or its worker process died twice.
        """
        return await self._run(_plan, json.dumps(document), ledger, situation)

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        try:
            return await self._run_twice(function, *arguments)
        except Exception as error:
            raise PlanningError(f"{type(error).__name__}: {error}") from error

    async def _run_twice(self, function: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        loop = asyncio.get_running_loop()
        pool = self._pool
        try:
            return await loop.run_in_executor(pool, function, *arguments)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = self._make()
            return await loop.run_in_executor(self._pool, function, *arguments)

    def _make(self) -> ProcessPoolExecutor:
        # Several workers with as many BLAS threads each would fight over the cores. The libraries read this when they
        # are loaded, which is before anything of ours runs in a worker: so it has to be there when a worker starts.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = "1"
        return ProcessPoolExecutor(
            max_workers=self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_settle_in,
        )


def _settle_in() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker holds both ends of the pipe that it reads its work from: without this it outlives a killed operator.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _check(document: str) -> list[FieldError]:
    return admission.check(json.loads(document), cluster=True)


def _plan(document: str, ledger: Ledger, situation: Situation) -> Plan:
    problem = _problem(document)
    return plan(problem, ledger, situation, algorithm(problem.algorithm))


@lru_cache(maxsize=64)
def _problem(document: str) -> Problem:
    return convert.problem(convert.job(json.loads(document)))
