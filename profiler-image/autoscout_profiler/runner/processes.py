"""One process of a trial: started, its output passed on line by line, its frames read, its end told."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from autoscout_profiler.errors import Reason
from autoscout_profiler.frames import Frame, shorten
from autoscout_profiler.programs import exit_code, signal_name
from autoscout_profiler.reporter import TERMINATION_VARIABLE
from autoscout_profiler.runner import child
from autoscout_profiler.runner.failures import Failure, cause_in, explained
from autoscout_profiler.runner.launch import Process
from autoscout_profiler.scanner import Scanner

_TAIL_LINES = 400
_TOLD_LINES = 8
_STACK_LINE = re.compile(r'File "([^"]+)", line (\d+) in (.+)')
_STACK_DEPTH = 4


@dataclass(frozen=True)
class Reported:
    """A frame of the leading process."""

    frame: Frame


@dataclass(frozen=True)
class Exited:
    """The end of a process.

    Attributes:
        code: as a shell gives it: 128 + n for signal n.
    """

    rank: int
    code: int


@dataclass(frozen=True)
class Stop:
    """A request to stop the trial."""

    number: int


Event = Reported | Exited | Stop


class Sink:
    """The supervisor's own output, whole lines at a time."""

    def __init__(self, output: IO[bytes], errors: IO[bytes]) -> None:
        self.output = output
        self.errors = errors
        self._lock = threading.Lock()

    def write(self, stream: IO[bytes], line: bytes) -> None:
        """Write a line to one of the two streams. A reader that is gone is no reason to end a measurement."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            stream.write(line if line.endswith(b"\n") else line + b"\n")
            stream.flush()

    def say(self, text: str) -> None:
        """Write a line of the supervisor itself."""
        self.write(self.errors, f"autoscout_profiler: {text}".encode())


class RunningProcess:
    """A started process.

    Attributes:
        process: what it was started from.
        code: how it ended, None while it runs.
        ended_by_us: it was killed by the supervisor, so its end says nothing.
    """

    def __init__(
        self,
        process: Process,
        directory: Path,
        *,
        sink: Sink,
        scanner: Scanner | None,
        notify: Callable[[Event], None],
        started: float,
        label: str,
    ) -> None:
        """Start it.

        Args:
            process: what to start.
            directory: for its record and its stack; of this trial alone.
            sink: takes its output.
            scanner: reads its frames; None: it does not lead.
            notify: told of its frames and its end, from other threads.
            started: seconds since the epoch when the supervisor was started.
            label: goes before each line of its output.

        Raises:
            OSError: the program can't be started.
        """
        self.process = process
        self.code: int | None = None
        self.ended_by_us = False
        self._ended_at = 0.0
        self._record = directory / f"error-{process.rank}.json"
        self._stack = directory / f"stack-{process.rank}.txt"
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._sink = sink
        self._label = label.encode()
        frames_end, frames = os.pipe()
        control, self._control = os.pipe()
        try:
            self._popen = subprocess.Popen(
                process.command,
                env={**os.environ, **process.environment, **self._variables(frames, control, started, leads=scanner)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(frames, control),
                # A group of its own: its workers end with it.
                start_new_session=True,
            )
        except OSError:
            os.close(frames_end)
            os.close(self._control)
            raise
        finally:
            os.close(frames)
            os.close(control)
        self._pumps = [
            _thread(self._pass_on, self._popen.stdout, sink.output),
            _thread(self._pass_on, self._popen.stderr, sink.errors),
            _thread(self._read_frames, frames_end, scanner, notify),
        ]
        _thread(self._await_end, notify)

    def _variables(self, frames: int, control: int, started: float, *, leads: Scanner | None) -> dict[str, str]:
        return {
            child.RANK_VARIABLE: str(self.process.rank),
            child.ERROR_PATH_VARIABLE: str(self._record),
            child.STACK_PATH_VARIABLE: str(self._stack),
            child.FRAMES_VARIABLE: str(frames),
            child.CONTROL_VARIABLE: str(control),
            child.STARTED_VARIABLE: repr(started),
            "PYTHONUNBUFFERED": "1",
        } | ({} if leads else {TERMINATION_VARIABLE: os.devnull})

    def stop(self) -> None:
        """Ask it to end with its last words."""
        with contextlib.suppress(OSError):
            os.write(self._control, child.STOP)

    def kill(self) -> None:
        """End it and all that it started."""
        if self.code is None:
            self.ended_by_us = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def ask_for_stack(self) -> None:
        """Have it write down where it is."""
        if self.code is None and self._stack.exists():
            self._popen.send_signal(signal.SIGUSR1)

    def stack(self) -> str:
        """Where it was when it was asked: the innermost functions of its main thread; empty: it did not say."""
        text = self._stack.read_text() if self._stack.exists() else ""
        innermost = _STACK_LINE.findall(text)[:_STACK_DEPTH]
        return " < ".join(f"{function} ({Path(file).name}:{line})" for file, line, function in innermost)

    def drain(self, seconds: float) -> None:
        """Wait until its output has been passed on; what it left behind may hold its streams open."""
        deadline = time.monotonic() + seconds
        for pump in self._pumps:
            pump.join(max(0.0, deadline - time.monotonic()))

    def failure(self) -> Failure | None:
        """How it failed; None: it did not, or it was ended by us."""
        record = Failure.read(self._record)
        if record is not None:
            return explained(record, self._tail.copy())
        if self.code in (None, 0) or self.ended_by_us:
            return None
        return self._failure_without_record(self.code or 0)

    def _failure_without_record(self, code: int) -> Failure:
        rank, at = self.process.rank, self._ended_at
        blamed = cause_in(self._tail.copy(), rank=rank, at=at)
        name = signal_name(code)
        how = f"killed by {name}" if name else f"exited with code {code}"
        if blamed is not None and name != signal.SIGKILL.name:
            return Failure(rank, at, blamed.reason, f"{blamed.message} ({how})")
        output = shorten("\n".join(list(self._tail.copy())[-_TOLD_LINES:]), 1000)
        message = f"{how}; the end of its output: {output}" if output else how
        return Failure(rank, at, Reason.KILLED if name else Reason.FRAMEWORK_ERROR, message)

    def _pass_on(self, source: IO[bytes], stream: IO[bytes]) -> None:
        for line in source:
            self._tail.append(line.decode(errors="replace").rstrip())
            self._sink.write(stream, self._label + line)

    def _read_frames(self, descriptor: int, scanner: Scanner | None, notify: Callable[[Event], None]) -> None:
        with os.fdopen(descriptor, "rb") as frames:
            for line in frames:
                self._sink.write(self._sink.output, line)
                for frame in scanner.feed(line) if scanner is not None else ():
                    notify(Reported(frame))

    def _await_end(self, notify: Callable[[Event], None]) -> None:
        code = exit_code(self._popen.wait())
        self._ended_at = time.time()
        self.code = code
        notify(Exited(self.process.rank, code))


def _thread(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def standard_sink() -> Sink:
    """The sink that is this process' own output."""
    return Sink(sys.stdout.buffer, sys.stderr.buffer)
