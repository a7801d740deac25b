"""Settling: from the end of an attempt to the next state of its ledger entry."""

from __future__ import annotations

import pytest

from autoscout.search.ledger import CANNOT_WIN, Entry, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.settle import CANCELLED, give_up, settle
from autoscout.space.configuration import Configuration

PENDING = Entry(Trial(4, Configuration((("x", 1),)), "random"))


def end(entry: Entry, result: Outcome, max_attempts: int = 3) -> Entry:
    return settle(entry, result, seconds=1800, gpus=8, max_attempts=max_attempts, position=11)


@pytest.mark.parametrize("result", [Measured({"seconds": 1.0}), Infeasible("OutOfMemory", "CUDA out of memory")])
def test_what_was_learned_settles_the_trial(result: Outcome) -> None:
    after = end(PENDING, result)
    assert (after.outcome, after.position) == (result, 11)


def test_the_cost_of_an_attempt_is_its_time_on_all_its_gpus() -> None:
    assert end(PENDING, Infeasible("OutOfMemory")).attempts[0].gpu_hours == pytest.approx(4.0)


def test_a_lost_attempt_leads_to_another_one_until_the_attempts_are_used_up() -> None:
    entry = PENDING
    for used in (1, 2):
        entry = end(entry, Lost("Evicted", "node pressure"))
        assert (entry.outcome, len(entry.attempts)) == (None, used)
    entry = end(entry, Lost("NodeLost", "gone"))
    assert (entry.outcome, entry.position) == (Lost("NodeLost", "gone"), 11)
    assert [attempt.reason for attempt in entry.attempts] == ["Evicted", "Evicted", "NodeLost"]


def test_an_attempt_that_we_stopped_uses_none_up_but_its_cost_is_kept() -> None:
    entry = PENDING
    for _ in range(5):
        entry = end(entry, Lost(CANCELLED), max_attempts=1)
    assert entry.outcome is None
    assert [attempt.counts for attempt in entry.attempts] == [False] * 5
    assert sum(attempt.gpu_hours for attempt in entry.attempts) == pytest.approx(20.0)


def test_giving_up_is_an_outcome_without_an_attempt() -> None:
    after = give_up(PENDING, reason="MaxDuration", message="2 h are used up", position=3)
    assert (after.outcome, after.position, after.attempts) == (Lost("MaxDuration", "2 h are used up"), 3, ())


def test_what_was_stopped_early_is_measured_and_says_that_it_was_stopped() -> None:
    result = Measured({"seconds": 9.0}, {"seconds": (9.0, 8.0, 9.5)})
    after = settle(PENDING, result, seconds=60, gpus=8, max_attempts=3, position=11, stopped_early=True)
    assert after.outcome == result
    assert after.attempts[0].reason == CANNOT_WIN
    assert "stopped early" in after.attempts[0].message
