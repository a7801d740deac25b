"""The loop of `autoscout tune`: nothing is lost, nothing is measured twice, wherever it is cut off."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.cli.searches import PROBLEM, Crash, World, measures_itself, search

from autoscout.cli.ledger_file import read
from autoscout.executors.protocol import AttemptId
from autoscout.search.incumbent import incumbent
from autoscout.search.ledger import Attempt, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.plan import Phase
from autoscout.search.problem import Budget


def test_it_measures_the_default_first_and_then_what_is_proposed_up_to_the_budget(tmp_path: Path) -> None:
    verdict = search(tmp_path, World(), budget=Budget(max_profiles=6))
    ledger = read(tmp_path)[1].ledger
    assert (verdict.phase, verdict.reason) == (Phase.COMPLETE, "MaxProfiles")
    assert [entry.trial.configuration["n"] for entry in ledger.entries] == [5, 0, 1, 2, 3, 4]
    assert ledger.profiled == 6
    best = incumbent(PROBLEM, ledger)
    assert best is not None
    assert best.trial.configuration["n"] == 0


def test_an_outcome_is_committed_before_its_attempt_is_released(tmp_path: Path) -> None:
    world = World()
    committed: list[bool] = []
    release = world.release

    async def released(identity: AttemptId) -> None:
        committed.append(read(tmp_path)[1].ledger.entries[identity.number].outcome is not None)
        await release(identity)

    world.release = released  # type: ignore[method-assign]
    search(tmp_path, world, budget=Budget(max_profiles=3))
    assert committed == [True, True, True]


def test_a_trial_is_in_the_ledger_before_it_runs(tmp_path: Path) -> None:
    world = World()
    known: list[bool] = []
    ensure = world.ensure

    async def ensured(trial: Trial, attempt: int) -> None:
        known.append(trial in [entry.trial for entry in read(tmp_path)[1].ledger.entries])
        await ensure(trial, attempt)

    world.ensure = ensured  # type: ignore[method-assign]
    search(tmp_path, world, budget=Budget(max_profiles=3, parallelism=2))
    assert known
    assert all(known)


def test_no_more_run_at_once_than_allowed(tmp_path: Path) -> None:
    world = World()
    search(tmp_path, world, budget=Budget(max_profiles=9, parallelism=3))
    running: set[AttemptId] = set()
    most = 0
    for name, identity in world.calls:
        if name == "ensure" and identity:
            running.add(identity)
        elif name == "release" and identity:
            running.discard(identity)
        most = max(most, len(running))
    assert most == 3


@pytest.mark.parametrize("parallelism", [1, 3])
@pytest.mark.parametrize("call", range(1, 40))
def test_wherever_it_crashes_the_same_is_found_and_nothing_runs_twice(
    tmp_path: Path, call: int, parallelism: int
) -> None:
    budget = Budget(max_profiles=7, parallelism=parallelism)
    world = World(crash_at=call)
    try:
        search(tmp_path / "crashed", world, budget=budget)
    except Crash:
        search(tmp_path / "crashed", world, budget=budget)
    search(tmp_path / "whole", World(), budget=budget)
    crashed, whole = read(tmp_path / "crashed")[1].ledger, read(tmp_path / "whole")[1].ledger
    assert set(world.runs.values()) == {1}
    assert crashed.fingerprints == whole.fingerprints
    assert [entry.outcome for entry in crashed.entries] == [entry.outcome for entry in whole.entries]
    assert {len(entry.attempts) for entry in crashed.entries} == {1}


def test_a_lost_attempt_is_repeated_and_costs_what_it_cost(tmp_path: Path) -> None:
    def outcome(trial: Trial, attempt: int) -> Outcome:
        return Lost("NodeLost", "gone") if (trial.number, attempt) == (1, 0) else measures_itself(trial, attempt)

    search(tmp_path, World(outcome), budget=Budget(max_profiles=2))
    entry = read(tmp_path)[1].ledger.entries[1]
    assert [attempt.reason for attempt in entry.attempts] == ["NodeLost", "Measured"]
    assert entry.attempts[0] == Attempt("NodeLost", "gone", 2.0, 2.0 / 3600)
    assert isinstance(entry.outcome, Measured)


def test_a_trial_whose_attempts_are_all_lost_is_lost(tmp_path: Path) -> None:
    verdict = search(tmp_path, World(lambda *_: Lost("NodeLost")), budget=Budget(max_profiles=2), attempts=2)
    ledger = read(tmp_path)[1].ledger
    assert (verdict.phase, verdict.reason) == (Phase.FAILED, "TrialsLost")
    assert [attempt.reason for attempt in ledger.entries[0].attempts] == ["NodeLost", "NodeLost"]


def test_stopping_cancels_what_runs_keeps_the_trial_and_uses_up_no_attempt(tmp_path: Path) -> None:
    stop = asyncio.Event()

    def outcome(trial: Trial, attempt: int) -> Outcome:
        if trial.number == 2:
            stop.set()
        return measures_itself(trial, attempt)

    world = World(outcome)
    # Two in flight: when the third trial ends, the fourth has been seen only once.
    budget = Budget(max_profiles=6, parallelism=2)
    verdict = search(tmp_path, world, budget=budget, stop=stop)
    state = read(tmp_path)[1]
    assert (verdict.phase, verdict.reason) == (Phase.SUSPENDED, "Interrupted")
    assert state.verdict == verdict
    assert world.calls[-1][0] == "release"
    assert all(not attempt.counts for entry in state.ledger.pending for attempt in entry.attempts)

    again = search(tmp_path, world, budget=budget)
    ledger = read(tmp_path)[1].ledger
    assert again.phase is Phase.COMPLETE
    assert ledger.profiled == 6
    assert set(world.runs.values()) == {1}
    assert len(ledger.fingerprints) == len(ledger.entries)


def test_a_larger_budget_goes_on_after_the_end(tmp_path: Path) -> None:
    search(tmp_path, World(), budget=Budget(max_profiles=2))
    assert search(tmp_path, World(), budget=Budget(max_profiles=2)).phase is Phase.COMPLETE
    search(tmp_path, World(), budget=Budget(max_profiles=4))
    assert read(tmp_path)[1].ledger.profiled == 4


def test_an_attempt_that_the_platform_refuses_ends_the_search_with_its_reason(tmp_path: Path) -> None:
    verdict = search(tmp_path, World(refuse=True), budget=Budget(max_profiles=2))
    assert (verdict.phase, verdict.reason) == (Phase.FAILED, "NoSuchProgram")
    assert "`bench`" in verdict.message
    assert read(tmp_path)[1].ledger.pending  # it can go on once the program is there


def test_nothing_feasible_is_a_failure(tmp_path: Path) -> None:
    verdict = search(tmp_path, World(lambda *_: Infeasible("OutOfMemory")), budget=Budget(max_profiles=3))
    assert (verdict.phase, verdict.reason) == (Phase.FAILED, "NoFeasibleConfiguration")


def test_used_up_time_stops_what_runs_and_gives_up_what_is_pending(tmp_path: Path) -> None:
    verdict = search(tmp_path, World(), budget=Budget(max_profiles=9, max_seconds=0.0))
    assert verdict.phase is Phase.FAILED
    assert read(tmp_path)[1].ledger.entries == ()

    world = World(lambda *_: Lost("NodeLost"))
    verdict = search(tmp_path / "hours", world, budget=Budget(max_profiles=9, max_gpu_hours=1e-9), attempts=9)
    entry = read(tmp_path / "hours")[1].ledger.entries[0]
    assert isinstance(entry.outcome, Lost)
    assert entry.outcome.reason == "MaxGpuHours"


def test_a_profile_that_can_no_longer_win_is_stopped_and_counts_as_measured(tmp_path: Path) -> None:
    world = World(reports={2: [20.0, 21.0, 20.5]})
    verdict = search(tmp_path, world, budget=Budget(max_profiles=4))
    assert verdict.phase is Phase.COMPLETE
    entry = read(tmp_path)[1].ledger.entries[2]
    assert isinstance(entry.outcome, Measured)
    assert [attempt.reason for attempt in entry.attempts] == ["CannotWin"]
    assert {identity for name, identity in world.calls if name == "stop_early"} == {AttemptId(2, 0)}


def test_none_is_stopped_where_that_is_not_wanted(tmp_path: Path) -> None:
    world, stop = World(reports={1: [90.0, 90.0, 90.0]}), asyncio.Event()

    async def ensured(trial: Trial, attempt: int) -> None:
        await ensure(trial, attempt)
        if trial.number == 1 and len(world.calls) > 20:
            stop.set()

    ensure, world.ensure = world.ensure, ensured  # type: ignore[method-assign]
    search(tmp_path, world, budget=Budget(max_profiles=3), stop=stop, stop_early=False)
    assert "stop_early" not in {name for name, _ in world.calls}
