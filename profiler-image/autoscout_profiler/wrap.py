"""Frames for a program that knows nothing of them: run it, find the numbers in what it prints, report them."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import IO

from autoscout_profiler.programs import exit_code, signal_name
from autoscout_profiler.reporter import Reporter
from autoscout_profiler.scanner import Scanner
from autoscout_profiler.signals import relayed

WALL_SECONDS = "wall_seconds"
"""The metric that is always there: from the start of the program to its end."""

NOT_FOUND = 127
_TAIL_LINES = 15
_SECONDS_TO_DRAIN = 5.0


@dataclass(frozen=True)
class MetricPattern:
    """A metric and where its number stands in a line.

    Attributes:
        pattern: its first group is the number.
    """

    name: str
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> MetricPattern:
        """From `NAME=REGEX`.

        Raises:
            ValueError: it is not of that form, or the expression has no group.
        """
        name, equals, expression = text.partition("=")
        if not name or not equals:
            raise ValueError(f"{text!r}: write NAME=REGEX, such as 'seconds_per_step=step time: ([0-9.]+) s'")
        try:
            pattern = re.compile(expression)
        except re.error as error:
            raise ValueError(f"{text!r}: {error}") from error
        if pattern.groups < 1:
            raise ValueError(f"{text!r}: put the number into parentheses, such as 'time: ([0-9.]+)'")
        return cls(name, pattern)


class Findings:
    """The numbers in a program's output, line by line."""

    def __init__(self, patterns: Sequence[MetricPattern], *, json_last_line: bool) -> None:
        self._patterns = patterns
        self._json_last_line = json_last_line
        self._json: dict[str, object] = {}
        self._matches: dict[str, list[float]] = {pattern.name: [] for pattern in patterns}

    def read_line(self, line: str) -> None:
        """Take in a line of either stream."""
        for pattern in self._patterns:
            for match in pattern.pattern.finditer(line):
                number = _finite(match[1])
                if number is not None:
                    self._matches[pattern.name].append(number)

    def read_json(self, line: str) -> None:
        """Take in a line of standard output: the last one that is a JSON object counts."""
        if self._json_last_line and line.lstrip().startswith("{"):
            try:
                payload = json.loads(line)
            except (ValueError, RecursionError):
                return
            self._json = payload

    def samples(self) -> dict[str, list[float]]:
        """Metric to all its numbers, in the order of the output. A metric that was not found is not there."""
        found: dict[str, list[float]] = {}
        for name, value in self._json.items():
            numbers = [_finite(item) for item in (value if isinstance(value, list) else [value])]
            known = [number for number in numbers if number is not None]
            if known and len(known) == len(numbers):
                found[name] = known
        return found | {name: numbers for name, numbers in self._matches.items() if numbers}

    def missing(self) -> list[str]:
        """What was asked for and not found, in words."""
        missing = [
            f"no line matches --metric {pattern.name}={pattern.pattern.pattern}"
            for pattern in self._patterns
            if not self._matches[pattern.name]
        ]
        if self._json_last_line and not self.samples():
            missing.append("standard output has no line that is a JSON object with numbers")
        return missing


def wrap(command: Sequence[str], patterns: Sequence[MetricPattern], *, json_last_line: bool) -> int:
    """Run a program without a shell, pass its output on, report what it measured.

    Args:
        command: the program and its arguments.
        patterns: metrics to look for in each line of both streams; the median of all matches is the value.
        json_last_line: take metrics from the last line of standard output that is a JSON object.

    Returns:
        The exit code to end with: the program's own, or 1 if a metric was not found.
    """
    findings = Findings(patterns, json_last_line=json_last_line)
    reporter = Reporter()
    scanner = Scanner(reporter.trial, reporter.attempt)
    errors: deque[str] = deque(maxlen=_TAIL_LINES)
    stopped = threading.Event()
    begin = time.perf_counter()
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        reporter.error("CommandNotFound", f"{command[0]}: {error.strerror}")
        return NOT_FOUND

    def forward(number: int) -> None:
        stopped.set()
        child.send_signal(number)

    def read_output(line: str) -> None:
        scanner.feed(line)
        findings.read_line(line)
        findings.read_json(line)

    def read_errors(line: str) -> None:
        errors.append(line.rstrip())
        findings.read_line(line)

    with relayed((signal.SIGTERM,), forward):
        pumps = [
            _pump(child.stdout, sys.stdout.buffer, read_output),
            _pump(child.stderr, sys.stderr.buffer, read_errors),
        ]
        code = exit_code(child.wait())
        seconds = time.perf_counter() - begin
        for pump in pumps:
            pump.join(_SECONDS_TO_DRAIN)  # a daemon that the program left behind may hold its streams open
        if stopped.is_set():
            return code  # whoever stopped us knows why
        reporter = Reporter(first_sequence=scanner.next_sequence)
        return _report(reporter, code, seconds, findings, scanner, "\n".join(errors))


def _report(reporter: Reporter, code: int, seconds: float, findings: Findings, scanner: Scanner, errors: str) -> int:
    if scanner.last_word is not None:
        return code  # it does know of frames, and has said all
    output = f"; standard error: {errors}" if errors else ""
    if signal_name(code):
        reporter.error("Killed", f"killed by {signal_name(code)} after {seconds:.1f} s{output}")
        return code
    if code != 0:
        reporter.error("NonZeroExit", f"exited with code {code} after {seconds:.1f} s{output}")
        return code
    if missing := findings.missing():
        reporter.error("NoResult", "; ".join(missing) + output)
        return 1
    samples = findings.samples()
    metrics: Mapping[str, float] = {WALL_SECONDS: seconds} | {name: median(known) for name, known in samples.items()}
    reporter.result(metrics, samples={name: known for name, known in samples.items() if len(known) > 1})
    return code


def _pump(source: IO[bytes] | None, sink: IO[bytes], reader: Callable[[str], None]) -> threading.Thread:
    """Pass a stream on line by line, in the background."""

    def run() -> None:
        for raw in source or ():
            sink.write(raw)
            sink.flush()
            reader(raw.decode(errors="replace"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _finite(value: object) -> float | None:
    """The number in a match or a JSON value, if it is one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
