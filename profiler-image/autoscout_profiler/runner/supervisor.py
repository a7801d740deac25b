"""Starts the processes of one node, watches them, ends them, and says what became of the trial.

Only the supervisor writes to the log: what the processes print is passed on line by line, and the frames of rank 0 come
through a pipe of their own, so that nothing tears them. A trial has one error frame, whatever number of ranks failed.
"""

from __future__ import annotations

import os
import queue
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoscout_profiler.errors import Reason
from autoscout_profiler.frames import Error, Result
from autoscout_profiler.reporter import Reporter
from autoscout_profiler.runner.failures import Failure, verdict
from autoscout_profiler.runner.launch import Place, Process, Trial
from autoscout_profiler.runner.memory import OutOfMemoryWatch
from autoscout_profiler.runner.processes import Event, Exited, Reported, RunningProcess, Sink, Stop, standard_sink
from autoscout_profiler.scanner import Scanner
from autoscout_profiler.signals import relayed

STARTUP_VARIABLE = "PROFILER_STARTUP_SECONDS"
HANG_VARIABLE = "PROFILER_HANG_SECONDS"
_SECONDS_BETWEEN_LOOKS = 0.05
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Limits:
    """How long the supervisor waits, each in seconds.

    Attributes:
        startup: for the first sign of progress.
        hang: for the next one.
        teardown: for the end of the processes once the result is there.
        settle: for the failures of the other ranks once one has failed.
        peers: before a node that only lost its peers speaks up; the node that knows the cause comes first.
        stop: for the last words of an early stop.
        stack: for a process that hangs to write down where it is.
    """

    startup: float = 1800.0
    hang: float = 300.0
    teardown: float = 60.0
    settle: float = 2.0
    peers: float = 5.0
    stop: float = 3.5
    stack: float = 3.0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Limits:
        """The defaults, but for what the environment says.

        Raises:
            ValueError: a variable holds no number.
        """
        limits = cls()
        for field, variable in (("startup", STARTUP_VARIABLE), ("hang", HANG_VARIABLE)):
            if variable in environment:
                try:
                    limits = replace(limits, **{field: float(environment[variable])})
                except ValueError as error:
                    raise ValueError(f"{variable}: {environment[variable]!r} is no number of seconds") from error
        return limits


class Supervisor:
    """Runs the processes of one node once."""

    def __init__(
        self,
        trial: Trial,
        place: Place,
        limits: Limits,
        *,
        memory: OutOfMemoryWatch | None = None,
        sink: Sink | None = None,
    ) -> None:
        self._trial = trial
        self._place = place
        self._limits = limits
        self._memory = memory or OutOfMemoryWatch()
        self._sink = sink or standard_sink()
        self._environment = {**os.environ, **trial.environment}
        first = Reporter(self._environment)
        self._scanner = Scanner(first.trial, first.attempt)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._processes: list[RunningProcess] = []
        self._started = time.time()
        self._begin = time.monotonic()
        self._first_progress_at: float | None = None
        self._progress_at: float | None = None
        self._result_at: float | None = None
        self._stop_asked = False

    def run(self, processes: Sequence[Process]) -> int:
        """Run them to their end.

        Returns:
            The exit code: 0 with a result (on other nodes than the first: if all went well), 1 with an error frame,
            128 + n if the trial was stopped by signal n before there was a result.
        """
        with relayed(_SIGNALS, lambda number: self._events.put(Stop(number))):
            with tempfile.TemporaryDirectory(prefix="autoscout-", ignore_cleanup_errors=True) as directory:
                try:
                    code = self._run(processes, Path(directory))
                finally:
                    for running in self._processes:
                        running.kill()
            self._say_times()
        return code

    def _run(self, processes: Sequence[Process], directory: Path) -> int:
        try:
            self._start(processes, directory)
        except OSError as error:
            return self._report(Error(Reason.FRAMEWORK_ERROR, f"{processes[0].command[0]}: {error.strerror}"))
        end = self._watch()
        match end:
            case Stop(number):
                return self._stop(number)
            case Exited():
                self._gather(self._limits.settle)
            case Error():
                end = replace(end, message=f"{end.message}{self._stacks()}")
        for running in self._processes:
            running.kill()
        self._gather(self._limits.settle)
        for running in self._processes:
            running.drain(self._limits.settle)
        self._note_the_rest()
        return self._judge(end if isinstance(end, Error) else None)

    def _start(self, processes: Sequence[Process], directory: Path) -> None:
        for process in processes:
            running = RunningProcess(
                process,
                directory,
                sink=self._sink,
                scanner=self._scanner if process.rank == 0 else None,
                notify=self._events.put,
                started=self._started,
                label=f"[rank {process.rank}] " if len(processes) > 1 else "",
            )
            self._processes.append(running)

    def _watch(self) -> Stop | Exited | Error | None:
        """Until the trial is to be stopped, a process failed, nothing moved for too long, or all ended (None)."""
        while any(running.code is None for running in self._processes):
            deadline, too_long = self._deadline()
            try:
                event = self._events.get(timeout=deadline and max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return too_long
            match event:
                case Stop():
                    return event
                case Exited(_, code) if code != 0:
                    return event
                case Reported(frame):
                    self._note(frame.body)
        return None

    def _note(self, body: object) -> None:
        now = time.monotonic()
        if isinstance(body, Result):
            self._result_at = now
        self._progress_at = now
        self._first_progress_at = now if self._first_progress_at is None else self._first_progress_at

    def _deadline(self) -> tuple[float | None, Error | None]:
        """When the patience ends, by the monotonic clock, and what to say then; None: there is nothing to say."""
        limits = self._limits
        if self._place.node_rank > 0:
            return None, None  # rank 0 is not here: its node watches
        if self._result_at is not None:
            return self._result_at + limits.teardown, None
        if self._progress_at is None:
            message = f"nothing was measured {limits.startup:g} s after the start ({STARTUP_VARIABLE})"
            return self._begin + limits.startup, Error(Reason.HANG, message)
        return self._progress_at + limits.hang, Error(
            Reason.HANG, f"no progress for {limits.hang:g} s ({HANG_VARIABLE})"
        )

    def _gather(self, seconds: float) -> None:
        """Wait until all processes have ended, for so long at most; a request to stop ends it early."""
        deadline = time.monotonic() + seconds
        while any(running.code is None for running in self._processes):
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            match event:
                case Reported(frame):
                    self._note(frame.body)
                case Stop():
                    self._stop_asked = True
                    return

    def _note_the_rest(self) -> None:
        """What was reported in the last moment."""
        while not self._events.empty():
            match self._events.get():
                case Reported(frame):
                    self._note(frame.body)
                case Stop():
                    self._stop_asked = True

    def _stop(self, number: int) -> int:
        """End all processes with their last words, if they find some in time."""
        for running in self._processes:
            running.stop()
        self._gather(self._limits.stop)
        for running in self._processes:
            running.kill()
            running.drain(self._limits.settle / 4)
        word = self._scanner.last_word
        return 0 if word is not None and isinstance(word.body, Result) else 128 + number

    def _judge(self, end: Error | None) -> int:
        """Say what became of the trial, unless rank 0 has said it; `end`: what the supervisor itself had to end."""
        word = self._scanner.last_word
        if word is not None:
            return 0 if isinstance(word.body, Result) else 1
        if end is not None:
            return self._report(end)
        failures = [failure for running in self._processes if (failure := running.failure()) is not None]
        if not failures:
            if self._place.node_rank > 0:
                return 0
            return self._report(Error(Reason.FRAMEWORK_ERROR, "the profile ended without a result"))
        body = verdict(self._blame_memory(failures), ranks=len(self._processes), nodes=self._place.nodes)
        if body.reason == Reason.PEER_LOST and self._wait_for_stop(self._limits.peers):
            return 128 + signal.SIGTERM
        return self._report(body)

    def _blame_memory(self, failures: Sequence[Failure]) -> Sequence[Failure]:
        """Who was killed for memory can't say so, and who misses it does not know why."""
        if not self._memory.killed():
            return failures
        vague = {Reason.FRAMEWORK_ERROR, Reason.KILLED}
        return [
            replace(
                failure,
                reason=Reason.HOST_OUT_OF_MEMORY,
                message=f"the kernel killed a process because the container's memory ran out: {failure.message}",
            )
            if failure.reason in vague and not failure.consequence
            else failure
            for failure in failures
        ]

    def _wait_for_stop(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._stop_asked and (left := deadline - time.monotonic()) > 0:
            try:
                self._stop_asked = isinstance(self._events.get(timeout=left), Stop)
            except queue.Empty:
                return False
        return self._stop_asked

    def _stacks(self) -> str:
        for running in self._processes:
            running.ask_for_stack()
        deadline = time.monotonic() + self._limits.stack
        while time.monotonic() < deadline and not all(running.stack() for running in self._processes):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        told = [(running.process.rank, running.stack()) for running in self._processes]
        return "".join(f"; rank {rank} was in {stack}" for rank, stack in told if stack)

    def _report(self, error: Error) -> int:
        reporter = Reporter(self._environment, first_sequence=self._scanner.next_sequence)
        reporter.error(error.reason, error.message)
        return 1

    def _say_times(self) -> None:
        """The time that the profile took besides the measurement, for people and for docs/profilers.md."""
        now = time.monotonic()
        told = [f"{now - self._begin:.1f} s in all"]
        if self._first_progress_at is not None:
            told.append(f"{self._first_progress_at - self._begin:.1f} s to the first progress")
        if self._result_at is not None:
            told.append(f"{self._result_at - self._begin:.1f} s to the result")
        self._sink.say(", ".join(told))
