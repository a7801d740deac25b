"""Who else is here: processes that have declared that they use the cluster, or that they have broken it on purpose.

Several test runs share one cluster. Without this, one run's power cut is another run's broken cluster, to be torn
down and started anew under everybody's feet; and the first run to end would take it away from the rest.
"""

from __future__ import annotations

import os
from pathlib import Path

from .processes import start_time


class Presence:
    """Declarations of living processes, one file each; those of the dead count no longer.

    Args:
        directory: Where the files are; shared by all who should know of each other.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def declare(self, what: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._record(what, os.getpid()).write_text(str(start_time(os.getpid())))

    def withdraw(self, what: str) -> None:
        """No longer so, whoever declared it."""
        for record in self._directory.glob(f"{what}@*"):
            record.unlink(missing_ok=True)

    def withdraw_own(self, what: str) -> None:
        self._record(what, os.getpid()).unlink(missing_ok=True)

    def own(self) -> bool:
        """Whether this process has declared anything."""
        return os.getpid() in self._living()

    def others(self) -> list[int]:
        """The pids of the other processes that have declared something."""
        return sorted(self._living() - {os.getpid()})

    def _living(self) -> set[int]:
        living = set()
        for record in self._directory.glob("*@*"):
            pid = int(record.name.rpartition("@")[2])
            try:
                declared = record.read_text()
            except FileNotFoundError:
                continue  # withdrawn just now
            if declared == str(start_time(pid)):
                living.add(pid)
            else:
                record.unlink(missing_ok=True)
        return living

    def _record(self, what: str, pid: int) -> Path:
        return self._directory / f"{what}@{pid}"
