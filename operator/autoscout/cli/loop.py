"""The loop of docs/architecture.md with a ledger file: observe, settle, plan, commit, apply, show."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoscout.cli.ledger_file import LedgerFile
from autoscout.executors.protocol import AttemptId, Ended, Executor, ExecutorError, Observation, Running, reports_of
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import Optimizer
from autoscout.search.plan import Phase, Plan, Situation, Verdict, plan
from autoscout.search.problem import Budget, Problem
from autoscout.search.settle import give_up, settle

LOOK_SECONDS = 0.5
"""Longest time between two looks at what runs: for the clock on the display and the limits in time."""

INTERRUPTED = "Interrupted"
"""Reason of the verdict of a search that was stopped by a signal."""


@dataclass(frozen=True)
class Task:
    """What is searched, and with what.

    Attributes:
        gpus: that one profile holds.
        max_attempts: runs of one trial before it is given up as lost.
        stop_early: whether a profile is stopped once it can no longer win.
    """

    name: str
    problem: Problem
    budget: Budget
    optimizer: Optimizer
    gpus: int
    max_attempts: int
    stop_early: bool = True


@dataclass(frozen=True)
class Snapshot:
    """What a watcher may show.

    Attributes:
        observations: what is in flight.
        elapsed: wall time of the search so far in seconds, pauses between runs excluded.
        now: seconds since the epoch, to compare with the observations.
    """

    task: Task
    ledger: Ledger
    observations: Sequence[Observation]
    elapsed: float
    now: float
    verdict: Verdict


class Watcher(Protocol):
    """Shows how the search goes."""

    def started(self, trial: Trial, attempt: int) -> None:
        """An attempt begins now."""

    def ended(self, task: Task, entry: Entry, ledger: Ledger) -> None:
        """The last attempt of this entry ended and was committed."""

    def look(self, snapshot: Snapshot) -> None:
        """Called at every turn."""


class Search:
    """One run of the search. It may be cut off at any point and go on from the ledger.

    Args:
        stop: set to end early: what runs is cancelled, and the search can go on later.
        changed: waits for something new to observe, however long that takes.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        task: Task,
        executor: Executor,
        ledger: LedgerFile,
        watcher: Watcher,
        *,
        stop: asyncio.Event,
        changed: Callable[[], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task = task
        self._executor = executor
        self._file = ledger
        self._watcher = watcher
        self._stop = stop
        self._changed = changed
        self._clock = clock
        self._began = clock() - ledger.state.elapsed
        self._refused: ExecutorError | None = None

    @property
    def elapsed(self) -> float:
        """Wall time of the search in seconds, that of earlier runs included."""
        return self._clock() - self._began

    async def run(self) -> Verdict:
        """Search until the budget is used up, nothing is left to measure, or `stop` is set; the last verdict."""
        while True:
            running = await self._settle(await self._executor.observe())
            decided = plan(self._task.problem, self._ledger, self._situation(running), self._task.optimizer)
            verdict = decided.verdict
            self._watcher.look(Snapshot(self._task, self._ledger, running, self.elapsed, time.time(), verdict))
            if verdict.phase in (Phase.COMPLETE, Phase.FAILED) or (verdict.phase is Phase.SUSPENDED and not running):
                verdict = self._last_word(verdict)
                self._file.close_with(verdict, self.elapsed)
                return verdict
            if not await self._carry_out(decided, {each.id for each in running}):
                await self._pause()

    @property
    def _ledger(self) -> Ledger:
        return self._file.state.ledger

    async def _settle(self, observations: Sequence[Observation]) -> list[Observation]:
        """Commit what ended, let go of it, and return what is still in flight."""
        running = []
        for each in observations:
            if not isinstance(each.state, Ended):
                running.append(each)
                continue
            entry = self._due(each.id)
            if entry is not None:
                after = settle(
                    entry,
                    each.state.result,
                    seconds=each.state.seconds,
                    gpus=each.state.gpus,
                    max_attempts=self._task.max_attempts,
                    position=self._ledger.next_position,
                    stopped_early=each.state.stopped_early,
                )
                self._file.commit(entry, after, self.elapsed)
                self._watcher.ended(self._task, after, self._ledger)
            # Else a crash came between the commit and this line: it is in the ledger.
            await self._executor.release(each.id)
        return running

    def _due(self, identity: AttemptId) -> Entry | None:
        """The entry that waits for the end of this attempt, if it is not in the ledger already."""
        for entry in self._ledger.pending:
            if entry.trial.number == identity.number and len(entry.attempts) == identity.attempt:
                return entry
        return None

    def _situation(self, running: Sequence[Observation]) -> Situation:
        now = time.time()
        seconds = sum(max(0.0, now - each.state.since) for each in running if isinstance(each.state, Running))
        return Situation(
            budget=self._task.budget,
            suspended=self._stop.is_set() or self._refused is not None,
            in_flight=frozenset((each.id.number, each.id.attempt) for each in running),
            elapsed_seconds=self.elapsed,
            running_gpu_hours=seconds * self._task.gpus / 3600,
            reports=reports_of(running, self._task.problem.objectives[0].metric) if self._task.stop_early else {},
        )

    async def _carry_out(self, decided: Plan, running: set[AttemptId]) -> bool:
        """Do what was decided; whether it changed the ledger or what runs, so that another turn is due at once."""
        if decided.give_up is not None:
            for entry in self._ledger.pending:
                if entry.trial.number in decided.give_up.numbers:
                    after = give_up(
                        entry,
                        reason=decided.give_up.reason,
                        message=decided.give_up.message,
                        position=self._ledger.next_position,
                    )
                    self._file.commit(entry, after, self.elapsed)
                    self._watcher.ended(self._task, after, self._ledger)
            return True
        if decided.append:
            self._file.append(decided.append, self.elapsed)
        for trial, attempt in decided.ensure:
            identity = AttemptId(trial.number, attempt)
            if identity not in running:
                self._watcher.started(trial, attempt)
            try:
                await self._executor.ensure(trial, attempt)
            except ExecutorError as error:
                self._refused = error
                return True
        for number, attempt in decided.cancel:
            await self._executor.cancel(AttemptId(number, attempt))
        for number, attempt in decided.stop_early:
            await self._executor.stop_early(AttemptId(number, attempt))
        return False

    def _last_word(self, verdict: Verdict) -> Verdict:
        if self._refused is not None:
            return Verdict(Phase.FAILED, self._refused.reason, str(self._refused))
        if verdict.phase is Phase.SUSPENDED:
            done = f"{self._ledger.profiled} of {self._task.budget.max_profiles} profiles done"
            return Verdict(Phase.SUSPENDED, INTERRUPTED, f"stopped by a signal, {done}; the ledger is kept")
        return verdict

    async def _pause(self) -> None:
        """Until there is something new, the search is to stop, or it is time to look anyway."""
        waits = {asyncio.ensure_future(self._changed())}
        if not self._stop.is_set():
            waits.add(asyncio.ensure_future(self._stop.wait()))
        try:
            done, _ = await asyncio.wait(waits, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        for each in done:
            each.result()
