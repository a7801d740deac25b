"""The files of one local attempt: all that is known about it, for whoever looks.

attempt.json    what it measures; written first, never changed
slot.json       where it was started
started.json, log, termination, ended.json, lock: the supervisor's
cancel          it is to be stopped; `CannotWin` in it: early, its progress is its result
released        its outcome was committed
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from autoscout.executors import supervisor
from autoscout.executors.command import TERMINATION_VARIABLE
from autoscout.executors.protocol import AttemptId, Ended, ExecutorError, Running, State, Waiting
from autoscout.executors.slots import Slot
from autoscout.executors.verdict import deadline_exceeded, judge, measured, so_far
from autoscout.search.ledger import CANNOT_WIN
from autoscout.search.outcome import Infeasible, Lost, Outcome
from autoscout.search.settle import CANCELLED
from autoscout_profiler.scanner import Scanner

_ATTEMPT = "attempt.json"
_SLOT = "slot.json"
_RELEASED = "released"
_CHUNK = 1024 * 1024


class Attempt:
    """One attempt, from its directory `<root>/<number>-<attempt>`.

    Attributes:
        queued: when it was accepted, seconds since the epoch.
        timeout: seconds that it may take.
        slot: where it was started, or None.
    """

    def __init__(self, directory: Path, trial: str) -> None:
        self.id = identity_of(directory)
        self.directory = directory
        content = _read(directory / _ATTEMPT)
        self.queued = float(content["queued"])
        self.timeout = float(content["timeout"])
        self._fingerprint = content["fingerprint"]
        slot = _read(directory / _SLOT)
        self.slot = Slot(slot["name"], tuple(slot["cores"]), tuple(slot["gpus"])) if slot else None
        self._scanner = Scanner(trial, self.id.attempt)
        self._offset = 0
        self._ended: Ended | None = None

    @classmethod
    def create(cls, root: Path, identity: AttemptId, trial: str, *, fingerprint: str, timeout: float) -> Self:
        """The attempt with this name: a new one, or the one that is there already.

        Args:
            fingerprint: of what is measured.

        Raises:
            ExecutorError: the directory holds something else, or its result was committed before.
        """
        directory = root / f"{identity.number}-{identity.attempt}"
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / _ATTEMPT).exists():
            content = {"fingerprint": fingerprint, "timeout": timeout, "queued": time.time()}
            supervisor.write_json(directory / _ATTEMPT, content)
        attempt = cls(directory, trial)
        if attempt._fingerprint != fingerprint:
            raise ExecutorError(
                "AttemptConflict",
                f"{directory} holds the measurement of another configuration or command: use another directory",
            )
        if attempt.released:
            raise ExecutorError(
                "AttemptReleased",
                f"{directory} was measured and committed before: resume its ledger, or use another directory",
            )
        return attempt

    @property
    def released(self) -> bool:
        """Whether its outcome was committed."""
        return (self.directory / _RELEASED).exists()

    @property
    def fresh(self) -> bool:
        """Whether it was neither started nor ended."""
        return not any((self.directory / name).exists() for name in (supervisor.STARTED, supervisor.ENDED))

    @property
    def occupies(self) -> Slot | None:
        """The slot that it holds now."""
        return None if self.fresh or (self.directory / supervisor.ENDED).exists() else self.slot

    @property
    def termination_path(self) -> Path:
        """Of the file for its last frame."""
        return self.directory / supervisor.TERMINATION

    def take(self, slot: Slot) -> None:
        """Write down that it is about to start there."""
        supervisor.write_json(self.directory / _SLOT, {"name": slot.name, "cores": slot.cores, "gpus": slot.gpus})
        self.slot = slot

    def footprint(self) -> tuple[object, ...]:
        """Changes whenever `state` may have changed; cheap."""
        log = self.directory / supervisor.LOG
        started, ended, released = (
            (self.directory / name).exists() for name in (supervisor.STARTED, supervisor.ENDED, _RELEASED)
        )
        return (
            started,
            ended,
            released,
            ended or supervisor.lock_holder(self.directory) is None,  # when it goes after the end tells nothing
            log.stat().st_size if log.exists() else 0,
        )

    def state(self) -> State:
        """What it does now."""
        if self._ended is not None:
            return self._ended
        holder = supervisor.lock_holder(self.directory)
        started = _read(self.directory / supervisor.STARTED)
        ended = _read(self.directory / supervisor.ENDED)
        if not ended and started and holder is None:
            ended = self._record_vanished()
        if ended:
            self._ended = self._end(started, ended)
            return self._ended
        self._read_log()
        if not started:
            return Waiting("Queued", "every slot is taken by another measurement", self.queued)
        progress = self._scanner.progress.payload if self._scanner.progress is not None else {}
        return Running(float(started["time"]), progress, tuple(self._scanner.reports))

    def never_started(self) -> None:
        """Record that its supervisor could not even begin."""
        with supervisor.take_lock(self.directory) as locked:
            if locked and self.fresh:
                supervisor.write_ended(self.directory, supervisor.VANISHED)

    def stop_early(self) -> None:
        """Have it end with what it has, if it runs."""
        holder = supervisor.lock_holder(self.directory)
        if holder is None or self.fresh or (self.directory / supervisor.CANCEL).exists():
            return
        (self.directory / supervisor.CANCEL).write_text(CANNOT_WIN)
        self._signal(holder)

    def cancel(self) -> None:
        """Have it stopped; what has ended stays as it is."""
        (self.directory / supervisor.CANCEL).touch()
        while not (self.directory / supervisor.ENDED).exists():
            holder = supervisor.lock_holder(self.directory)
            if holder is not None:
                self._signal(holder)
                return
            with supervisor.take_lock(self.directory) as locked:
                if locked and self.fresh:
                    supervisor.write_ended(self.directory, supervisor.CANCELLED)
                if locked:
                    return  # or its supervisor vanished, which `state` records

    def release(self) -> None:
        """Write down that its outcome was committed. The files stay for people."""
        (self.directory / _RELEASED).touch()

    def _signal(self, holder: int) -> None:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(holder)
            try:
                # Between the look at the lock and now its number may have gone to another process.
                if supervisor.lock_holder(self.directory) == holder:
                    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            finally:
                os.close(descriptor)

    def _record_vanished(self) -> dict[str, Any]:
        """The supervisor is gone: stop what it may have left running, and say so for good."""
        with supervisor.take_lock(self.directory) as locked:
            if locked and not (self.directory / supervisor.ENDED).exists():
                _kill_marked(f"{TERMINATION_VARIABLE}={self.termination_path}")
                supervisor.write_ended(self.directory, supervisor.VANISHED)
        return _read(self.directory / supervisor.ENDED)

    def _end(self, started: dict[str, Any], ended: dict[str, Any]) -> Ended:
        self._read_log()
        self._scanner.close()
        if self.termination_path.exists():
            self._scanner.read_termination_message(self.termination_path.read_bytes())
        seconds = max(0.0, ended["time"] - started["time"]) if started else 0.0
        gpus = len(self.slot.gpus) if self.slot and started else 0
        early = (
            ended["cause"] == supervisor.CANCELLED and (self.directory / supervisor.CANCEL).read_text() == CANNOT_WIN
        )
        result = self._outcome(ended, early=early)
        return Ended(result, seconds, gpus, self._scanner.frames_ignored, stopped_early=early)

    def _outcome(self, ended: dict[str, Any], *, early: bool) -> Outcome:
        otherwise: Outcome
        match ended["cause"]:
            case supervisor.EXITED:
                return judge(ended["exitCode"], self._scanner)
            case supervisor.DEADLINE:
                return deadline_exceeded(self.timeout, self._scanner)
            case supervisor.CANCELLED:
                otherwise = so_far(self._scanner) if early else Lost(CANCELLED, "stopped on request")
            case supervisor.STOPPED:
                otherwise = Lost("Terminated", "stopped by a SIGTERM from outside AutoScout")
            case supervisor.NOT_STARTED:
                otherwise = Infeasible("CannotStart", ended["message"])
            case _:
                otherwise = Lost(
                    "SupervisorLost", f"its supervisor was killed, or the machine went down; see {self.directory}"
                )
        return measured(self._scanner) or otherwise

    def _read_log(self) -> None:
        log = self.directory / supervisor.LOG
        if not log.exists():
            return
        with log.open("rb") as file:
            file.seek(self._offset)
            while chunk := file.read(_CHUNK):
                self._offset += len(chunk)
                self._scanner.feed(chunk)


def identity_of(directory: Path) -> AttemptId:
    """The attempt that a directory is named after."""
    number, _, attempt = directory.name.partition("-")
    return AttemptId(int(number), int(attempt))


def attempts_in(root: Path) -> list[Path]:
    """The directories of all attempts below `root`, whatever else lies there."""
    names = (path for path in root.glob("*-*") if (path / _ATTEMPT).exists())
    return sorted(path for path in names if all(part.isdecimal() for part in path.name.split("-", 1)))


def _kill_marked(mark: str) -> None:
    """Kill every process that has this assignment in its environment, whatever became of its parents and groups."""
    wanted = mark.encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _read(path: Path) -> dict[str, Any]:
    """A JSON file that is written as a whole, or nothing."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content
