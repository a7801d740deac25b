"""The incumbent: the best feasible measurement, and how much better it is than the default."""

from __future__ import annotations

from statistics import median

import pytest

from autoscout.search.incumbent import incumbent, speedup
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.outcome import Infeasible, Measured, Outcome
from autoscout.search.problem import Goal, MetricConstraint, Objective, Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

SPACE = SearchSpace((Parameter("x", Kind.EXECUTION, tuple(range(100)), default=0),), ())


def problem(goal: Goal = Goal.MINIMIZE, *constraints: MetricConstraint) -> Problem:
    return Problem(SPACE, (Objective("value", goal),), constraints)


def ledger(*outcomes: Outcome | None) -> Ledger:
    return Ledger(
        tuple(
            Entry(Trial(number, Configuration((("x", number),)), "test"), (), outcome, number)
            for number, outcome in enumerate(outcomes)
        )
    )


def value(number: float, **others: float) -> Measured:
    return Measured({"value": number, **others})


@pytest.mark.parametrize(("goal", "best"), [(Goal.MINIMIZE, 2), (Goal.MAXIMIZE, 1)])
def test_the_best_by_the_goal_wins(goal: Goal, best: int) -> None:
    found = incumbent(problem(goal), ledger(value(5), value(9), value(1), None, Infeasible("OutOfMemory")))
    assert found is not None
    assert found.trial.number == best


def test_a_measurement_that_breaks_a_constraint_or_does_not_report_it_is_not_accepted() -> None:
    bounded = problem(Goal.MINIMIZE, MetricConstraint("memory", maximum=10))
    found = incumbent(bounded, ledger(value(1, memory=11), value(2), value(3, memory=10)))
    assert found is not None
    assert found.trial.number == 2


def test_of_equals_the_earlier_one_stays() -> None:
    found = incumbent(problem(), ledger(value(1), value(1)))
    assert found is not None
    assert found.trial.number == 0


def sampled(*samples: float) -> Measured:
    return Measured({"value": median(samples)}, {"value": samples})


@pytest.mark.parametrize("goal", list(Goal))
def test_a_lucky_measurement_does_not_become_the_incumbent(goal: Goal) -> None:
    sign = 1 if goal is Goal.MINIMIZE else -1
    steady = sampled(*(100 - sign * noise for noise in (0.1, 0.0, -0.1, 0.0)))
    lucky = sampled(*(100 - sign * noise for noise in (30.0, 1.0, 1.0, -20.0)))
    found = incumbent(problem(goal), ledger(steady, lucky))
    assert found is not None
    assert found.outcome is steady


def test_a_single_sample_is_as_uncertain_as_those_of_the_others() -> None:
    steady, other, single = sampled(9.9, 10.0, 10.1, 10.0), sampled(18.0, 20.0, 22.0, 20.0), value(9.9)
    # A typical sample is off by 5 %: 9.9 from one of them is no better than 10 from four that agree.
    found = incumbent(problem(), ledger(steady, other, single))
    assert found is not None
    assert found.outcome is steady
    clear = incumbent(problem(), ledger(steady, other, value(8.0)))
    assert clear is not None
    assert clear.trial.number == 2


@pytest.mark.parametrize(("goal", "ratio"), [(Goal.MINIMIZE, 4.0), (Goal.MAXIMIZE, 2.0)])
def test_a_speedup_above_one_is_always_better_than_the_default(goal: Goal, ratio: float) -> None:
    assert speedup(problem(goal), ledger(value(8), value(2), value(16))) == pytest.approx(ratio)


def test_there_is_no_speedup_without_a_measured_default() -> None:
    assert speedup(problem(), ledger(Infeasible("OutOfMemory"), value(2))) is None
    assert speedup(problem(), ledger(None, value(2))) is None


def test_values_without_a_meaningful_ratio_have_no_speedup() -> None:
    assert speedup(problem(), ledger(value(0), value(-1))) is None
