"""The profiler's supervisor over processes that a test describes, in a process of its own: it handles signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import autoscout_profiler
from autoscout_profiler.frames import Error, Frame, Result
from autoscout_profiler.runner.launch import Place, Process, Trial
from autoscout_profiler.runner.memory import OutOfMemoryWatch
from autoscout_profiler.runner.supervisor import Limits, Supervisor
from autoscout_profiler.scanner import Scanner

PACKAGES = Path(autoscout_profiler.__file__).parents[1]
CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS_TO_END = 180
"""Longest time for a run, on a busy machine; less than a supervisor waits for progress."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        code: exit code of the supervisor.
        frames: all valid ones, in order.
        output: standard output, frames included.
        errors: standard error.
    """

    code: int
    frames: list[Frame]
    output: str
    errors: str

    @property
    def error(self) -> Error:
        """The only error frame, which is the last frame."""
        found = [frame.body for frame in self.frames if isinstance(frame.body, Error)]
        assert len(found) == 1, self
        assert self.frames[-1].body is found[0]
        return found[0]

    @property
    def result(self) -> Result:
        """The last frame, which is a result; nothing else was reported but progress."""
        body = self.frames[-1].body
        assert isinstance(body, Result), self
        assert not [frame for frame in self.frames if isinstance(frame.body, Error)]
        return body


class Supervised:
    """A supervisor that runs."""

    def __init__(
        self,
        *programs: str,
        limits: Mapping[str, float] | None = None,
        place: Mapping[str, object] | None = None,
        events: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it.

        Args:
            programs: Python code, one for each rank of this node.
            limits: fields of `Limits` that are not the default.
            place: fields of `Place`.
            events: stands for the control group's memory.events.
            environment: further variables.
        """
        description = {
            "programs": programs,
            "limits": dict(limits or {}),
            "place": dict(place or {}),
            "events": str(events) if events else None,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.supervised", json.dumps(description)],
            bufsize=0,  # what `wait_for` has not read is left to `outcome`
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(PACKAGES), **(environment or {})},
        )

    def wait_for(self, text: str) -> None:
        """Read standard output up to the line with this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text.encode() in line:
                return
        raise AssertionError(f"the output ended without {text!r}")

    def outcome(self) -> Outcome:
        """Wait for the end; frames and output from the last `wait_for` on."""
        output, errors = self.process.communicate(timeout=SECONDS_TO_END)
        scanner = Scanner("manual", 0)
        frames = scanner.feed(output) + scanner.close()
        assert scanner.frames_ignored == 0
        return Outcome(self.process.returncode, frames, output.decode(), errors.decode())


def supervised(*programs: str, **options) -> Outcome:
    """Run it to its end."""
    return Supervised(*programs, **options).outcome()


def _main(arguments: Sequence[str]) -> int:
    description = json.loads(arguments[0])
    place = Place(**description["place"])
    first = place.node_rank * len(description["programs"])
    processes = [
        Process(first + index, (sys.executable, "-c", program)) for index, program in enumerate(description["programs"])
    ]
    memory = OutOfMemoryWatch(Path(description["events"])) if description["events"] else None
    limits = Limits(**description["limits"])
    return Supervisor(Trial.parse("{}"), place, limits, memory=memory).run(processes)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
