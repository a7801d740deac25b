"""What makes each rival the algorithm of its paper."""

from __future__ import annotations

import builtins
import math
from dataclasses import replace

import numpy as np
import pytest
from tests.support.landscapes import PROBLEM, history, landscape
from tests.unit.space.spaces import parameter, space

from autoscout.baselines import algorithm
from autoscout.baselines.coordinate import RESTART
from autoscout.baselines.moves import moved, neighbours, pending_too
from autoscout.baselines.process import fitted, probability_below
from autoscout.baselines.samples import penalised, samples
from autoscout.baselines.vectors import vectors
from autoscout.search.benchmark import Setup, run
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import generator
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout.search.problem import Goal, MetricConstraint, Objective, Problem
from autoscout.simulators.workload import Architecture, Hardware, Pool, Workload

LINE = Problem(
    space(parameter("x", range(20), default=4), parameter("y", range(20), default=4)), (Objective("seconds"),)
)


def ledger(problem, *steps):
    """A ledger of (assignment, metrics or outcome or None)."""
    entries = []
    for number, (assignment, end, *proposer) in enumerate(steps):
        outcome = Measured(end) if isinstance(end, dict) else end
        trial = Trial(number, problem.space.canonical(assignment), *(proposer or ["test"]))
        entries.append(Entry(trial, outcome=outcome, position=None if outcome is None else number))
    return Ledger(tuple(entries))


def suggest(name, problem, past, count=1):
    return algorithm(name).suggest(problem, past, generator(problem.seed, past.next_number), count)


def settings(proposals):
    return [dict(proposal.configuration) for proposal in proposals]


# What all of them read the history by


def test_samples_rank_feasible_ones_by_cost_then_broken_bounds_by_how_much_then_crashes():
    problem = replace(LINE, constraints=(MetricConstraint("ms", maximum=10),))
    found = samples(
        problem,
        ledger(
            problem,
            ({"x": 0, "y": 0}, Infeasible("OutOfMemory")),
            ({"x": 1, "y": 0}, {"seconds": 1, "ms": 30}),
            ({"x": 2, "y": 0}, {"seconds": 9, "ms": 10}),
            ({"x": 3, "y": 0}, {"seconds": 1, "ms": 11}),
            ({"x": 4, "y": 0}, {"seconds": 5, "ms": 1}),
            ({"x": 5, "y": 0}, Lost("NodeFailure")),
            ({"x": 6, "y": 0}, None),
        ),
    )
    order = sorted(found, key=lambda sample: sample.rank)
    assert [sample.configuration["x"] for sample in order] == [4, 2, 3, 1, 0]


def test_more_is_less_where_the_objective_is_to_be_large():
    problem = replace(LINE, objectives=(Objective("rate", Goal.MAXIMIZE),))
    found = samples(problem, ledger(problem, ({"x": 0, "y": 0}, {"rate": 5}), ({"x": 1, "y": 0}, {"rate": 7})))
    assert [sample.cost for sample in found] == [-5, -7]
    assert penalised(found)[1] < penalised(found)[0]


def test_what_is_infeasible_counts_as_a_little_worse_than_the_worst():
    found = samples(
        LINE,
        ledger(
            LINE,
            ({"x": 0, "y": 0}, {"seconds": 1.0}),
            ({"x": 1, "y": 0}, {"seconds": math.e}),
            ({"x": 2, "y": 0}, Infeasible("OutOfMemory")),
        ),
    )
    assert penalised(found) == pytest.approx([0.0, 1.0, 1.1])
    assert penalised(found[2:]) == [0.0]


def test_a_move_that_is_not_valid_is_repaired():
    default = PROBLEM.space.default()
    step = moved(PROBLEM.space, default, "tp", 4)
    assert (step["tp"], step["dp"]) == (4, 2)
    assert all(each["tp"] * each["pp"] * each["dp"] == 8 for each in neighbours(PROBLEM.space, default))


def test_points_have_grids_as_places_and_texts_apart_from_each_other():
    few = space(parameter("n", [1, 2, 4]), parameter("t", ["a", "b", "c"]), parameter("m", [5, 6], when="n > 1"))
    rows = vectors(few, [few.canonical({"n": 1, "t": "a"}), few.canonical({"n": 4, "t": "c", "m": 6})])
    assert rows[:, 0].tolist() == [0.0, 1.0]
    assert np.linalg.norm(rows[0, 1:4] - rows[1, 1:4]) == pytest.approx(1.0)
    assert rows[:, 4].tolist() == [0.0, 1.0]


# CherryPick


def test_the_process_goes_through_what_was_measured_and_is_unsure_elsewhere():
    points = np.linspace(0, 1, 8)[:, None]
    process = fitted(points, np.sin(5 * points[:, 0]))
    mean, deviation = process.predict(np.array([[2 / 7], [0.5], [3.0]]))
    assert mean[0] == pytest.approx(math.sin(10 / 7), abs=0.02)
    assert mean[1] == pytest.approx(math.sin(2.5), abs=0.1)
    assert deviation[2] > 5 * deviation[1]
    assert probability_below(process, np.array([[0.5]]), 2.0)[0] > 0.99


def test_cherrypick_starts_spread_out_and_alike_for_every_seed():
    past = ledger(LINE, ({"x": 4, "y": 4}, {"seconds": 5}))
    starts = settings(suggest("cherrypick", LINE, past, 3))
    assert starts == settings(suggest("cherrypick", replace(LINE, seed=9), past, 3))
    assert len({each["x"] // 5 for each in starts}) == 3


def test_cherrypick_goes_where_improvement_is_expected():
    steps = [
        ({"x": x, "y": y}, {"seconds": 1 + (x - 15) ** 2 + (y - 3) ** 2})
        for x, y in ((4, 4), (0, 19), (10, 10), (19, 0), (13, 6), (6, 1), (17, 12))
    ]
    found = settings(suggest("cherrypick", LINE, ledger(LINE, *steps)))[0]
    assert abs(found["x"] - 15) <= 3
    assert abs(found["y"] - 3) <= 3


def test_cherrypick_stops_by_its_rule_only_when_asked_to():
    steps = [({"x": x, "y": 4}, {"seconds": 2 + 0.01 * (x - 9) ** 2}) for x in (4, 7, 8, 9, 10, 11, 14)]
    past = ledger(LINE, *steps)
    assert suggest("cherrypick", LINE, past)
    assert not suggest("cherrypick", replace(LINE, settings={"stopBelow": 0.5}), past)
    assert suggest("cherrypick", replace(LINE, settings={"stopBelow": 0.5}), Ledger(past.entries[:5]))


# Coordinate search


def test_coordinate_search_changes_one_parameter_and_goes_on_where_it_was_better():
    first = ledger(LINE, ({"x": 4, "y": 4}, {"seconds": 9}))
    step = settings(suggest("coordinate", LINE, first))[0]
    assert sum(step[name] != 4 for name in ("x", "y")) == 1
    assert sum(abs(step[name] - 4) for name in ("x", "y")) == 1
    better = ledger(LINE, ({"x": 4, "y": 4}, {"seconds": 9}), ({"x": 5, "y": 4}, {"seconds": 8}))
    assert settings(suggest("coordinate", LINE, better)) == [{"x": 6, "y": 4}]


def test_coordinate_search_starts_again_where_nothing_near_is_better():
    one = Problem(space(parameter("x", range(6), default=2), parameter("y", [0, 1])), (Objective("seconds"),))
    steps = [({"x": 2, "y": 0}, {"seconds": 1})]
    steps += [({"x": x, "y": 0}, {"seconds": 5}) for x in (0, 1, 3, 4, 5)] + [({"x": 2, "y": 1}, {"seconds": 5})]
    assert [each.proposer for each in suggest("coordinate", one, ledger(one, *steps))] == [RESTART]
    again = ledger(one, *steps, ({"x": 4, "y": 1}, {"seconds": 3}, RESTART))
    near = suggest("coordinate", one, again)[0]
    assert near.proposer == "coordinate"
    assert near.configuration["y"] == 1


def test_coordinate_search_leaves_what_breaks_a_bound_by_less_and_less():
    problem = replace(LINE, constraints=(MetricConstraint("ms", maximum=1),))
    past = ledger(problem, ({"x": 4, "y": 4}, {"seconds": 1, "ms": 9}), ({"x": 4, "y": 5}, {"seconds": 2, "ms": 8}))
    assert settings(suggest("coordinate", problem, past)) == [{"x": 4, "y": 6}]


# UDO


def test_udo_comes_back_to_the_branch_that_was_best():
    steps = [({"x": x, "y": 5 * y}, {"seconds": 1.0 if x == 7 else 50.0}) for x in range(20) for y in range(3)]
    greedy = replace(LINE, settings={"exploration": 0.01})
    assert {each["x"] for each in settings(suggest("udo", greedy, ledger(greedy, *steps), 3))} == {7}
    curious = replace(LINE, settings={"exploration": 100.0})
    assert {each["x"] for each in settings(suggest("udo", curious, ledger(curious, *steps), 5))} != {7}


# Metis


def test_metis_tries_plans_with_all_else_at_its_default_the_cheapest_first():
    job = replace(
        PROBLEM,
        objectives=(Objective("seconds_per_iteration"),),
        workload=Workload(
            "megatron", "training", None, Architecture(32, 4096, 14336, 32, 8, 128, 128256), 32, 4096, precision="bf16"
        ),
        hardware=Hardware((Pool("a", "NVIDIA-A100-SXM4-80GB", 1, 8),)),
    )
    past = ledger(job, (dict(job.space.default()), Infeasible("OutOfMemory")))
    found = suggest("metis", job, past, 5)
    for each in found:
        assert each.proposer == "metis"
        assert (each.configuration["recompute"], each.configuration["share"]) == ("full", 1.0)
    plans = {tuple(each[name] for name in ("tp", "pp", "dp", "mbs")) for each in job.space.enumerate()}
    assert algorithm("metis").simulated(job, past) == 0
    assert algorithm("metis").simulated(job, pending_too(past, found)) == len(plans)
    assert algorithm("autoscout").simulated(job, pending_too(past, found)) == job.space.count()
    off = replace(job, settings={"simulators": False})
    assert algorithm("autoscout").simulated(off, pending_too(past, found)) == 0
    without = suggest("metis", replace(job, workload=None), past, 5)
    assert settings(found) != settings(without)


def test_metis_goes_on_under_its_best_plan_and_says_that_this_is_not_the_papers():
    plans = {(each["tp"], each["pp"], each["dp"], each["mbs"]) for each in PROBLEM.space.enumerate()}
    found = run(landscape(), "metis", algorithm("metis"), 0, Setup(budget=len(plans)), clock=lambda: 0.0)
    assert len(found.best) == len(plans)
    steps = [
        (
            dict(PROBLEM.space.nearest({**PROBLEM.space.default(), "tp": tp, "pp": pp, "dp": dp, "mbs": mbs})),
            {"seconds": 1.0 if (tp, mbs) == (2, 2) else 2.0, "latency": 1.0},
        )
        for tp, pp, dp, mbs in sorted(plans)
    ]
    rest = suggest("metis", PROBLEM, ledger(PROBLEM, *steps), 2)
    assert {each.proposer for each in rest} == {"metis-random"}
    assert {(each.configuration["tp"], each.configuration["mbs"]) for each in rest} == {(2, 2)}


# Adapters


@pytest.mark.parametrize(("name", "package"), [("tpe", "optuna"), ("smac", "ConfigSpace")])
def test_an_adapter_whose_package_is_absent_says_how_to_get_it(name, package, monkeypatch):
    module = {"tpe": "autoscout.baselines.tpe._optuna", "smac": "autoscout.baselines.smac._smac"}[name]
    path, attribute = module.rsplit(".", 1)
    loader = getattr(__import__(path, fromlist=[attribute]), attribute)
    loader.cache_clear()
    real = builtins.__import__

    def absent(wanted, *arguments, **named):
        if wanted.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(wanted, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    problem = replace(PROBLEM, seed=1)
    with pytest.raises(ModuleNotFoundError, match=rf"{package}: pip install 'autoscout\[rivals\]'"):
        suggest(name, problem, history(problem, 12), 8)  # SMAC draws some of them without a model
    loader.cache_clear()
