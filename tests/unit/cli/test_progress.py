"""What is shown while a search runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests.unit.cli.searches import PROBLEM, SPACE, InOrder

from autoscout.cli.loop import Snapshot, Task
from autoscout.cli.progress import Lines, Panel, Quiet, display, remaining_seconds, standing, told
from autoscout.executors.protocol import AttemptId, Observation, Running, State, Waiting
from autoscout.search.ledger import Attempt, Entry, Ledger, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.plan import Phase, Verdict
from autoscout.search.problem import Budget

TASK = Task("example", PROBLEM, Budget(max_profiles=10), InOrder(), gpus=0, max_attempts=3)


def entry(number: int, outcome: Outcome | None, *attempts: Attempt) -> Entry:
    position = None if outcome is None else number
    return Entry(Trial(number, SPACE.canonical({"n": number}), "random"), attempts, outcome, position)


LEDGER = Ledger(
    (
        entry(0, Measured({"seconds": 4.0})),
        entry(1, Measured({"seconds": 2.0})),
        entry(2, Infeasible("OutOfMemory", "killed\nby [the] kernel")),
        entry(3, None),
    )
)


def snapshot(*states: State, ledger: Ledger = LEDGER, elapsed: float = 30.0, budget: Budget = TASK.budget) -> Snapshot:
    observations = [Observation(AttemptId(3 + index, 0), state) for index, state in enumerate(states)]
    task = Task("example", PROBLEM, budget, InOrder(), gpus=0, max_attempts=3)
    verdict = Verdict(Phase.SEARCHING, "Profiling", "3 of 10 profiles done, 1 in flight")
    return Snapshot(task, ledger, observations, elapsed, 1000.0, verdict)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=110, height=30, color_system=None, _environ={})


def drawn(shot: Snapshot) -> str:
    console = terminal()
    panel = Panel(console)
    for each in shot.ledger.entries:
        panel.ended(shot.task, each, shot.ledger) if each.outcome else None
    with console.capture() as capture:
        console.print(panel.drawn(shot))
    return capture.get()


def test_the_panel_shows_the_budget_the_best_what_runs_and_what_was() -> None:
    running = Running(since=994.0, progress={"iteration": 3, "iterations": 20})
    shown = drawn(snapshot(running))
    assert "3 of 10 (1 infeasible, 0 lost)" in shown
    assert "seconds 2 in trial 1, 2.00x better than the default 4" in shown
    assert "trial 3  6.0 s, iteration 3 of 20  n=3" in shown
    assert "30 s, about 1 min 10 s left" in shown
    assert "infeasible (OutOfMemory: killed by [the] kernel)" in shown


def test_the_panel_says_why_something_waits() -> None:
    assert "waits: Queued (every slot is taken)" in drawn(snapshot(Waiting("Queued", "every slot is taken", 990.0)))


def test_the_panel_stays_small() -> None:
    shown = drawn(snapshot(*(Running(since=999.0) for _ in range(30))))
    assert "and 22 more" in shown
    assert len(shown.splitlines()) < 25


@pytest.mark.parametrize(
    ("done", "budget", "expected"),
    [
        (2, Budget(max_profiles=10), None),
        (5, Budget(max_profiles=10), 30.0),
        (5, Budget(max_profiles=10, max_seconds=40.0), 10.0),
        (5, Budget(max_profiles=4), 0.0),
    ],
)
def test_the_time_that_is_left_is_guessed_from_the_profiles_done(
    done: int, budget: Budget, expected: float | None
) -> None:
    ledger = Ledger(tuple(entry(number, Measured({"seconds": 1.0})) for number in range(done)))
    assert remaining_seconds(snapshot(ledger=ledger, budget=budget)) == expected


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Measured({"seconds": 0.5}), "seconds 0.5"),
        (Measured({"other": 0.5}), "reports no seconds"),
        (Infeasible("DeadlineExceeded", "too slow"), "infeasible (DeadlineExceeded: too slow)"),
        (Lost("NodeLost", ""), "lost (NodeLost)"),
        (None, "attempt 1 lost (NodeLost: gone)"),
    ],
)
def test_every_outcome_has_its_words(outcome: Outcome | None, words: str) -> None:
    assert told(PROBLEM, entry(1, outcome, Attempt("NodeLost", "gone"))) == words


def test_the_standing_before_anything_and_at_the_default() -> None:
    assert standing(PROBLEM, Ledger()) == "nothing feasible yet"
    assert standing(PROBLEM, Ledger(LEDGER.entries[:1])) == "seconds 4 in trial 0 (the default)"


def test_lines_are_plain_and_one_an_event() -> None:
    console = Console(file=io.StringIO(), width=40)
    with Lines(console) as lines:
        lines.started(LEDGER.entries[3].trial, 1)
        lines.ended(TASK, LEDGER.entries[2], LEDGER)
    written = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(written) == 2
    assert written[0].endswith("trial 3 starts, attempt 2 (random): n=3")
    assert "trial 2 infeasible (OutOfMemory: killed by [the] kernel); 3/10 profiles" in written[1]


def test_the_display_suits_the_terminal() -> None:
    assert isinstance(display(terminal(), quiet=False), Panel)
    assert isinstance(display(Console(file=io.StringIO()), quiet=False), Lines)
    assert type(display(terminal(), quiet=True)) is Quiet
