"""Random search: uniform, never twice, and it knows when nothing is left."""

from __future__ import annotations

import math

import pytest

from autoscout.baselines import ALGORITHMS, algorithm
from autoscout.baselines.random_search import RandomSearch
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import generator
from autoscout.search.problem import Objective, Problem
from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace


def problem(size, *constraints):
    parameters = (Parameter("x", Kind.EXECUTION, tuple(range(size)), 0),)
    return Problem(SearchSpace(parameters, tuple(map(Expression, constraints))), (Objective("seconds"),))


def ledger(search, *values):
    trials = [Trial(number, search.space.canonical({"x": x}), "test") for number, x in enumerate(values)]
    return Ledger(tuple(Entry(trial) for trial in trials))


def suggested(search, history, count, seed=0):
    proposals = RandomSearch().suggest(search, history, generator(seed, len(history.entries)), count)
    assert all(proposal.proposer == "random" for proposal in proposals)
    return [proposal.configuration["x"] for proposal in proposals]


def test_it_proposes_valid_configurations_that_the_ledger_does_not_hold():
    search = problem(100, "x % 2 == 0")
    history = ledger(search, *range(0, 50, 2))
    values = suggested(search, history, 20)
    assert len(set(values)) == 20
    assert set(values) <= set(range(50, 100, 2))


def test_it_is_a_function_of_its_arguments():
    search = problem(1000)
    assert suggested(search, Ledger(), 5) == suggested(search, Ledger(), 5)
    assert suggested(search, Ledger(), 5) != suggested(search, Ledger(), 5, seed=1)


def test_it_is_uniform_over_what_is_left():
    search = problem(10)
    history = ledger(search, 0, 1)
    drawn = [suggested(search, history, 1, seed)[0] for seed in range(4000)]
    assert set(drawn) == set(range(2, 10))
    statistic = sum((drawn.count(x) - 500) ** 2 / 500 for x in range(2, 10))
    assert statistic < 7 + 5 * math.sqrt(14)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_it_finds_the_last_ones_and_then_nothing(left):
    search = problem(4000)
    history = ledger(search, *range(4000 - left))
    assert sorted(suggested(search, history, 3)) == list(range(4000 - left, 4000))


def test_fewer_than_asked_for_where_there_are_no_more():
    assert sorted(suggested(problem(4), Ledger(), 10)) == [0, 1, 2, 3]


def test_algorithms_are_found_by_name():
    assert isinstance(algorithm("random"), RandomSearch)
    with pytest.raises(KeyError, match=r"'randon' is not known; there are: .*\brandom\b"):
        algorithm("randon")
    assert all(name == name.lower() for name in ALGORITHMS)
