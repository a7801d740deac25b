"""Watches over one local measurement, and outlives whoever started it.

    python supervisor.py DIRECTORY TIMEOUT GRACE CORES -- COMMAND...

It runs the command with its output in DIRECTORY/log, stops it after TIMEOUT seconds or when DIRECTORY/cancel exists and
it gets a SIGTERM, and leaves DIRECTORY/ended.json. So a measurement that ends while nobody looks is not lost. It holds
a lock on DIRECTORY/lock for life: whoever holds it is the supervisor, and nobody else starts the command again.

Standard library only, and no import of the package: it starts in a few hundredths of a second.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

LOCK = "lock"
LOG = "log"
TERMINATION = "termination"
CANCEL = "cancel"
STARTED = "started.json"
ENDED = "ended.json"

EXITED = "exited"
DEADLINE = "deadline"
CANCELLED = "cancelled"
STOPPED = "stopped"
"""Somebody sent the supervisor a SIGTERM without a cancellation: the machine goes down."""
NOT_STARTED = "not-started"
"""The operating system refused to start the command."""
VANISHED = "vanished"
"""The supervisor ended without a word: killed, or the machine went down. Written by whoever finds out."""

_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""
_FLOCK = "hhqqi"
_RESET = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""Python ignores some signals, a shell others in what it starts in the background; children would inherit both."""


def main(arguments: Sequence[str]) -> int:
    """Start the supervisor in the background; return once it holds the lock, or was not needed."""
    signals = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals | {signal.SIGINT, signal.SIGHUP})
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.read(ready, 1)
        return 0
    os.close(ready)
    directory, timeout, grace, cores, _, *command = arguments
    with take_lock(Path(directory)) as locked:
        if locked and not any((Path(directory) / name).exists() for name in (STARTED, ENDED)):
            if cores:
                os.sched_setaffinity(0, map(int, cores.split(",")))
            _supervise(Path(directory), command, float(timeout), float(grace), lambda: os.close(tell))
    return 0


class take_lock:  # noqa: N801 - reads as a statement
    """Hold the attempt's lock inside a `with`; its value says whether we got it. A process must not nest two."""

    def __init__(self, directory: Path) -> None:
        self._file = (directory / LOCK).open("a")

    def __enter__(self) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self._file.close()


def lock_holder(directory: Path) -> int | None:
    """The process that holds the attempt's lock in this moment: alive, whatever its number was before."""
    with (directory / LOCK).open("a") as file:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else int(pid)


def write_json(path: Path, content: object) -> None:
    """Write a file as a whole: a reader, or a crash, sees all of it or nothing."""
    draft = path.with_suffix(f".{os.getpid()}.draft")
    with draft.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def write_ended(directory: Path, cause: str, *, exit_code: int | None = None, message: str = "") -> None:
    """Record the end of the attempt, once and for all."""
    content = {"time": time.time(), "cause": cause, "exitCode": exit_code, "message": message}
    write_json(directory / ENDED, content)


def _supervise(directory: Path, command: list[str], timeout: float, grace: float, started: Callable[[], None]) -> None:
    with suppress(OSError):  # without it a daemon that the command leaves behind is not ours to find
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    log = os.open(directory / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    write_json(directory / STARTED, {"time": time.time(), "pid": os.getpid()})
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setpgroup=0,
            setsigmask=(),
            setsigdef=_RESET,
        )
    except OSError as error:
        write_ended(directory, NOT_STARTED, message=f"{command[0]}: {error.strerror}")
        started()
        return
    started()
    cause, status = _wait(directory, child, timeout, grace)
    os.fsync(log)
    write_ended(directory, cause, exit_code=128 - status if status < 0 else status)


def _wait(directory: Path, child: int, timeout: float, grace: float) -> tuple[str, int]:
    """Wait for the end of the command, or bring it about: (cause, return code, negative for a signal)."""
    cause = EXITED
    patience = time.monotonic() + timeout
    while not _over(child):
        arrived = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, max(0.0, patience - time.monotonic()))
        if arrived is not None and arrived.si_signo == signal.SIGCHLD:
            continue
        if cause == EXITED:
            stopped_by = CANCELLED if (directory / CANCEL).exists() else STOPPED
            cause = DEADLINE if arrived is None else stopped_by
            patience = time.monotonic() + grace
            _kill_group(child, signal.SIGTERM)
        elif arrived is None:
            patience = time.monotonic() + grace
            _kill_group(child, signal.SIGKILL)
    _kill_group(child, signal.SIGKILL)  # the group's number is safe until its leader is reaped
    _, status = os.waitpid(child, 0)
    _kill_orphans()
    return cause, os.waitstatus_to_exitcode(status)


def _over(child: int) -> bool:
    """Whether the command ended; orphans of it that ended are reaped on the way."""
    while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if ended.si_pid == child:
            return True
        os.waitpid(ended.si_pid, 0)
    return False


def _kill_group(leader: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _kill_orphans() -> None:
    """Kill what the command left behind in groups of its own: it would disturb the next measurement."""
    tasks = Path("/proc/self/task") / str(os.getpid()) / "children"
    while tasks.exists() and (children := tasks.read_text().split()):
        for child in map(int, children):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
