"""A ledger in a file: one line a commit, flushed to the disk before the search goes on.

A crash leaves at most a torn last line; opening the ledger again cuts it off, because what it would have said had
not been acted upon. A lock keeps a second search out of the same directory.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from autoscout.cli.ledger_lines import (
    Folded,
    Header,
    LineError,
    entry_line,
    fold,
    header_line,
    header_of,
    trial_line,
    verdict_line,
)
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.plan import Verdict

LEDGER = "ledger.jsonl"
LOCK = "lock"

CHANGEABLE = frozenset({"budget", "suspend", "ttlSecondsAfterFinished"})
"""Fields of a spec that may differ when a search goes on."""


class LedgerError(Exception):
    """The directory can't be used; the message names the way out."""


def spec_hash(job: Mapping[str, Any]) -> str:
    """SHA-256 of what defines the search: a TuningJob's spec without what may change."""
    text = json.dumps(_defining(job), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two TuningJobs in what defines the search: `spec.search.seed: 0 -> 1`."""
    return list(_changes("spec", _defining(before), _defining(after)))


class LedgerFile:
    """An open ledger. Made by `create` and `resume`; a context manager that lets go of the lock.

    Attributes:
        header: the first line.
        state: everything committed until now.
    """

    def __init__(self, directory: Path, header: Header, state: Folded, lock: int) -> None:
        self.header = header
        self.state = state
        self._lock = lock
        self._file = (directory / LEDGER).open("ab")

    @classmethod
    def create(cls, directory: Path, header: Header) -> Self:
        """Begin a ledger.

        Raises:
            LedgerError: there is one already, another search uses the directory, or it can't be written.
        """
        lock = _locked(directory)
        path = directory / LEDGER
        if path.exists() and path.stat().st_size:
            os.close(lock)
            raise LedgerError(
                f"{directory} holds the ledger of an earlier search: add --resume to go on with it, or --directory to "
                "search anew elsewhere"
            )
        path.write_bytes(_encoded(header_line(header)))
        _to_disk(path)
        _to_disk(directory)
        return cls(directory, header, Folded(Ledger()), lock)

    @classmethod
    def resume(cls, directory: Path, header: Header) -> Self:
        """Go on with a ledger.

        Raises:
            LedgerError: there is none, it is damaged, its search is defined otherwise, or another search uses it.
        """
        if not (directory / LEDGER).exists():
            raise LedgerError(f"{directory} holds no ledger to go on with: leave out --resume to begin one")
        lock = _locked(directory)
        try:
            found, state, length = _read(directory / LEDGER)
            _require_same(directory, found, header)
        except LedgerError:
            os.close(lock)
            raise
        os.truncate(directory / LEDGER, length)
        return cls(directory, found, state, lock)

    def append(self, trials: Sequence[Trial], elapsed: float) -> Ledger:
        """Write down new trials; the ledger after it."""
        return self._commit(trial_line(trial, elapsed) for trial in trials)

    def commit(self, before: Entry, after: Entry, elapsed: float) -> Ledger:
        """Write down what became of an attempt or a trial; the ledger after it."""
        return self._commit([entry_line(before, after, elapsed)])

    def close_with(self, verdict: Verdict, elapsed: float) -> None:
        """Write down how this run of the search ended."""
        self._commit([verdict_line(verdict, elapsed)])

    def _commit(self, lines: Iterable[Mapping[str, Any]]) -> Ledger:
        # What is folded is what a reader of the file will see, so a line that does not survive JSON shows at once.
        written = [_encoded(line) for line in lines]
        state = fold(self.state, [json.loads(line) for line in written])
        self._file.write(b"".join(written))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.state = state
        return state.ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        os.close(self._lock)


def read(directory: Path) -> tuple[Header, Folded]:
    """A ledger to look at; it may be in use.

    Raises:
        LedgerError: there is none, or it is damaged.
    """
    if not (directory / LEDGER).exists():
        raise LedgerError(f"{directory} holds no {LEDGER}: give the directory that autoscout tune wrote")
    header, state, _ = _read(directory / LEDGER)
    return header, state


def _read(path: Path) -> tuple[Header, Folded, int]:
    """Header, state and length in bytes up to the last whole line."""
    content = path.read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
    parsed: list[Mapping[str, Any]] = []
    for count, line in enumerate(lines, 1):
        try:
            parsed.append(_object(line))
        except ValueError as error:
            if count == len(lines):
                # A machine that lost power can leave a last line of the right length with the wrong bytes.
                lines.pop()
                break
            raise LedgerError(f"{path}:{count}: {error}; restore the file from a copy, or search anew") from error
    if not parsed:
        raise LedgerError(f"{path} is empty or cut off in its first line: delete it and search anew")
    try:
        header = header_of(parsed[0])
    except LineError as error:
        raise LedgerError(f"{path} {error}: search anew in another --directory") from error
    try:
        state = fold(Folded(Ledger()), parsed[1:])
    except LineError as error:
        raise LedgerError(f"{path}, commit {error}; restore the file from a copy, or search anew") from error
    return header, state, sum(len(line) for line in lines)


def _object(line: bytes) -> Mapping[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - the file is wrong, not the program
    return value


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _locked(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LedgerError(f"{directory} can't be written ({error.strerror}): choose another --directory") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 32).decode(errors="replace").strip()
        os.close(lock)
        raise LedgerError(
            f"another search uses {directory} (process {holder or 'unknown'}): wait for it, or give another --directory"
        ) from error
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_same(directory: Path, found: Header, given: Header) -> None:
    if found.spec_hash == given.spec_hash:
        return
    what = changes(found.job, given.job) or ["spec: written by another version of AutoScout"]
    raise LedgerError(
        f"the ledger in {directory} belongs to another search; changed since:\n  "
        + "\n  ".join(what)
        + "\nOnly the budget may change: undo the change, or give another --directory to search anew"
    )


def _defining(job: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job["spec"].items() if name not in CHANGEABLE}


def _changes(path: str, before: Any, after: Any) -> Iterable[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _changes(f"{path}.{name}", before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (left, right) in enumerate(zip(before, after, strict=True)):
            yield from _changes(f"{path}[{index}]", left, right)
    elif before != after:
        yield f"{path}: {_short(before)} -> {_short(after)}"


def _short(value: Any) -> str:
    text = "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
