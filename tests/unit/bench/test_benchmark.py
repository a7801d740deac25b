"""One algorithm on one landscape: what counts, and what is written down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from tests.support.landscapes import PROBLEM, TINY, landscape, tiny_landscape

from autoscout.baselines.random_search import RandomSearch
from autoscout.report.benchmark import Results, json_text, quantile, text
from autoscout.report.convergence import convergence, reached, wall_clock
from autoscout.search.benchmark import Run, Setup, is_near, run
from autoscout.search.landscape import Status
from autoscout.search.optimizer import Proposal
from autoscout.search.outcome import Infeasible, Measured
from autoscout.search.problem import Goal


@dataclass
class InOrder:
    """Proposes given configurations one after another."""

    configurations: list
    most_pending: list[int] = field(default_factory=list)

    def suggest(self, problem, history, rng, count):
        self.most_pending.append(len(history.pending))
        fresh = [each for each in self.configurations if each.fingerprint not in history.fingerprints]
        return [Proposal(each, "in-order") for each in fresh[:count]]


def ticking():
    now = iter(range(10_000))
    return lambda: float(next(now))


def ran(table, configurations, **setup):
    return run(table, "in-order", InOrder(configurations), 0, Setup(**setup), ticking())


def by_value(table):
    """Feasible configurations, the worst first."""
    feasible = [row.configuration for row in table.rows.values() if table.value(row.configuration) is not None]
    return sorted(feasible, key=table.value, reverse=table.problem.objectives[0].goal is Goal.MINIMIZE)


def test_trial_0_is_the_default_and_infeasible_profiles_count():
    table = landscape()
    worst, *_, best = by_value(table)
    found = ran(table, [worst, best], budget=10)
    assert found.best == (None, table.value(worst), table.optimum)  # the default runs out of memory
    assert found.profiles_to["1.01"] == 3


def test_a_configuration_that_breaks_a_constraint_is_no_incumbent():
    table = landscape()
    over = next(
        row.configuration
        for row in table.rows.values()
        if isinstance(table.outcome(row.configuration), Measured) and row.metrics["latency"] > 60
    )
    assert table.value(over) is None
    assert ran(table, [over], budget=10).best == (None, None)


def test_it_stops_at_the_budget_or_when_nothing_is_proposed():
    table = landscape()
    assert len(ran(table, by_value(table), budget=7).best) == 7
    assert len(ran(table, by_value(table)[:3], budget=7).best) == 4


def test_profiles_to_counts_until_the_incumbent_is_near_enough():
    table = tiny_landscape()  # the default is worth 1, the best 6
    values = {table.value(each): each for each in by_value(table)}
    found = ran(table, [values[4.0], values[5.0], values[6.0]], budget=9)
    assert found.best == (1.0, 4.0, 5.0, 6.0)
    assert found.profiles_to == {"1.10": 4, "1.05": 4, "1.01": 4}
    assert ran(table, [values[4.0]], budget=2).profiles_to == {"1.10": None, "1.05": None, "1.01": None}


@pytest.mark.parametrize(("until", "profiles"), [(1.6, 2), (1.3, 3), (1.0, 4), (None, 9)])
def test_a_run_can_end_when_it_is_near_enough(until, profiles):
    table = tiny_landscape()
    values = {table.value(each): each for each in by_value(table)}
    first = [values[4.0], values[5.0], values[6.0]]
    rest = [each for each in by_value(table) if each not in first]
    assert len(ran(table, [*first, *rest], budget=9, until=until).best) == profiles


def test_time_is_modelled_profile_by_profile():
    table = landscape()
    worst, *_, best = by_value(table)
    costs = {None: 1.0, Status.OOM: 5.0, Status.OK: 60.0}
    found = ran(table, [worst, best], budget=10, cost=lambda problem, row: costs[row and row.status])
    assert found.elapsed == (5.0, 65.0, 125.0)  # the default runs out of memory
    assert ran(table, [worst, best], budget=10).elapsed == ()


@pytest.mark.parametrize(
    ("value", "optimum", "goal", "near"),
    [
        (1.05, 1.0, Goal.MINIMIZE, True),
        (1.0501, 1.0, Goal.MINIMIZE, False),
        (100, 105, Goal.MAXIMIZE, True),
        (99, 105, Goal.MAXIMIZE, False),
        (-97, -100, Goal.MINIMIZE, True),
        (-94, -100, Goal.MINIMIZE, False),
        (0.0, 0.0, Goal.MINIMIZE, True),
    ],
)
def test_nearness_is_a_ratio_whichever_way_is_better(value, optimum, goal, near):
    assert is_near(value, optimum, 1.05, goal) is near


def test_only_the_time_in_the_optimizer_counts():
    found = ran(landscape(), by_value(landscape())[:3], budget=10)
    assert found.optimizer_seconds == 5.0  # one tick for each of four decisions and for the last, to stop


def test_several_profiles_in_flight_end_in_the_order_in_which_they_began():
    table = landscape()
    optimizer = InOrder(by_value(table))
    found = run(table, "in-order", optimizer, 0, Setup(budget=6, parallelism=3), ticking())
    assert len(found.best) == 6
    assert max(optimizer.most_pending) == 2


def test_noise_changes_what_is_measured_but_not_what_is_reported_of_the_incumbent():
    table = landscape()
    best = by_value(table)[-1]
    true, noisy = table.outcome(best), table.outcome(best, seed=1, noise=0.3)
    assert true.metrics["seconds"] != noisy.metrics["seconds"]
    assert noisy == table.outcome(best, seed=1, noise=0.3) != table.outcome(best, seed=2, noise=0.3)
    found = run(table, "random", RandomSearch(), 1, Setup(budget=30, noise=0.3), ticking())
    values = {table.value(row.configuration) for row in table.rows.values()}
    assert {value for value in found.best if value is not None} <= values


def test_noise_is_log_normal():
    table = tiny_landscape()
    each = next(iter(table.rows.values())).configuration
    true = table.value(each)
    factors = sorted(table.outcome(each, seed=seed, noise=0.05).metrics["rate"] / true for seed in range(2000))
    assert factors[1000] == pytest.approx(1.0, abs=0.006)
    assert factors[int(0.8413 * 2000)] == pytest.approx(1.0513, abs=0.008)


def test_a_configuration_without_a_row_counts_as_infeasible():
    table = replace(tiny_landscape(), rows={})
    assert isinstance(table.outcome(TINY.space.default()), Infeasible)
    assert table.optimum is None


def results(*runs):
    return Results("modelled", "seconds", 4.0, 5, runs)


def one(algorithm="udo", seed=0, best=(None, 8.0, 4.0), to=(3, 3, 3), simulated=0):
    return Run(algorithm, seed, best, dict(zip(("1.10", "1.05", "1.01"), to, strict=True)), simulated, 0.25)


def test_results_json_is_as_the_design_defines_it():
    document = json.loads(json_text(results(one(), one("random", 1, (None,), (None, None, None), 7))))
    assert document == {
        "landscape": "modelled",
        "optimum": 4.0,
        "budget": 5,
        "runs": [
            {
                "algorithm": "udo",
                "seed": 0,
                "best": [None, 8.0, 4.0],
                "profilesTo": {"1.10": 3, "1.05": 3, "1.01": 3},
                "simulated": 0,
                "optimizerSeconds": 0.25,
            },
            {
                "algorithm": "random",
                "seed": 1,
                "best": [None],
                "profilesTo": {"1.10": None, "1.05": None, "1.01": None},
                "simulated": 7,
                "optimizerSeconds": 0.25,
            },
        ],
    }


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ([4, 2, 9], 0.5, 4),
        ([4, 2], 0.5, 3),
        ([4, None, 2], 0.5, 4),
        ([4, None], 0.5, None),
        ([None, None, 2], 0.5, None),
        ([1, 2, 3, None], 0.5, 2.5),
        ([7], 0.25, 7),
    ],
)
def test_a_run_that_does_not_get_there_counts_as_infinitely_long(counts, share, value):
    assert quantile(counts, share) == value


def test_the_table_shows_medians_side_by_side():
    shown = text(results(one(), one(seed=1, to=(3, 5, None)), one("random", best=(None,), to=(None,) * 3)))
    lines = [line.split() for line in shown.splitlines()]
    assert lines[2][:3] == ["udo", "3", "[3-3]"]
    assert "1/2" in lines[2]
    assert lines[3][0] == "random"
    assert lines[3][1:4] == ["-", "-", "-"]


def test_the_plots_show_every_algorithm():
    found = results(one(), one(seed=1), one("random", best=(8.0, 8.0, 7.0), to=(None,) * 3))
    for plot in (convergence(found), reached(found)):
        assert plot.startswith("<svg ")
        assert ">udo</text>" in plot
        assert ">random</text>" in plot
        assert "nan" not in plot
        assert "inf" not in plot


def test_the_plot_against_time_needs_a_time_for_every_run():
    timed = [replace(one(seed=seed), elapsed=(60.0, 120.0, 180.0)) for seed in range(2)]
    plot = wall_clock(results(*timed))
    assert ">minutes of profiles (modelled)</text>" in plot
    assert ">udo</text>" in plot
    assert wall_clock(results(*timed, one("random"))) == ""


def test_there_is_no_convergence_to_show_without_an_optimum():
    assert convergence(replace(results(one(best=(None,))), optimum=None)) == ""


def test_the_landscape_and_the_problem_are_left_alone():
    table = landscape()
    ran(table, by_value(table)[:3], budget=10)
    assert table.problem == PROBLEM
