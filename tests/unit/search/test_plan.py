"""The plan: what to append, run and stop, and when the search is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscout.search.ledger import Attempt, Entry, Fidelity, Ledger, Trial
from autoscout.search.optimizer import Proposal, Standing
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.plan import Phase, Plan, Situation, plan
from autoscout.search.problem import Budget, MetricConstraint, Objective, Problem
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

SPACE = SearchSpace((Parameter("x", Kind.EXECUTION, tuple(range(10)), default=3),), ())
PROBLEM = Problem(SPACE, (Objective("seconds"),), seed=7)


class Ascending:
    """Proposes x = 0, 1, 2, ..., each as long as the history does not hold it."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> list[Proposal]:
        fresh = [c for c in problem.space.enumerate() if c.fingerprint not in history.fingerprints]
        return [Proposal(configuration, "ascending") for configuration in fresh[:count]]


class Telling(Ascending):
    """Says how many trials and outcomes it knew."""

    def standing(self, problem: Problem, history: Ledger) -> Standing:
        return Standing(len(history.entries), Fidelity.SIMULATED, float(len(history.settled)))


def trial(number: int, x: int | None = None) -> Trial:
    return Trial(number, SPACE.canonical({"x": number if x is None else x}), "test")


def entry(number: int, outcome: Outcome | None = None, *attempts: Attempt) -> Entry:
    return Entry(trial(number), attempts, outcome, None if outcome is None else number)


def measured(seconds: float) -> Measured:
    return Measured({"seconds": seconds})


def decide(*entries: Entry, problem: Problem = PROBLEM, **situation: object) -> Plan:
    defaults: dict[str, object] = {"budget": Budget(max_profiles=5, parallelism=1)}
    return plan(problem, Ledger(entries), Situation(**{**defaults, **situation}), Ascending())  # type: ignore[arg-type]


def test_the_first_trial_measures_the_default() -> None:
    decision = decide()
    assert [(t.number, t.proposer, dict(t.configuration)) for t in decision.append] == [(0, "default", {"x": 3})]
    assert decision.ensure == ((decision.append[0], 0),)
    assert decision.verdict.phase is Phase.SEARCHING


def test_the_default_goes_first_and_the_optimizer_fills_the_other_places() -> None:
    decision = decide(budget=Budget(max_profiles=5, parallelism=3))
    assert [(t.number, t.proposer, t.configuration["x"]) for t in decision.append] == [
        (0, "default", 3),
        (1, "ascending", 0),
        (2, "ascending", 1),
    ]


def test_nothing_new_while_all_places_are_taken() -> None:
    decision = decide(entry(0))
    assert decision.append == ()
    assert [(t.number, attempt) for t, attempt in decision.ensure] == [(0, 0)]


def test_a_pending_trial_runs_as_the_attempt_after_those_that_ended() -> None:
    decision = decide(entry(0, None, Attempt("Evicted"), Attempt("NodeLost")))
    assert [(t.number, attempt) for t, attempt in decision.ensure] == [(0, 2)]


def test_infeasible_profiles_count_towards_the_budget_and_lost_ones_do_not() -> None:
    budget = Budget(max_profiles=2)
    told = decide(entry(0, measured(1)), entry(1, Infeasible("OutOfMemory")), budget=budget)
    assert told.verdict.phase is Phase.COMPLETE
    assert told.verdict.reason == "MaxProfiles"
    lost = decide(entry(0, measured(1)), entry(1, Lost("NodeLost")), budget=budget)
    assert [t.number for t in lost.append] == [2]


def test_pending_trials_hold_their_place_in_the_budget() -> None:
    decision = decide(entry(0, measured(1)), entry(1), budget=Budget(max_profiles=2, parallelism=4))
    assert decision.append == ()


def test_no_configuration_is_measured_twice() -> None:
    class Stubborn:
        def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> list[Proposal]:
            return [Proposal(problem.space.default(), "stubborn")] * count

    decision = plan(PROBLEM, Ledger(), Situation(Budget(parallelism=3)), Stubborn())
    assert len(decision.append) == 1


def test_what_the_search_works_with_is_that_of_its_newest_decision() -> None:
    done = Ledger((entry(0, measured(4.0)),))
    budget = Budget(max_profiles=3, parallelism=2)
    told = plan(PROBLEM, done, Situation(budget), Telling())
    assert [trial.number for trial in told.append] == [1, 2]
    assert told.standing == Standing(2, Fidelity.SIMULATED, 1.0)


@pytest.mark.parametrize("suspended", [False, True])
def test_what_the_search_works_with_is_told_again_when_it_is_not_on_record(suspended: bool) -> None:
    newest = replace(trial(1), decided_after=1)
    whole = Ledger((entry(0, measured(4.0)), Entry(newest, (), measured(5.0), 1)))
    lost = Situation(Budget(max_profiles=2), suspended=suspended, standing_told=False)
    assert plan(PROBLEM, whole, lost, Telling()).standing == Standing(1, Fidelity.SIMULATED, 1.0)
    assert plan(PROBLEM, whole, replace(lost, standing_told=True), Telling()).standing is None
    assert plan(PROBLEM, whole, lost, Ascending()).standing is None, "this optimizer does not say"


def test_an_exhausted_space_completes_the_search() -> None:
    entries = [entry(number, measured(number + 1)) for number in range(10)]
    decision = decide(*entries, budget=Budget(max_profiles=50))
    assert (decision.verdict.phase, decision.verdict.reason) == (Phase.COMPLETE, "SpaceExhausted")


def test_a_larger_budget_takes_a_complete_search_up_again() -> None:
    entries = [entry(number, measured(number + 1)) for number in range(2)]
    assert decide(*entries, budget=Budget(max_profiles=2)).verdict.phase is Phase.COMPLETE
    assert decide(*entries, budget=Budget(max_profiles=3)).append[0].number == 2


def test_fewer_places_stop_nothing_that_runs() -> None:
    entries = (entry(0), entry(1), entry(2))
    decision = decide(*entries, in_flight=frozenset({(0, 0), (1, 0), (2, 0)}), budget=Budget(parallelism=1))
    assert decision.cancel == ()
    assert decision.append == ()


def test_suspension_stops_what_runs_and_starts_nothing() -> None:
    decision = decide(entry(0), suspended=True, in_flight=frozenset({(0, 0)}))
    assert decision.verdict.phase is Phase.SUSPENDED
    assert decision.cancel == ((0, 0),)
    assert decision.ensure == decision.append == ()


@pytest.mark.parametrize(
    ("budget", "situation", "reason"),
    [
        (Budget(max_seconds=60), {"elapsed_seconds": 60.0}, "MaxDuration"),
        (Budget(max_gpu_hours=2), {"running_gpu_hours": 2.0}, "MaxGpuHours"),
    ],
)
def test_a_used_up_budget_stops_then_gives_up_then_completes(
    budget: Budget, situation: dict[str, object], reason: str
) -> None:
    done, waiting = entry(0, measured(1)), entry(1)
    stopping = decide(done, waiting, budget=budget, in_flight=frozenset({(1, 0)}), **situation)
    assert stopping.cancel == ((1, 0),)
    assert stopping.verdict.phase is Phase.SEARCHING
    giving_up = decide(done, waiting, budget=budget, **situation)
    assert giving_up.give_up is not None
    assert (giving_up.give_up.numbers, giving_up.give_up.reason) == ((1,), reason)
    over = decide(done, replace(waiting, outcome=Lost(reason), position=1), budget=budget, **situation)
    assert (over.verdict.phase, over.verdict.reason) == (Phase.COMPLETE, reason)


def test_gpu_hours_of_failed_attempts_count() -> None:
    lost = entry(0, None, Attempt("NodeLost", gpu_hours=3))
    assert decide(lost, budget=Budget(max_gpu_hours=2)).give_up is not None


def test_a_search_that_never_ran_fails_at_the_first_lost_trial() -> None:
    decision = decide(entry(0, Lost("ImagePullBackOff", "no such image")))
    assert (decision.verdict.phase, decision.verdict.reason) == (Phase.FAILED, "TrialsLost")
    assert "no such image" in decision.verdict.message


def test_a_search_that_ran_fails_after_three_lost_trials_in_a_row() -> None:
    ran, lost = entry(0, measured(1)), [entry(n, Lost("NodeLost")) for n in (1, 2, 3)]
    assert decide(ran, *lost[:2]).verdict.phase is Phase.SEARCHING
    assert decide(ran, *lost).verdict.phase is Phase.FAILED


def test_trials_that_the_search_gave_up_are_no_infrastructure_failure() -> None:
    given_up = [entry(n, Lost("MaxDuration")) for n in (1, 2, 3)]
    assert decide(entry(0, measured(1)), *given_up).verdict.phase is Phase.SEARCHING


def test_a_search_without_any_feasible_measurement_fails_and_says_so() -> None:
    bounded = replace(PROBLEM, constraints=(MetricConstraint("seconds", maximum=0.5),))
    decision = decide(entry(0, measured(1)), entry(1, measured(2)), problem=bounded, budget=Budget(max_profiles=2))
    assert (decision.verdict.phase, decision.verdict.reason) == (Phase.FAILED, "NoFeasibleConfiguration")


def test_what_flies_without_being_wanted_is_stopped() -> None:
    decision = decide(entry(0, None, Attempt("Evicted")), in_flight=frozenset({(0, 0)}))
    assert decision.cancel == ((0, 0),)


def test_the_same_ledger_gives_the_same_plan() -> None:
    entries = (entry(0, measured(1)), entry(1))
    budget = Budget(max_profiles=9, parallelism=4)
    assert decide(*entries, budget=budget) == decide(*entries, budget=budget)


def test_what_can_no_longer_win_is_stopped_early_and_still_counts_as_running() -> None:
    reports = {(1, 0): (9.0, 8.0, 7.0)}
    decision = decide(entry(0, measured(1)), entry(1), in_flight=frozenset({(1, 0)}), reports=reports)
    assert decision.stop_early == ((1, 0),)
    assert decision.cancel == ()
    assert [t.number for t, _ in decision.ensure] == [1]


def test_nothing_is_stopped_early_while_the_base_of_every_comparison_still_runs() -> None:
    assert decide(entry(0), reports={(0, 0): (9.0, 8.0, 7.0)}).stop_early == ()
