"""Finding the frames of one attempt in a log that anything may write to."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from enum import StrEnum

from autoscout_profiler.frames import (
    LINE_LIMIT,
    MARKER,
    Error,
    Frame,
    FrameError,
    Progress,
    Result,
    digest,
    parse,
)

_LINE_END = re.compile(r"[\r\n]")
_DIGEST = re.compile(r" ([0-9a-f]{16})")
_REPORTS_KEPT = 1000
_TAIL_LINES = 20
_TAIL_LINE_LENGTH = 400


class _RefusedError(Exception):
    """JSON has no NaN and no infinity."""


def _refuse(constant: str) -> float:
    raise _RefusedError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


class Ignored(StrEnum):
    """Why something that begins like a frame is none."""

    TORN = "torn"
    """Cut short, too long, or something wrote into it."""
    DIGEST = "digest"
    """The digest is not that of the JSON."""
    MALFORMED = "malformed"
    """Its content breaks the contract."""
    FOREIGN = "foreign"
    """It belongs to another trial or attempt."""
    REPEATED = "repeated"
    """Its sequence number was there before."""


class Scanner:
    """Reads the log of one attempt, in chunks of any size, and keeps what its frames say.

    Linear in the size of the log, whatever the log holds; memory is bounded by `LINE_LIMIT`.

    Attributes:
        progress: the last progress frame.
        reports: the metrics of the last progress frames that had any, oldest first.
        last_word: the last result or error frame: what the attempt has to say about itself.
        ignored: how many would-be frames were ignored, by cause.
    """

    def __init__(self, trial: str, attempt: int) -> None:
        self.progress: Frame | None = None
        self.reports: deque[Mapping[str, float]] = deque(maxlen=_REPORTS_KEPT)
        self.last_word: Frame | None = None
        self.ignored: Counter[Ignored] = Counter()
        self._trial = trial
        self._attempt = attempt
        self._sequence = -1
        # What the last line, which has not ended, holds so far; `_in_frame`: it begins with a marker.
        self._parts: list[str] = []
        self._size = 0
        self._in_frame = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def frames_ignored(self) -> int:
        """How many would-be frames were ignored."""
        return self.ignored.total()

    @property
    def next_sequence(self) -> int:
        """The first sequence number that is still free."""
        return self._sequence + 1

    @property
    def tail(self) -> str:
        """The last lines of the log, frames left out: where a program says why it died."""
        return "\n".join(self._tail)

    def feed(self, chunk: str | bytes) -> list[Frame]:
        """The valid frames of this attempt that this chunk completes, in order, each once."""
        text = self._decoder.decode(chunk) if isinstance(chunk, bytes) else chunk
        self._parts.append(text)
        self._size += len(text)
        if self._in_frame and self._size <= LINE_LIMIT and not _LINE_END.search(text):
            return []
        *lines, rest = _LINE_END.split("".join(self._parts))
        found = [frame for line in lines for frame in self._read_line(line)]
        begin = rest.rfind(MARKER)
        self._in_frame = begin >= 0 and len(rest) - begin <= LINE_LIMIT
        if self._in_frame:
            done, rest = rest[:begin], rest[begin:]
            found += self._read_line(done)
        elif begin >= 0:  # a line without end: whatever begins in it is complete by now or never
            found += self._read_line(rest)
            rest = ""
        else:
            rest = rest[-_TAIL_LINE_LENGTH:]
        self._parts, self._size = [rest], len(rest)
        return found

    def close(self) -> list[Frame]:
        """The log ended: the frames of a last line without an end."""
        line = "".join(self._parts) + self._decoder.decode(b"", final=True)
        self._parts, self._size, self._in_frame = [], 0, False
        return list(self._read_line(line))

    def read_termination_message(self, message: str | bytes) -> list[Frame]:
        """The frames of a termination message that the log did not show; call it after `close`.

        It repeats the last frame of the log, perhaps shortened, so a repetition is no fault there.
        """
        repeated = self.ignored[Ignored.REPEATED]
        found = self.feed(message) + self.close()
        self.ignored[Ignored.REPEATED] = repeated
        return found

    def _read_line(self, line: str) -> Iterator[Frame]:
        before, *segments = line.split(MARKER)
        if before.strip():
            self._tail.append(before.strip()[-_TAIL_LINE_LENGTH:])
        for segment in segments:
            frame = self._read_frame(segment)
            if isinstance(frame, Ignored):
                self.ignored[frame] += 1
                continue
            self._sequence = frame.sequence
            match frame.body:
                case Progress(metrics=metrics):
                    self.progress = frame
                    self.reports.extend([metrics] if metrics else [])
                case Result() | Error():
                    self.last_word = frame
            yield frame

    def _read_frame(self, segment: str) -> Frame | Ignored:
        payload = _read_json(segment)
        if isinstance(payload, Ignored):
            return payload
        try:
            frame = parse(payload)
        except FrameError:
            return Ignored.MALFORMED
        if (frame.trial, frame.attempt) != (self._trial, self._attempt):
            return Ignored.FOREIGN
        return frame if frame.sequence > self._sequence else Ignored.REPEATED


def _read_json(segment: str) -> object:
    """What stands behind a marker, if its digest vouches for it."""
    try:
        payload, end = _DECODER.raw_decode(segment)
    except _RefusedError:
        return Ignored.MALFORMED
    except (ValueError, RecursionError):
        return Ignored.TORN
    guard = _DIGEST.match(segment, end)
    if guard is None or len(MARKER) + guard.end() > LINE_LIMIT:
        return Ignored.TORN
    return payload if guard[1] == digest(segment[:end]) else Ignored.DIGEST
