"""The seam between the search and whatever really runs a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from autoscout.search.ledger import Trial
from autoscout.search.outcome import Outcome


class AttemptId(NamedTuple):
    """One run of one trial of the job that the executor serves."""

    number: int
    attempt: int


@dataclass(frozen=True)
class Waiting:
    """Accepted, but the measurement has not started: no free node, image not there yet, queued.

    Attributes:
        reason: CamelCase, as the platform gives it (`Unschedulable`, `ImagePullBackOff`, `Queued`).
        since: seconds since the epoch.
    """

    reason: str
    message: str
    since: float


@dataclass(frozen=True)
class Running:
    """The measurement runs.

    Attributes:
        since: start of the pod or process, seconds since the epoch.
        progress: the payload of the last progress frame, empty before the first one.
        reports: the metrics of the progress frames that had any, oldest first; perhaps only the latest of them.
    """

    since: float
    progress: Mapping[str, object] = field(default_factory=dict)
    reports: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True)
class Ended:
    """The attempt is over and its result was read; nothing was released yet.

    Attributes:
        result: `Lost` is the loss of this attempt; the caller decides whether there is another one.
        seconds: wall time from the start of the pod or process to its end; 0 if it never started.
        gpus: how many GPUs it held meanwhile.
        frames_ignored: frames that were torn, forged or another trial's.
        stopped_early: whether it ended because of `stop_early`.
    """

    result: Outcome
    seconds: float
    gpus: int
    frames_ignored: int = 0
    stopped_early: bool = False


State = Waiting | Running | Ended


@dataclass(frozen=True)
class Observation:
    """What one attempt is doing now."""

    id: AttemptId
    state: State


def reports_of(observations: Sequence[Observation], metric: str) -> dict[tuple[int, int], tuple[float, ...]]:
    """What each running attempt has reported of a metric, oldest first; those that reported nothing are left out."""
    found = {
        each.id: tuple(report[metric] for report in each.state.reports if metric in report)
        for each in observations
        if isinstance(each.state, Running)
    }
    return {identity: values for identity, values in found.items() if values}


class ExecutorError(Exception):
    """The executor can't take this attempt, and trying again alone won't help.

    Attributes:
        reason: CamelCase, for a condition.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Executor(Protocol):
    """Runs profiles of one job. Every call may be repeated at any time: same arguments, same effect.

    Life of an attempt: `ensure` -> `observe` ... -> `Ended` -> the caller commits the outcome -> `release`.
    An `Ended` attempt is reported by every `observe` until it is released, so a crash between reading and
    committing loses nothing.
    """

    async def ensure(self, trial: Trial, attempt: int) -> None:
        """Make sure that this attempt exists: start it, or adopt it if it is there.

        Raises:
            ExecutorError: something else has its name, or the platform refuses it for good.
        """
        ...

    async def observe(self) -> Sequence[Observation]:
        """Every attempt that exists and was not released, by id."""
        ...

    async def cancel(self, identity: AttemptId) -> None:
        """Stop an attempt and free what it holds. It ends as `Lost('Cancelled')` unless it had finished."""
        ...

    async def stop_early(self, identity: AttemptId) -> None:
        """Have a running measurement end now with what it has, which is its result.

        It is asked by SIGTERM, and its result frame counts; if it answers with none, its progress frames have to do.
        What does not run yet, or has ended, is left as it is.
        """
        ...

    async def release(self, identity: AttemptId) -> None:
        """The outcome is committed: let go of what `observe` needed to report it."""
        ...
