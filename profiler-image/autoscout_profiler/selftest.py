"""A workload that behaves as it is told: to try a cluster, an image or an executor without anything to measure."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import FrameType

from autoscout_profiler.frames import MARKER, Frame, Result, encode
from autoscout_profiler.reporter import Reporter

STEPS: Mapping[str, str] = {
    "print=TEXT": "a line of ordinary output",
    "progress=DONE/ALL": "a progress frame",
    "result=NAME:NUMBER[,NUMBER...]": "a result frame: the first number is the value, all are its samples",
    "parameter=NAME:FACTOR": "a result frame: the value of a parameter, times FACTOR, as metric `seconds`",
    "report=NAME:NUMBER": "a progress frame that shows a metric so far",
    "last-word=NAME:NUMBER": "from here on, answer SIGTERM with this result",
    "meet": "wait until every node of the profile is there: they meet at AUTOSCOUT_MASTER_ADDR",
    "on=INDEX:STEP": "carry out a step on this node of the profile only",
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

_SECONDS_BETWEEN_CALLS = 0.1


class Actor:
    """Carries out the steps, in order."""

    def __init__(self) -> None:
        self._reporter = Reporter()
        self._reports = 0
        self._memory: list[bytearray] = []
        self._actions: dict[str, Callable[[str], None]] = {
            "print": _say,
            "progress": self._progress,
            "result": self._result,
            "parameter": self._parameter,
            "report": self._report,
            "last-word": self._last_word,
            "meet": lambda _: _meet(),
            "on": self._on,
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
            self._carry_out(step)
        return 0

    def _carry_out(self, step: str) -> None:
        name, _, value = step.partition("=")
        if name not in self._actions:
            raise ValueError(f"{step!r}: no such step; there are {', '.join(STEPS)}")
        self._actions[name](value)
        sys.stdout.flush()

    def _on(self, text: str) -> None:
        index, _, step = text.partition(":")
        if int(index) == _node():
            self._carry_out(step)

    def _report(self, text: str) -> None:
        name, _, number = text.partition(":")
        self._reports += 1
        self._reporter.progress(self._reports, 0, **{name: float(number)})

    def _last_word(self, text: str) -> None:
        name, _, number = text.partition(":")

        def answer(_number: int, _frame: FrameType | None) -> None:
            self._reporter.result({name: float(number)})
            _exit(0)

        signal.signal(signal.SIGTERM, answer)

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


def _node() -> int:
    """Which node of the profile this is."""
    return int(os.environ.get("JOB_COMPLETION_INDEX", "0"))


def _meet() -> None:
    """Return once as many nodes are here as the profile has: the others connect to node 0, which then answers all."""
    others = int(os.environ.get("AUTOSCOUT_NODES", "1")) - 1
    if others == 0:
        return
    port = int(os.environ["AUTOSCOUT_MASTER_PORT"])
    if _node() == 0:
        with ExitStack() as stack:
            server = stack.enter_context(socket.create_server(("", port)))
            guests = [stack.enter_context(server.accept()[0]) for _ in range(others)]
            for guest in guests:
                guest.sendall(b"!")
        return
    while True:
        try:
            with socket.create_connection((os.environ["AUTOSCOUT_MASTER_ADDR"], port)) as host:
                if host.recv(1):
                    return
        except OSError:  # its name is not known yet, or it does not listen yet
            time.sleep(_SECONDS_BETWEEN_CALLS)


def _wait() -> None:
    while True:
        # Not `signal.pause`, which a signal that comes right before it does not end.
        time.sleep(1)


def _ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _exit(code: str | int) -> None:
    sys.exit(int(code))


def _exit_by_sigterm(_number: int, _frame: FrameType | None) -> None:
    _exit(128 + signal.SIGTERM)
