"""The audit of a search: what was known at each decision, and what came of it."""

from __future__ import annotations

from dataclasses import replace

from tests.support.spaces import PROBLEM, SPACE

from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.outcome import Infeasible, Measured, Outcome
from autoscout.search.replay import replay
from autoscout.space.configuration import Configuration

CONFIGURATIONS: list[Configuration] = list(SPACE.enumerate())[:4]


def entry(number: int, after: int | None, outcome: Outcome | None, position: int | None) -> Entry:
    trial = Trial(number, CONFIGURATIONS[number], "test", reason=f"reason {number}", decided_after=after)
    return Entry(trial, (), outcome, position)


LEDGER = Ledger(
    (
        entry(0, 0, Measured({"seconds": 3.0}), 1),
        entry(1, 0, Infeasible("OutOfMemory"), 0),
        entry(2, 1, Measured({"seconds": 2.0}), 2),
        entry(3, 3, None, None),
    )
)


def test_outcomes_that_came_later_were_not_known() -> None:
    history = LEDGER.known_at(LEDGER.entries[2].trial)
    assert [each.outcome for each in history.entries] == [None, Infeasible("OutOfMemory")]


def test_a_ledger_that_does_not_say_waited_for_every_trial_before() -> None:
    trial = replace(LEDGER.entries[2].trial, decided_after=None)
    assert LEDGER.known_at(trial).entries == LEDGER.entries[:2]


def test_a_decision_shows_the_incumbent_of_its_time_and_whether_it_became_it() -> None:
    decisions = list(replay(PROBLEM, LEDGER))
    assert [each.before and each.before.trial.number for each in decisions] == [None, None, None, 2]
    assert [each.improved for each in decisions] == [True, False, True, False]
    assert {each.agrees for each in decisions} == {None}
