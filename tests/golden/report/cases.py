"""Searches whose reports are compared letter by letter."""

from __future__ import annotations

from autoscout.report.result import Result, result
from autoscout.search.ledger import Attempt, Entry, Ledger, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.plan import Phase, Verdict
from autoscout.search.problem import Goal, MetricConstraint, Objective, Problem
from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

SPACE = SearchSpace(
    (
        Parameter("layout", Kind.STRUCTURAL, ("bshd", "bhsd", "<b>&'\""), "bshd"),
        Parameter("tiled", Kind.STRUCTURAL, (False, True), False),
        Parameter("tile", Kind.EXECUTION, (16, 32, 64), 32, Expression("tiled")),
        Parameter("fraction", Kind.EXECUTION, (0.5, 0.75), 0.5),
    ),
)
PROBLEM = Problem(
    SPACE,
    (Objective("seconds_per_iteration"), Objective("tokens_per_second", Goal.MAXIMIZE)),
    (MetricConstraint("peak_memory_gib", maximum=2.0),),
    algorithm="random",
    seed=7,
)


def measured(seconds: float, memory: float) -> Measured:
    return Measured(
        {"seconds_per_iteration": seconds, "tokens_per_second": 512 / seconds, "peak_memory_gib": memory},
        {"seconds_per_iteration": (seconds * 0.99, seconds * 1.01)},
    )


def entry(
    number: int,
    outcome: Outcome | None,
    position: int | None,
    *lost: Attempt,
    proposer: str = "random",
    **values: Value,
) -> Entry:
    attempts = lost
    if outcome is not None:
        reason = "Measured" if isinstance(outcome, Measured) else outcome.reason
        attempts = (*lost, Attempt(reason, seconds=4.5 + number, gpu_hours=0.25))
    return Entry(Trial(number, SPACE.canonical(values), proposer), attempts, outcome, position)


def commands(ledger: Ledger) -> dict[int, str]:
    return {
        each.trial.number: f"python3 -m bench --layout='{each.trial.configuration['layout']}' --n={each.trial.number}"
        for each in ledger.entries
    }


def _result(entries: list[Entry], verdict: Verdict, *, name: str = "attention", script: str = "") -> Result:
    ledger = Ledger(tuple(entries))
    return result(
        PROBLEM,
        ledger,
        name=name,
        verdict=verdict,
        engine_version="1.2.3",
        seconds=83.4,
        commands=commands(ledger),
        script=script,
        manifest="kind: Job\nmetadata: {name: '<b>'}\n" if script else "",
    )


BASE = entry(0, measured(0.04121, 1.5), 0, proposer="default", layout="bshd", tiled=False, fraction=0.5)

TYPICAL = _result(
    [
        BASE,
        entry(1, Infeasible("OutOfMemory", "<script>alert(1)</script>"), 1, layout="bhsd", tiled=False, fraction=0.5),
        entry(2, measured(0.0093, 3.1), 2, layout="bhsd", tiled=True, tile=16, fraction=0.5),
        entry(
            3,
            measured(0.02204, 1.25),
            4,
            Attempt("NodeLost", "the node went away", seconds=2.0, gpu_hours=0.05),
            layout="<b>&'\"",
            tiled=True,
            tile=64,
            fraction=0.75,
        ),
        entry(4, Lost("Evicted", "three times"), 3, layout="bshd", tiled=True, tile=32, fraction=0.75),
        entry(5, Infeasible("OutOfMemory", "killed"), 5, layout="bhsd", tiled=True, tile=64, fraction=0.75),
        entry(6, measured(0.0312, 1.1), 6, layout="bhsd", tiled=True, tile=64, fraction=0.5),
        entry(7, Measured({"peak_memory_gib": 1.0}), 7, layout="bshd", tiled=True, tile=16, fraction=0.75),
    ],
    Verdict(Phase.COMPLETE, "MaxProfiles", "7 profiles done, as budget.maxProfiles allows"),
    name="attention <of> 'heads'",
    script="#!/bin/sh\nexec python3 -m bench --layout '<b>&'\n",
)

INTERRUPTED = _result(
    [BASE, entry(1, None, None, layout="bhsd", tiled=False, fraction=0.5)],
    Verdict(Phase.SUSPENDED, "Interrupted", "stopped by a signal, 1 of 7 profiles done; the ledger is kept"),
)

NOTHING_FEASIBLE = _result(
    [entry(0, Infeasible("NonZeroExit", "exited with code 1"), 0, layout="bshd", tiled=False, fraction=0.5)],
    Verdict(Phase.FAILED, "NoFeasibleConfiguration", "every valid configuration was tried"),
)

EMPTY = _result([], Verdict(Phase.SUSPENDED, "Interrupted", "stopped by a signal, 0 of 7 profiles done"))

CASES = {
    "typical": TYPICAL,
    "interrupted": INTERRUPTED,
    "nothing-feasible": NOTHING_FEASIBLE,
    "empty": EMPTY,
}
