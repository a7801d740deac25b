"""The frame contract: how a measurement says what it found, in a log that anything may write to.

A frame is one line, ASCII only:

    @@AUTOSCOUT1 {"type":"result","trial":"llama-3","attempt":0,"sequence":4,...} 0123456789abcdef

The last word is the first 16 hexadecimal digits of the SHA-256 of the JSON's bytes. It guards against torn and
interleaved lines, not against a program that lies on purpose. docs/reference/frames.md is the specification.
The operator reads frames with this module, the profiler writes them with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

MARKER = "@@AUTOSCOUT1 "
LINE_LIMIT = 1024 * 1024
"""Bytes of the longest frame in a log, the line's end excluded."""
TERMINATION_LIMIT = 4096
"""Bytes of the longest termination message that Kubernetes keeps."""

_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_NAME_LIMIT = 253
_LARGEST_COUNT = 2**53
_LONGEST_ESCAPE = 12
"""Bytes of a character outside the basic plane, as JSON escapes it."""


class FrameError(ValueError):
    """A frame that the contract does not allow; the message names the field."""


@dataclass(frozen=True)
class Progress:
    """How far the measurement is.

    Attributes:
        iteration: iterations done, warm-up included.
        iterations: all of them; 0 if the program can't tell.
        metrics: metric name to its value so far; for the eye, never taken for the result.
    """

    iteration: int
    iterations: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The measurement.

    Attributes:
        metrics: metric name to value, at least one; the unit is in the name (`seconds_per_iteration`).
        samples: metric name to every sample behind the value, in the order of measurement.
        versions: package or program to its version, for those that ran.
        gpu: the name of the GPU that it ran on; empty: none.
        samples_omitted: the samples were left out, because the frame would have been too long.
    """

    metrics: Mapping[str, float]
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    gpu: str = ""
    samples_omitted: bool = False


@dataclass(frozen=True)
class Error:
    """Why there is no measurement.

    Attributes:
        reason: one word in CamelCase (`OutOfMemory`), at most 64 letters and digits.
        message: for people.
    """

    reason: str
    message: str = ""


Body = Progress | Result | Error


@dataclass(frozen=True)
class Frame:
    """One report of one attempt.

    Attributes:
        trial: the trial's name, as in `AUTOSCOUT_TRIAL`.
        attempt: 0 for the first run of the trial.
        sequence: grows with every frame of the attempt.
    """

    trial: str
    attempt: int
    sequence: int
    body: Body

    @property
    def payload(self) -> dict[str, Any]:
        """The JSON object that this frame is sent as. Fields without content are left out."""
        head = {
            "type": type(self.body).__name__.lower(),
            "trial": self.trial,
            "attempt": self.attempt,
            "sequence": self.sequence,
        }
        match self.body:
            case Progress(iteration, iterations, metrics):
                content: dict[str, Any] = {"iteration": iteration, "iterations": iterations}
                optional: dict[str, Any] = {"metrics": dict(metrics)}
            case Result(metrics, samples, versions, gpu, omitted):
                content = {"metrics": dict(metrics)}
                optional = {
                    "samples": {name: list(values) for name, values in samples.items()},
                    "versions": dict(versions),
                    "gpu": gpu,
                    "samplesOmitted": omitted,
                }
            case Error(reason, message):
                content = {"reason": reason, "message": message}
                optional = {}
        return head | content | {name: value for name, value in optional.items() if value}


def encode(frame: Frame) -> str:
    """The line for this frame, without its end.

    Raises:
        FrameError: a field breaks the contract (a number that is not finite, no metric, ...), or the line would be
            longer than `LINE_LIMIT`.
    """
    line = _line(frame)
    if len(line) > LINE_LIMIT:
        raise FrameError(f"the frame has {len(line)} bytes, {LINE_LIMIT} are allowed: report fewer samples")
    return line


def encode_bounded(frame: Frame, limit: int) -> str:
    """The line for this frame in at most `limit` bytes.

    What is too long loses its samples (and says so: `samplesOmitted`), then its versions; the message of an error
    is cut in its middle. The metrics of a result always stay.

    Raises:
        FrameError: as `encode`, or what must stay does not fit.
    """
    line = _line(frame)
    body = frame.body
    if len(line) > limit and isinstance(body, Result):
        body = replace(body, samples={}, samples_omitted=bool(body.samples))
        line = _line(replace(frame, body=body))
        if len(line) > limit:
            line = _line(replace(frame, body=replace(body, versions={})))
    if len(line) > limit and isinstance(body, Progress):
        line = _line(replace(frame, body=replace(body, metrics={})))
    size = limit
    while len(line) > limit and isinstance(body, Error) and size > 0:
        line = _line(replace(frame, body=replace(body, message=shorten(body.message, size))))
        size -= max(1, (len(line) - limit) // _LONGEST_ESCAPE)
    if len(line) > limit:
        raise FrameError(f"the frame has {len(line)} bytes, {limit} are allowed: report fewer metrics")
    return line


def shorten(text: str, size: int) -> str:
    """`text` in at most `size` characters: its middle goes, because the end of a log says most."""
    gap = " ... "
    if len(text) <= size:
        return text
    if size <= len(gap):
        return text[len(text) - size :]
    head = (size - len(gap)) // 3
    return text[:head] + gap + text[len(text) - (size - len(gap) - head) :]


def digest(text: str) -> str:
    """The 16 hexadecimal digits that guard this JSON text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse(payload: object) -> Frame:
    """The frame that a JSON object stands for. Fields that it does not know are skipped: a later version may add some.

    Raises:
        FrameError: the object is no frame; the message names the field.
    """
    if not isinstance(payload, dict):
        raise FrameError("a frame is a JSON object")
    readers: dict[object, Callable[[Mapping[str, Any]], Body]] = {
        "progress": _progress,
        "result": _result,
        "error": _error,
    }
    reader = readers.get(payload.get("type")) if isinstance(payload.get("type"), str) else None
    if reader is None:
        raise FrameError("type: one of progress, result, error")
    trial = payload.get("trial")
    if not isinstance(trial, str) or not 0 < len(trial) <= _NAME_LIMIT:
        raise FrameError(f"trial: a name of 1 to {_NAME_LIMIT} characters")
    return Frame(trial, _count(payload, "attempt"), _count(payload, "sequence"), reader(payload))


def _line(frame: Frame) -> str:
    payload = frame.payload
    parse(payload)  # what a reader would ignore is never written
    # The marker must not occur inside a frame: a reader may then cut a line at every marker.
    text = json.dumps(payload, separators=(",", ":"), allow_nan=False, default=float).replace("@@", "\\u0040@")
    return f"{MARKER}{text} {digest(text)}"


def _progress(payload: Mapping[str, Any]) -> Progress:
    return Progress(
        _count(payload, "iteration"), _count(payload, "iterations"), _numbers("metrics", payload.get("metrics", {}))
    )


def _result(payload: Mapping[str, Any]) -> Result:
    metrics = _numbers("metrics", payload.get("metrics"))
    if not metrics:
        raise FrameError("metrics: at least one number")
    samples = {
        name: tuple(_number(f"samples.{name}", value) for value in _list(f"samples.{name}", values))
        for name, values in _object("samples", payload.get("samples", {})).items()
    }
    versions = _object("versions", payload.get("versions", {}))
    gpu = payload.get("gpu", "")
    omitted = payload.get("samplesOmitted", False)
    for name, version in (*versions.items(), ("gpu", gpu)):
        if not isinstance(version, str):
            raise FrameError(f"{name}: a string")
    if not isinstance(omitted, bool):
        raise FrameError("samplesOmitted: true or false")
    return Result(metrics, samples, versions, gpu, omitted)


def _error(payload: Mapping[str, Any]) -> Error:
    reason, message = payload.get("reason"), payload.get("message", "")
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        raise FrameError("reason: one word in CamelCase, at most 64 letters and digits")
    if not isinstance(message, str):
        raise FrameError("message: a string")
    return Error(reason, message)


def _count(payload: Mapping[str, Any], name: str) -> int:
    value = payload.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_COUNT:
        raise FrameError(f"{name}: a whole number from 0")
    return value


def _numbers(name: str, value: object) -> dict[str, float]:
    return {key: _number(f"{name}.{key}", item) for key, item in _object(name, value).items()}


def _object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) and key for key in value):
        raise FrameError(f"{name}: an object with names that are not empty")
    return value


def _list(name: str, value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise FrameError(f"{name}: a list of numbers")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise FrameError(f"{name}: a number, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FrameError(f"{name}: a finite number; where there is none, report an error frame instead")
    return number
