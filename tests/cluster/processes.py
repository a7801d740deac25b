"""Long-running processes of the cluster: started detached, remembered by pid and start time, stopped by these.

A pid alone may have been given to somebody else since; with its start time it is one process and no other. So
stopping never looks for names, and files left by a crash do no harm.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .layout import ClusterError

POLL_SECONDS = 0.05


class Processes:
    """The processes recorded in one directory.

    Args:
        records: One file a process, holding its pid and start time.
        logs: What each process writes, one file a process, appended to.
    """

    def __init__(self, records: Path, logs: Path) -> None:
        self._records = records
        self._logs = logs

    def spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Start in a session of its own, so that it outlives the caller; returns the pid."""
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log(name)
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(
            command[0],
            list(command),
            os.environ if environment is None else environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._record(name).write_text(json.dumps({"pid": pid, "started": start_time(pid)}))
        return pid

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._records.glob("*.json"))

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int | None:
        """Its pid while it runs, else None."""
        try:
            record = json.loads(self._record(name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        pid, started = record["pid"], record["started"]
        return pid if started is not None and start_time(pid) == started else None

    def stop(self, name: str, *, grace_seconds: float = 10) -> None:
        """SIGTERM, then SIGKILL after the grace (at once if that is 0); returns when it is gone."""
        if grace_seconds > 0 and self._signal(name, signal.SIGTERM):
            self._await_end(name, grace_seconds)
        if self._signal(name, signal.SIGKILL):
            self._await_end(name, 60)
        if self.pid(name) is not None:
            raise ClusterError(f"{name} (pid {self.pid(name)}) does not end, not even by SIGKILL")
        self._record(name).unlink(missing_ok=True)

    def wait_until(self, name: str, ready: Callable[[], bool], seconds: float, what: str = "ready") -> None:
        """Return once it is ready.

        Raises:
            ClusterError: it ended, or the time is over; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.pid(name) is None:
                raise ClusterError(f"{name} ended before it was {what}; {self._last_words(name)}")
            if time.monotonic() > deadline:
                raise ClusterError(f"{name} was not {what} within {seconds:.0f} s; {self._last_words(name)}")
            time.sleep(POLL_SECONDS)

    def _record(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _signal(self, name: str, number: signal.Signals) -> bool:
        pid = self.pid(name)
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def _await_end(self, name: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.pid(name) is not None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _last_words(self, name: str) -> str:
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
        return f"{log} ends with:\n" + "\n".join(lines)


def start_time(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None if there is none or only its corpse."""
    _reap(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in {"Z", "X"} and not _threads_left(pid):
        return None
    return int(fields[19])


def _threads_left(pid: int) -> bool:
    """Whether threads of a process outlive its first one: until the last is gone it keeps its ports open."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def memory_mebibytes(pid: int) -> int:
    """The process's share of the machine's memory (PSS: what it shares counts in parts); 0 if it is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")]
    return int(sizes[0]) // 1024 if sizes else 0


def _reap(pid: int) -> None:
    """Bury it if it was our child; the processes of an earlier run are init's."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
