"""What a Python program uses to say how far it is and what it measured."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from types import FrameType, TracebackType
from typing import Any, Self, TextIO

from autoscout_profiler.frames import (
    LINE_LIMIT,
    TERMINATION_LIMIT,
    Body,
    Error,
    Frame,
    FrameError,
    Progress,
    Result,
    encode,
    encode_bounded,
)

TRIAL_VARIABLE = "AUTOSCOUT_TRIAL"
TERMINATION_VARIABLE = "AUTOSCOUT_TERMINATION_PATH"
DEFAULT_TERMINATION_PATH = "/dev/termination-log"

_SECONDS_BETWEEN_PROGRESS_FRAMES = 0.2
_FEWEST_SAMPLES = 3
"""Of a measurement that is stopped before its end."""


class Reporter:
    """Reports one attempt of one trial, as the environment describes it.

    Started by hand, without that environment, it reports a trial named `manual`, so that a program can be tried.
    As a context manager it turns an exception into an error frame; `MemoryError` and exceptions named
    `OutOfMemoryError` become the reason `OutOfMemory`, all others `Exception`.

    Attributes:
        configuration: parameter name to value; only the active parameters.
        workload: `spec.workload` of the TuningJob.
        warmup_iterations: what the TuningJob asks for, or None; so for `iterations`.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, stream: TextIO | None = None, first_sequence: int = 0
    ) -> None:
        """Read the environment.

        Args:
            environment: the variables; for tests.
            stream: where frames go; None: standard output.
            first_sequence: of the first frame; more than 0 if another reporter of this attempt came before.

        Raises:
            ValueError: `AUTOSCOUT_TRIAL` is set, but not as AutoScout sets it.
        """
        try:
            description = json.loads(environment.get(TRIAL_VARIABLE, '{"trial": "manual", "attempt": 0}'))
            self.trial = str(description["trial"])
            self.attempt = int(description["attempt"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{TRIAL_VARIABLE}: not the JSON object that AutoScout sets ({error!r}); unset it to run by hand"
            ) from error
        self.configuration: dict[str, Any] = description.get("configuration") or {}
        self.workload: dict[str, Any] = description.get("workload") or {}
        self.warmup_iterations: int | None = description.get("warmupIterations")
        self.iterations: int | None = description.get("iterations")
        self._termination_path = _termination_path(environment)
        self._stream = sys.stdout if stream is None else stream
        self._sequence = first_sequence
        self._lock = threading.Lock()
        self._has_result = False

    def progress(self, iteration: int, iterations: int, **metrics: float) -> None:
        """Say that `iteration` of `iterations` are done (0: of unknown many), and what was measured so far.

        Raises:
            FrameError: a metric is no finite number.
        """
        self._send(Progress(iteration, iterations, metrics))

    def result(
        self,
        metrics: Mapping[str, float],
        *,
        samples: Mapping[str, Sequence[float]] | None = None,
        versions: Mapping[str, str] | None = None,
        gpu: str = "",
    ) -> None:
        """Report the measurement.

        Args:
            metrics: name to value, the unit in the name: `seconds_per_iteration`, `peak_memory_gib`.
            samples: metric to all samples behind its value.
            versions: package to version, of what matters for the measurement.
            gpu: name of the GPU; empty: none.

        Raises:
            FrameError: there is no metric, or a number that is not finite; the message names it.
        """
        kept = {name: tuple(values) for name, values in (samples or {}).items()}
        self._send(Result(dict(metrics), kept, {"python": sys.version.split()[0]} | dict(versions or {}), gpu))

    def error(self, reason: str, message: str) -> None:
        """Report that this configuration can't be measured.

        Args:
            reason: one word in CamelCase, such as `OutOfMemory`. `Infrastructure` and `Preempted` blame the platform:
                then the trial gets another attempt.
            message: for people.

        Raises:
            FrameError: the reason is no such word.
        """
        self._send(Error(reason, message))

    def measure(
        self, function: Callable[[], object], *, warmup: int, iterations: int, metric: str = "seconds_per_iteration"
    ) -> list[float]:
        """As the function `measure`, with progress frames on the way that show the median so far as `metric`.

        A SIGTERM ends it with the samples so far, if there are at least three: then report them as usual.
        """
        last = -_SECONDS_BETWEEN_PROGRESS_FRAMES
        known: Sequence[float] = ()
        asked = False

        def show(done: int, total: int, samples: Sequence[float]) -> bool:
            nonlocal last, known
            known = samples
            now = time.monotonic()
            if now - last >= _SECONDS_BETWEEN_PROGRESS_FRAMES:
                last = now
                self.progress(done, total, **({metric: median(samples)} if samples else {}))
            return asked

        def answer(_number: int, _frame: FrameType | None) -> None:
            nonlocal asked
            if len(known) < _FEWEST_SAMPLES:
                sys.exit(128 + signal.SIGTERM)
            asked = True

        with _on_sigterm(answer):
            return measure(function, warmup=warmup, iterations=iterations, observer=show)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, Exception) or self._has_result:
            return  # what fails after the result does not undo the measurement
        out_of_memory = issubclass(kind, MemoryError) or kind.__name__ == "OutOfMemoryError"
        self.error("OutOfMemory" if out_of_memory else "Exception", f"{kind.__name__}: {error}")

    def _send(self, body: Body) -> None:
        with self._lock:
            frame = Frame(self.trial, self.attempt, self._sequence, body)
            # Samples are worth less than the result: a line that would be too long goes without them.
            line = encode(frame) if isinstance(body, Progress) else encode_bounded(frame, LINE_LIMIT)
            self._sequence += 1
            self._has_result |= isinstance(body, Result)
            sys.stdout.flush()
            self._stream.write(line + "\n")
            self._stream.flush()
            if not isinstance(body, Progress):
                self._write_termination_message(frame)

    def _write_termination_message(self, frame: Frame) -> None:
        if self._termination_path is None:
            return
        try:
            # Not replaced but overwritten: the kubelet mounts this very file.
            self._termination_path.write_text(encode_bounded(frame, TERMINATION_LIMIT))
        except (OSError, FrameError) as error:
            # The log has the frame already; a second copy is not worth failing for.
            sys.stderr.write(f"autoscout_profiler: no termination message: {error}\n")


def measure(
    function: Callable[[], object],
    *,
    warmup: int,
    iterations: int,
    observer: Callable[[int, int, Sequence[float]], bool | None] | None = None,
) -> list[float]:
    """Time a function.

    Args:
        function: one iteration; it returns when its work is done (synchronise the GPU in it).
        warmup: calls before the first that counts.
        iterations: calls that count, at least 1.
        observer: called outside the timed part with (calls done, all calls, samples so far); True ends it here.

    Returns:
        Seconds of each of the `iterations` calls, or of those before the observer ended it. Their median is the value
        to report: one slow call, by another process on the machine, does not move it.

    Raises:
        ValueError: `iterations` is less than 1.
    """
    if iterations < 1:
        raise ValueError("iterations: at least 1")
    samples: list[float] = []
    for done in range(warmup + iterations):
        if observer is not None and observer(done, warmup + iterations, samples):
            return samples
        begin = time.perf_counter()
        function()
        end = time.perf_counter()
        if done >= warmup:
            samples.append(end - begin)
    if observer is not None:
        observer(warmup + iterations, warmup + iterations, samples)
    return samples


@contextmanager
def _on_sigterm(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGTERM meanwhile, in the main thread of a program that does not do it itself."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _termination_path(environment: Mapping[str, str]) -> Path | None:
    given = environment.get(TERMINATION_VARIABLE)
    path = Path(given or DEFAULT_TERMINATION_PATH)
    return path if given or path.exists() else None
