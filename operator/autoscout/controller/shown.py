"""What a status shows of texts and results whose length nobody bounds.

The TuningJob is read and rewritten at every step, so its status stays under 64 KiB; the whole of everything is in the
TuningTrials and their Jobs. Sizes are those of the JSON in UTF-8, for that is what etcd and every watcher get.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from autoscout.api.status import MAX_METRICS
from autoscout.search.ledger import Entry
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration
from autoscout_profiler.frames import shorten

MESSAGE_BYTES = 1024
WAITING_BYTES = 512
"""Of each running trial: up to 16 of them are shown."""
METRICS_BYTES = 4096
CONFIGURATION_BYTES = 8192
COMMAND_BYTES = 8192


def size(value: object) -> int:
    """Bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def text(whole: str, limit: int = MESSAGE_BYTES) -> str:
    """A text in at most `limit` bytes; what is too long loses its middle."""
    shown = whole
    while (length := size(shown)) > limit:
        shown = shorten(whole, max(0, len(shown) * limit // length - 1))
    return shown


def metrics(problem: Problem, measured: Mapping[str, float]) -> dict[str, float]:
    """As many metrics as fit: those of the objectives and constraints first, then the others in their order."""
    shown: dict[str, float] = {}
    left = METRICS_BYTES
    for name in dict.fromkeys((*problem.metrics, *measured)):
        if name not in measured or len(shown) == MAX_METRICS:
            continue
        cost = size({name: measured[name]})
        if cost <= left:
            shown[name] = measured[name]
            left -= cost
    return shown


def configuration(whole: Configuration) -> dict[str, Any]:
    """The values of a configuration; none at all where they are too long, for a part would be another configuration."""
    values = dict(whole)
    return values if size(values) <= CONFIGURATION_BYTES else {}


def command(line: str, entry: Entry) -> str:
    """A command line for a shell; instead of one that is too long a comment, for a cut one would run something else."""
    length = size(line)
    if length <= COMMAND_BYTES:
        return line
    return f"# the command has {length} bytes, too long to be shown here: see the Job of trial {entry.trial.number}"
