"""A workload that behaves as it is told: to try a cluster, an image or an executor without anything to measure."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from autoscout_profiler.frames import MARKER, Frame, Result, encode
from autoscout_profiler.reporter import Reporter

STEPS: Mapping[str, str] = {
    "print=TEXT": "a line of ordinary output",
    "progress=DONE/ALL": "a progress frame",
    "result=NAME:NUMBER[,NUMBER...]": "a result frame: the first number is the value, all are its samples",
    "parameter=NAME:FACTOR": "a result frame: the value of a parameter, times FACTOR, as metric `seconds`",
    "error=REASON:MESSAGE": "an error frame",
    "torn": "a result frame that is cut short",
    "forged": "a result frame whose digest is wrong",
    "foreign": "a result frame of another trial",
    "stale": "a result frame of another attempt",
    "garbage": "bytes that are no text, and a marker with nothing behind it",
    "sleep=SECONDS": "do nothing for a while",
    "wait": "do nothing until a signal comes",
    "stubborn": "ignore SIGTERM from here on",
    "allocate=MIB": "take memory and touch it",
    "kill=SIGNAL": "send this signal, such as SIGKILL, to itself",
    "exit=CODE": "end with this exit code",
}


class Actor:
    """Carries out the steps, in order."""

    def __init__(self) -> None:
        self._reporter = Reporter()
        self._memory: list[bytearray] = []
        self._actions: dict[str, Callable[[str], None]] = {
            "print": _say,
            "progress": self._progress,
            "result": self._result,
            "parameter": self._parameter,
            "error": self._error,
            "torn": lambda _: _say(self._intruder()[:-20]),
            "forged": lambda _: _say(self._intruder().replace("1e-09", "2e-09")),
            "foreign": lambda _: _say(self._intruder(trial="not-" + self._reporter.trial)),
            "stale": lambda _: _say(self._intruder(attempt=self._reporter.attempt + 1)),
            "garbage": lambda _: _say("\x00\r\x1b[2J 50%\r \udcff\udcfe 100%\r\n" + MARKER),
            "sleep": lambda text: time.sleep(float(text)),
            "wait": lambda _: _wait(),
            "stubborn": lambda _: _ignore_sigterm(),
            "allocate": lambda text: self._memory.append(bytearray(b"\x01") * (int(text) << 20)),
            "kill": lambda text: os.kill(os.getpid(), signal.Signals[text]),
            "exit": _exit,
        }

    def run(self, steps: Sequence[str]) -> int:
        """Carry out `NAME` or `NAME=VALUE`, one after another; the exit code.

        Raises:
            ValueError: there is no such step, or its value is not of its form.
        """
        # The first process of a container is not ended by signals that it does not handle.
        signal.signal(signal.SIGTERM, _exit_by_sigterm)
        for step in steps:
            name, _, value = step.partition("=")
            if name not in self._actions:
                raise ValueError(f"{step!r}: no such step; there are {', '.join(STEPS)}")
            self._actions[name](value)
            sys.stdout.flush()
        return 0

    def _progress(self, text: str) -> None:
        done, _, total = text.partition("/")
        self._reporter.progress(int(done), int(total))

    def _result(self, text: str) -> None:
        name, _, numbers = text.partition(":")
        samples = [float(number) for number in numbers.split(",")]
        self._reporter.result({name: samples[0]}, samples={name: samples})

    def _parameter(self, text: str) -> None:
        name, _, factor = text.partition(":")
        self._reporter.result({"seconds": float(self._reporter.configuration[name]) * float(factor)})

    def _error(self, text: str) -> None:
        reason, _, message = text.partition(":")
        self._reporter.error(reason, message)

    def _intruder(self, trial: str | None = None, attempt: int | None = None) -> str:
        """A frame better than anything that could be measured: whoever believes it is found out."""
        return encode(
            Frame(
                self._reporter.trial if trial is None else trial,
                self._reporter.attempt if attempt is None else attempt,
                0,
                Result({"seconds": 1e-09}),
            )
        )


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="surrogateescape") + b"\n")
    sys.stdout.flush()


def _wait() -> None:
    while True:
        signal.pause()


def _ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _exit(code: str | int) -> None:
    sys.exit(int(code))


def _exit_by_sigterm(_number: int, _frame: FrameType | None) -> None:
    _exit(128 + signal.SIGTERM)
