"""A world to search in without processes: what runs survives the searcher, as processes and pods do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autoscout.cli.ledger_file import LedgerFile, spec_hash
from autoscout.cli.ledger_lines import Header
from autoscout.cli.loop import Search, Task
from autoscout.cli.progress import Quiet
from autoscout.executors.protocol import AttemptId, Ended, ExecutorError, Observation, Running
from autoscout.search.ledger import Ledger, Trial
from autoscout.search.optimizer import Proposal
from autoscout.search.outcome import Lost, Measured, Outcome
from autoscout.search.plan import Verdict
from autoscout.search.problem import Budget, Objective, Problem
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

SPACE = SearchSpace((Parameter("n", Kind.EXECUTION, tuple(range(20)), 5),))
PROBLEM = Problem(SPACE, (Objective("seconds"),))
JOB = {"metadata": {"name": "example"}, "spec": {"search": {"seed": 0}}}


class InOrder:
    """Proposes what is not there yet, smallest first."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        fresh = [each for each in problem.space.enumerate() if each.fingerprint not in history.fingerprints]
        return [Proposal(each, "in-order") for each in fresh[:count]]


def measures_itself(trial: Trial, attempt: int) -> Outcome:
    return Measured({"seconds": float(trial.configuration["n"]) + 1})


class Crash(Exception):  # noqa: N818 - it is no error but a power cut
    """The searcher is gone; the world goes on."""


@dataclass
class World:
    """An executor whose attempts end at the second look.

    Attributes:
        calls: every call in order, as (name, identity).
        runs: how often each attempt was really started.
        crash_at: number of the call after which the searcher is gone.
        reports: by trial, what its attempts report of `seconds`; they go on until they are stopped early.
    """

    outcome: Callable[[Trial, int], Outcome] = measures_itself
    refuse: bool = False
    crash_at: int | None = None
    reports: Mapping[int, Sequence[float]] = field(default_factory=dict)
    calls: list[tuple[str, AttemptId | None]] = field(default_factory=list)
    runs: Counter[AttemptId] = field(default_factory=Counter)
    _trials: dict[AttemptId, Trial] = field(default_factory=dict)
    _ends: dict[AttemptId, Outcome] = field(default_factory=dict)
    _seen: set[AttemptId] = field(default_factory=set)
    _early: set[AttemptId] = field(default_factory=set)

    async def ensure(self, trial: Trial, attempt: int) -> None:
        identity = AttemptId(trial.number, attempt)
        if self.refuse:
            raise ExecutorError("NoSuchProgram", "there is no program `bench` on the PATH")
        if identity not in self._trials:
            self._trials[identity] = trial
            self.runs[identity] += 1
        self._called("ensure", identity)

    async def observe(self) -> Sequence[Observation]:
        shown = []
        for identity, trial in sorted(self._trials.items()):
            goes_on = identity.number in self.reports and identity not in self._early
            if identity in self._seen and identity not in self._ends and not goes_on:
                self._ends[identity] = self.outcome(trial, identity.attempt)
            self._seen.add(identity)
            end = self._ends.get(identity)
            reports = tuple({"seconds": value} for value in self.reports.get(identity.number, ()))
            early = identity in self._early
            runs = Running(since=0.0, reports=reports)
            state = runs if end is None else Ended(end, seconds=2.0, gpus=1, stopped_early=early)
            shown.append(Observation(identity, state))
        self._called("observe", None)
        return shown

    async def cancel(self, identity: AttemptId) -> None:
        self._ends.setdefault(identity, Lost("Cancelled"))
        self._called("cancel", identity)

    async def stop_early(self, identity: AttemptId) -> None:
        self._early.add(identity)
        self._called("stop_early", identity)

    async def release(self, identity: AttemptId) -> None:
        self._trials.pop(identity, None)
        self._ends.pop(identity, None)
        self._called("release", identity)

    def _called(self, name: str, identity: AttemptId | None) -> None:
        self.calls.append((name, identity))
        if self.crash_at is not None and len(self.calls) == self.crash_at:
            self.crash_at = None
            raise Crash


def search(
    directory: Path,
    world: World,
    *,
    budget: Budget,
    stop: asyncio.Event | None = None,
    attempts: int = 2,
    problem: Problem = PROBLEM,
    stop_early: bool = True,
) -> Verdict:
    """One run of the search on the ledger in the directory, a new one if there is none."""
    header = Header("1", 0, spec_hash(JOB), JOB)
    task = Task("example", problem, budget, InOrder(), gpus=1, max_attempts=attempts, stop_early=stop_early)

    async def run() -> Verdict:
        opened = LedgerFile.resume if (directory / "ledger.jsonl").exists() else LedgerFile.create
        with opened(directory, header) as ledger:
            return await Search(
                task, world, ledger, Quiet(), stop=stop or asyncio.Event(), changed=lambda: asyncio.sleep(0)
            ).run()

    return asyncio.run(run())
