"""From the end of an attempt to the next state of its ledger entry."""

from __future__ import annotations

from dataclasses import replace

from autoscout.search.ledger import CANNOT_WIN, Attempt, Entry
from autoscout.search.outcome import Lost, Measured, Outcome

CANCELLED = "Cancelled"
"""Reason of a `Lost` attempt that we stopped ourselves."""


def settle(
    entry: Entry,
    result: Outcome,
    *,
    seconds: float,
    gpus: int,
    max_attempts: int,
    position: int,
    stopped_early: bool = False,
) -> Entry:
    """The entry after its running attempt ended.

    A measured or infeasible attempt settles the trial. A lost one leads to another attempt, until
    `max_attempts` of them were lost through the infrastructure; an attempt that we cancelled (a suspension) is
    written down for its cost but uses none up.

    Args:
        seconds: wall time of the attempt, start-up included.
        gpus: GPUs that it held during that time.
        position: place of the outcome in the order of commitment, should there be one.
        stopped_early: whether it was stopped because it could not become the best; what it measured by then counts.
    """
    counts = not (isinstance(result, Lost) and result.reason == CANCELLED)
    attempt = Attempt(
        reason=_reason(result, stopped_early=stopped_early),
        message=_message(result, stopped_early=stopped_early),
        seconds=seconds,
        gpu_hours=seconds * gpus / 3600,
        counts=counts,
    )
    after = replace(entry, attempts=(*entry.attempts, attempt))
    if isinstance(result, Lost):
        used = sum(attempt.counts for attempt in after.attempts)
        if not counts or used < max_attempts:
            return after
    return replace(after, outcome=result, position=position)


def _reason(result: Outcome, *, stopped_early: bool) -> str:
    if isinstance(result, Measured):
        return CANNOT_WIN if stopped_early else "Measured"
    return result.reason


def _message(result: Outcome, *, stopped_early: bool) -> str:
    if isinstance(result, Measured):
        return "stopped early: its progress showed that it could not become the best" if stopped_early else ""
    return result.message


def give_up(entry: Entry, *, reason: str, message: str, position: int) -> Entry:
    """The entry of a pending trial that will not be measured any more, because the search is over."""
    return replace(entry, outcome=Lost(reason, message), position=position)
