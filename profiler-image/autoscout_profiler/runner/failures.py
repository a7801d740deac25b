"""Why a process failed, and which of many failures is the cause of the others. Pure but for the record's file."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from autoscout_profiler.errors import ProfileError, Reason
from autoscout_profiler.frames import Error, shorten

_CAUSE_LENGTH = 2000
_OTHER_LENGTH = 200
_OTHERS = 8
_NAMED = 8

_CLASSES: Sequence[tuple[Reason, re.Pattern[str]]] = (
    (
        Reason.INFRASTRUCTURE,
        re.compile(
            r"uncorrectable ECC error|no CUDA-capable device|CUDA-capable device\(s\) is/are busy or unavailable"
            r"|CUDA driver initialization failed|GPU is lost|fallen off the bus|No space left on device"
            r"|uncorrectable NVLink error|system not yet initialized|Driver/library version mismatch"
            r"|CUDA driver version is insufficient|driver on your system is too old|unsupported display driver"
            # Another node has not come, or its name is not known: no configuration is to blame.
            r"|seconds waiting for clients|client socket has timed out|Did not receive response from front-end",
            re.IGNORECASE,
        ),
    ),
    (
        Reason.OUT_OF_MEMORY,
        re.compile(
            r"CUDA out of memory|CUDA error: out of memory|Cuda failure.{0,10}out of memory|CUBLAS_STATUS_ALLOC_FAILED"
            r"|CUDNN_STATUS_ALLOC_FAILED|No available memory for the cache blocks|^(torch\.)?OutOfMemoryError"
            r"|larger than the available KV cache memory|less than desired GPU memory utilization",
            re.IGNORECASE,
        ),
    ),
    (
        Reason.HOST_OUT_OF_MEMORY,
        re.compile(
            r"DefaultCPUAllocator: (can't|not enough)|Cannot allocate memory|std::bad_alloc|^MemoryError", re.IGNORECASE
        ),
    ),
)
_PEER_GONE = re.compile(
    r"connection reset by peer|connection closed by (remote )?peer|connection refused|broken pipe|socket closed"
    r"|connection was (likely )?closed|remote process exited|ncclRemoteError|recvValue failed|sendBytes failed"
    r"|failed to recv, got 0 bytes|tcpstore.{0,80}(closed|broken)|peer closed",
    re.IGNORECASE,
)
_SAYS_ANOTHER_FAILED = re.compile(
    r"root cause|EngineDead|EngineCore encountered|Worker failed|^RuntimeError: cancelled", re.IGNORECASE
)
_NO_ERROR = re.compile(r"\b(WARNING|INFO|DEBUG) \d\d-\d\d ")
"""A line that vLLM logs at a lower level: an exception there was dealt with."""
_ERROR_LINE = re.compile(
    r"((?:\w+\.)*\w*(?:Error|Exception)\b|terminate called after throwing.*|Worker proc \S+ died unexpectedly.*)"
    r"(?:: (.*))?\s*$"
)


@dataclass(frozen=True)
class Failure:
    """How one process failed.

    Attributes:
        rank: of the process.
        at: seconds since the epoch.
        reason: a `Reason`.
        message: for people, the type of the exception first.
        consequence: it only says that another process is gone.
    """

    rank: int
    at: float
    reason: Reason
    message: str
    consequence: bool = False

    def write(self, path: Path) -> None:
        """Leave it for the supervisor; a file that is there says something complete."""
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.rename(path)

    @classmethod
    def read(cls, path: Path) -> Failure | None:
        """What a process left; None: it left nothing."""
        if not path.exists():
            return None
        record = json.loads(path.read_text())
        return cls(**record | {"reason": Reason(record["reason"])})


def of_exception(error: BaseException, *, rank: int, at: float) -> Failure:
    """The failure that an exception means.

    Args:
        error: what ended the process.
        rank: of the process.
        at: seconds since the epoch.
    """
    name = type(error).__name__
    if isinstance(error, ProfileError):
        return Failure(rank, at, error.reason, str(error) or name)
    text = f"{name}: {error}" if str(error) else name
    return of_text(f"{text}{_place(error)}", rank=rank, at=at)


def of_text(text: str, *, rank: int, at: float) -> Failure:
    """The failure that the words of a framework mean: `<type>: <message>`."""
    reason = next((reason for reason, pattern in _CLASSES if pattern.search(text)), Reason.FRAMEWORK_ERROR)
    consequence = reason is Reason.FRAMEWORK_ERROR and bool(_PEER_GONE.search(text))
    return Failure(rank, at, reason, text, consequence)


def explained(failure: Failure, output: Iterable[str]) -> Failure:
    """The failure, or the one that the process' output blames, where it only says that a process of its own failed.

    Args:
        failure: as the process told it.
        output: its last lines.
    """
    if failure.reason is not Reason.FRAMEWORK_ERROR or not _SAYS_ANOTHER_FAILED.search(failure.message):
        return failure
    found = cause_in(output, rank=failure.rank, at=failure.at)
    if found is None:
        return failure
    return Failure(failure.rank, failure.at, found.reason, f"{found.message} (behind it: {failure.message})")


def cause_in(output: Iterable[str], *, rank: int, at: float) -> Failure | None:
    """What the last lines of an output name as the error: one that means something, rather than the last."""
    told = (line for line in output if not _NO_ERROR.search(line))
    named = [match for match in map(_ERROR_LINE.search, told) if match]
    failures = [of_text(f"{match[1]}: {match[2]}" if match[2] else match[1], rank=rank, at=at) for match in named]
    telling = [failure for failure in failures if not _SAYS_ANOTHER_FAILED.search(failure.message)]
    distinct = [failure for failure in telling if failure.reason is not Reason.FRAMEWORK_ERROR]
    return next(iter(distinct or [failure for failure in telling if not failure.consequence]), None)


def verdict(failures: Sequence[Failure], *, ranks: int = 1, nodes: int = 1) -> Error:
    """What became of the trial: the first failure that is no consequence, and the others in few words.

    Args:
        failures: of this node's processes, at least one.
        ranks: of this node: with several, a failure has its rank.
        nodes: of the trial: if all that this node knows are consequences, the cause is on another one.
    """
    cause, *_ = ordered = sorted(failures, key=lambda failure: (failure.consequence, failure.at, failure.rank))
    groups: dict[str, list[int]] = {}
    for failure in ordered:
        groups.setdefault(failure.message, []).append(failure.rank)
    named = ranks > 1 or nodes > 1
    sizes = (_CAUSE_LENGTH, *[_OTHER_LENGTH] * _OTHERS)
    told = [
        (f"{_named(numbers)}: " if named else "") + shorten(message, size)
        for (message, numbers), size in zip(groups.items(), sizes, strict=False)
    ]
    if len(groups) > len(told):
        told.append(f"and {len(groups) - len(told)} more")
    elsewhere = cause.consequence and nodes > 1
    return Error(Reason.PEER_LOST if elsewhere else cause.reason, "; ".join(told))


def _named(numbers: Sequence[int]) -> str:
    """The ranks that say the same."""
    if len(numbers) == 1:
        return f"rank {numbers[0]}"
    listed = ", ".join(map(str, sorted(numbers)[:_NAMED]))
    return f"ranks {listed}" + (f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else "")


def _place(error: BaseException) -> str:
    """Where it was raised: the innermost function, whose file people can look into."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    innermost = frames[-1]
    return f" (in {innermost.name}, {Path(innermost.filename).name}:{innermost.lineno})"
