"""Whether the kernel killed a process because the memory of its control group, the container's, ran out."""

from __future__ import annotations

import re
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class OutOfMemoryWatch:
    """Counts such kills from its making on."""

    def __init__(self, events: Path | None = None) -> None:
        """Note how many there were.

        Args:
            events: the group's `memory.events` (version 2) or `memory.oom_control` (version 1); None: that of this
                process.
        """
        self._events = events or find_events()
        self._before = self._count()

    def killed(self) -> bool:
        """Whether there was one; False where the kernel doesn't say."""
        return self._count() > self._before

    def _count(self) -> int:
        try:
            found = _KILLS.search(self._events.read_text()) if self._events else None
        except OSError:
            return 0
        return int(found[1]) if found else 0


def find_events(mount: Path = _MOUNT, own_group: Path = _OWN_GROUP) -> Path | None:
    """The file that counts the kills of this process' control group; None: there is none.

    Args:
        mount: where control groups are mounted.
        own_group: lines of hierarchy, controllers and path, as cgroups(7) describes them.
    """
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        lines = []
    groups = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    # In a container the path may be that of the host, while the mount shows the container's group at its top.
    candidates = [
        *(mount / path.lstrip("/") / "memory.events" for _, controllers, path in groups if not controllers),
        mount / "memory.events",
        *(
            mount / "memory" / path.lstrip("/") / "memory.oom_control"
            for _, controllers, path in groups
            if "memory" in controllers.split(",")
        ),
        mount / "memory/memory.oom_control",
    ]
    return next((candidate for candidate in candidates if candidate.is_file()), None)
