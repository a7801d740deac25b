"""The memory that a tree of processes took at most, from /proc."""

from __future__ import annotations

import re
from pathlib import Path

_PROC = Path("/proc")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_PARENT = re.compile(r"^PPid:\s+(\d+)$", re.MULTILINE)


def tree_peak_bytes(root: int, proc: Path = _PROC) -> int:
    """Bytes: the highest resident size (VmHWM) of a process and of each that descends from it and still lives, added.

    An upper bound: pages that several share are counted for each, and their peaks need not have come at one time.

    Args:
        root: process id.
        proc: where procfs is mounted.
    """
    status: dict[int, str] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                status[int(entry.name)] = (entry / "status").read_text()
            except OSError:
                continue  # it has ended meanwhile
    children: dict[int, list[int]] = {}
    for process, text in status.items():
        found = _PARENT.search(text)
        children.setdefault(int(found[1]) if found else 0, []).append(process)
    peak, open_ = 0, [root]
    while open_:
        process = open_.pop()
        found = _PEAK.search(status.get(process, ""))
        peak += int(found[1]) * 1024 if found else 0
        open_ += children.get(process, [])
    return peak
