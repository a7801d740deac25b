"""Decisions as people and programs read them."""

from __future__ import annotations

import json
from textwrap import dedent

from autoscout.report.decisions import decision_text, decisions_json
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.problem import MetricConstraint, Objective, Problem
from autoscout.search.replay import Decision, replay
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

BROKEN = " (breaks a constraint or lacks a metric)"
SPACE = SearchSpace((Parameter("tile", Kind.EXECUTION, (8, 16, 32), 8), Parameter("depth", Kind.EXECUTION, (1, 2), 1)))
PROBLEM = Problem(SPACE, (Objective("seconds"),), (MetricConstraint("latency", maximum=5.0),))


def entry(number: int, values: dict[str, int], outcome: Outcome | None, **more: object) -> Entry:
    trial = Trial(number, SPACE.canonical(values), "dense", decided_after=number, **more)  # type: ignore[arg-type]
    return Entry(trial, (), outcome, None if outcome is None else number)


def decisions(*entries: Entry) -> list[Decision]:
    return list(replay(PROBLEM, Ledger(entries)))


FIRST = entry(0, {"tile": 8, "depth": 1}, Measured({"seconds": 2.0, "latency": 1.0}), reason="the defaults")


def test_a_decision_is_told_in_full() -> None:
    better = entry(
        1,
        {"tile": 32, "depth": 1},
        Measured({"seconds": 1.25, "latency": 2.0}),
        reason="expected to be faster",
        predicted={"seconds": 1.3},
    )
    assert decision_text(PROBLEM, decisions(FIRST, better)[1]) == dedent("""\
        trial 1 by dense: expected to be faster
          configuration  *tile=32 depth=1
          predicted      seconds 1.3
          incumbent then trial 0, seconds 2
          outcome        measured seconds 1.25, latency 2 - the new incumbent
        """)


def test_every_kind_of_outcome_has_its_words() -> None:
    outcomes = [
        (
            Measured({"seconds": 1.0, "latency": 9.0}),
            f"measured seconds 1, latency 9{BROKEN}",
        ),
        (Infeasible("OutOfMemory", "CUDA out of memory\nmore"), "infeasible OutOfMemory: CUDA out of memory"),
        (Lost("NodeLost", ""), "lost NodeLost"),
        (None, "pending"),
    ]
    for outcome, words in outcomes:
        told = decision_text(PROBLEM, decisions(FIRST, entry(1, {"tile": 16, "depth": 2}, outcome))[1])
        assert f"  outcome        {words}\n" in told


def test_json_holds_what_an_audit_needs() -> None:
    (found,) = json.loads(decisions_json(decisions(FIRST)))
    assert found == {
        "number": 0,
        "proposer": "dense",
        "reason": "the defaults",
        "decidedAfter": 0,
        "configuration": {"tile": 8, "depth": 1},
        "predicted": {},
        "incumbentBefore": None,
        "outcome": "Measured",
        "position": 0,
        "improved": True,
        "metrics": {"seconds": 2.0, "latency": 1.0},
    }
