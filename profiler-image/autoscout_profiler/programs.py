"""Starting another program and telling how it ended, in the words of shells and Kubernetes."""

from __future__ import annotations

import signal


def exit_code(returncode: int) -> int:
    """The return code of `subprocess` as a shell gives it: 128 + n for signal n."""
    return 128 - returncode if returncode < 0 else returncode


def signal_name(code: int) -> str:
    """The signal that an exit code stands for, or an empty text: 137 is `SIGKILL`."""
    try:
        return signal.Signals(code - 128).name
    except ValueError:
        return ""
