"""The worker processes of the search: they may die or fail, and nobody waits for them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.invalid_manifests import base

from autoscout.api import convert
from autoscout.controller.planner import Planner, PlanningError
from autoscout.search.ledger import Ledger
from autoscout.search.plan import Phase, Situation

DOCUMENT: dict[str, Any] = base()
SITUATION = Situation(convert.budget(convert.job(DOCUMENT)))


@pytest.fixture(scope="module")
def planner() -> AsyncIterator[Planner]:
    planner = Planner()
    yield planner
    planner.close()


def workers() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


async def test_it_plans_and_checks_in_another_process(planner: Planner) -> None:
    assert await planner.check(DOCUMENT) == []
    (error,) = await planner.check({**DOCUMENT, "spec": {**DOCUMENT["spec"], "search": {"algorithm": "magic"}}})
    assert error.field == "spec.search.algorithm"
    decision = await planner.plan(DOCUMENT, Ledger(), SITUATION)
    assert decision.verdict.phase is Phase.SEARCHING
    assert decision.append[0].proposer == "default"


async def test_a_killed_worker_is_replaced_and_the_plan_still_comes(planner: Planner) -> None:
    expected = await planner.plan(DOCUMENT, Ledger(), SITUATION)
    (worker,) = workers()
    os.kill(worker, signal.SIGKILL)
    assert await planner.plan(DOCUMENT, Ledger(), SITUATION) == expected
    assert worker not in workers()


async def test_a_worker_killed_in_the_middle_of_its_work_is_replaced_too(planner: Planner) -> None:
    await planner.check(DOCUMENT)
    (worker,) = workers()
    asked = asyncio.gather(*(planner.plan(DOCUMENT, Ledger(), SITUATION) for _ in range(20)))
    await asyncio.sleep(0)
    os.kill(worker, signal.SIGKILL)
    assert [len(decision.append) for decision in await asked] == [SITUATION.budget.parallelism] * 20


async def test_an_optimizer_that_raises_is_a_planning_error_with_its_words(planner: Planner) -> None:
    unknown = {**DOCUMENT, "spec": {**DOCUMENT["spec"], "search": {"algorithm": "magic"}}}
    with pytest.raises(PlanningError, match=r"KeyError: .*magic.* is not known"):
        await planner.plan(unknown, Ledger(), SITUATION)
    assert await planner.check(DOCUMENT) == []


async def test_the_event_loop_does_not_wait_for_the_search(planner: Planner) -> None:
    await planner.check(DOCUMENT)
    asked = asyncio.gather(*(planner.plan(DOCUMENT, Ledger(), SITUATION) for _ in range(50)))
    turns = 0
    while not asked.done():
        await asyncio.sleep(0)
        turns += 1
    await asked
    assert turns > 50, "the loop turned while the worker searched"


def test_the_workers_end_with_the_operator_even_if_it_is_killed() -> None:
    program = """
import asyncio, multiprocessing, os, signal
from autoscout.controller.planner import Planner

async def main():
    await Planner().check({})
    (worker,) = multiprocessing.active_children()
    print(worker.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as operator:
        # The worker inherits the standard output: its end is the end of both.
        out, _ = operator.communicate(timeout=120)
    assert operator.returncode == -signal.SIGKILL
    assert int(out) > 0
