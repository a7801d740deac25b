"""Which running profiles can no longer win."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.search.test_plan import PROBLEM, entry, measured

from autoscout.search.early_stop import LEAST_MARGIN, REPORTS, cannot_win, standard
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.outcome import Infeasible, Measured
from autoscout.search.problem import Goal, MetricConstraint, Objective, Problem

FASTEST = replace(PROBLEM, objectives=(Objective("tokens_per_second", Goal.MAXIMIZE),))


def hopeless(*reports: float, problem: Problem = PROBLEM, number: int = 3, entries: tuple[Entry, ...] = ()) -> bool:
    ledger = Ledger(entries or (entry(0, measured(4.0)), entry(1, measured(2.0))))
    return cannot_win(problem, standard(problem, ledger), number, reports)


def test_a_profile_whose_best_report_is_far_behind_the_incumbent_is_stopped() -> None:
    assert hopeless(9.0, 5.0, 3.1)


def test_one_good_report_saves_it() -> None:
    assert not hopeless(9.0, 2.9, 9.0)


def test_too_few_reports_say_nothing() -> None:
    assert not hopeless(*[9.0] * (REPORTS - 1))


def test_the_default_is_never_stopped() -> None:
    assert not hopeless(9.0, 9.0, 9.0, number=0)


def test_without_an_incumbent_nothing_is_stopped() -> None:
    assert not hopeless(9.0, 9.0, 9.0, entries=(entry(0, Infeasible("OutOfMemory")),))


def test_where_more_is_better_the_best_report_is_the_largest() -> None:
    entries = (entry(0, Measured({"tokens_per_second": 300.0})),)
    assert hopeless(90.0, 150.0, 199.0, problem=FASTEST, entries=entries)
    assert not hopeless(90.0, 150.0, 201.0, problem=FASTEST, entries=entries)


def test_with_several_objectives_none_is_known_to_be_lost() -> None:
    two = replace(PROBLEM, objectives=(*PROBLEM.objectives, Objective("peak_memory_gib")))
    entries = (entry(0, Measured({"seconds": 1.0, "peak_memory_gib": 1.0})),)
    assert not hopeless(9.0, 9.0, 9.0, problem=two, entries=entries)


@pytest.mark.parametrize("value", [0.0, -2.0])
def test_where_a_ratio_means_nothing_none_is_stopped(value: float) -> None:
    assert not hopeless(9.0, 9.0, 9.0, entries=(entry(0, measured(value)),))


def test_what_breaks_a_constraint_is_no_incumbent() -> None:
    bound = replace(PROBLEM, constraints=(MetricConstraint("peak_memory_gib", maximum=10.0),))
    tight = Measured({"seconds": 1.0, "peak_memory_gib": 11.0})
    loose = Measured({"seconds": 4.0, "peak_memory_gib": 9.0})
    assert not hopeless(5.0, 5.0, 5.0, problem=bound, entries=(entry(0, loose), entry(1, tight)))


def test_the_margin_grows_with_the_noise_that_the_ledger_shows() -> None:
    steady = Measured({"seconds": 2.0}, {"seconds": (2.0, 2.01, 1.99)})
    noisy = Measured({"seconds": 2.0}, {"seconds": (2.0, 6.0, 1.5)})
    assert standard(PROBLEM, Ledger((entry(0, steady),))) == 2.0 * (1 + LEAST_MARGIN)
    assert standard(PROBLEM, Ledger((entry(0, noisy),))) == 2.0 * 3
    few = Measured({"seconds": 2.0}, {"seconds": (2.0, 9.0)})
    assert standard(PROBLEM, Ledger((entry(0, few),))) == 2.0 * (1 + LEAST_MARGIN)
