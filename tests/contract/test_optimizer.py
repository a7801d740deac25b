"""What every search algorithm keeps, whoever wrote it: `autoscout.search.optimizer.Optimizer`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest
from tests.support.landscapes import (
    NAMES,
    PROBLEM,
    TINY,
    history,
    landscape,
    missing_packages,
    suggested,
    tiny_landscape,
)

from autoscout.baselines import algorithm
from autoscout.search.benchmark import Setup, run
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import generator
from autoscout.search.outcome import Lost

SLOW = {"smac"}
"""Takes about a second for a proposal: fewer of them are asked for."""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Every algorithm that a TuningJob can name."""
    if missing := missing_packages(request.param):
        pytest.skip(f"not installed: {', '.join(missing)} (the extra `rivals`)")
    return str(request.param)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """Another process, started from nothing: other hash seeds, empty caches."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def proposals(name: str, ledger: Ledger, count: int, problem=PROBLEM):
    rng = generator(problem.seed, ledger.next_number)
    return algorithm(name).suggest(replace(problem, algorithm=name), ledger, rng, count)


@pytest.mark.parametrize(("settled", "pending"), [(1, 0), (0, 1), (4, 3), (25, 0), (30, 4)])
def test_proposals_are_valid_new_and_distinct(name, settled, pending):
    ledger = history(PROBLEM, settled, pending)
    found = proposals(name, ledger, 3)
    prints = [each.configuration.fingerprint for each in found]
    assert len(prints) == len(set(prints)) == 3
    assert not set(prints) & ledger.fingerprints
    for each in found:
        assert PROBLEM.space.canonical(dict(each.configuration)) == each.configuration
        assert each.proposer
        assert len(each.proposer) <= 63


def test_the_same_arguments_give_the_same_proposals_in_another_process(name, elsewhere):
    for settled, pending in ((1, 0), (14, 2), (40, 0)):
        ledger = history(PROBLEM, settled, pending)
        here = suggested(name, PROBLEM, ledger, 2)
        assert here == suggested(name, PROBLEM, ledger, 2)
        assert elsewhere.submit(suggested, name, PROBLEM, ledger, 2).result() == here


def test_what_was_asked_before_changes_nothing(name):
    """Caches of the fold are caches: a prefix, another job or another seed in between leaves no trace."""
    ledger = history(PROBLEM, 20)
    first = suggested(name, PROBLEM, ledger, 1)
    suggested(name, PROBLEM, Ledger(ledger.entries[:11]), 1)
    suggested(name, replace(PROBLEM, seed=5), history(PROBLEM, 12, seed=3), 1)
    suggested(name, TINY, Ledger(), 1)
    assert suggested(name, PROBLEM, ledger, 1) == first


@pytest.mark.parametrize("settled", [1, 12])
def test_it_goes_on_while_nothing_is_feasible(name, settled):
    ledger = history(PROBLEM, settled, feasible=False)
    assert len(proposals(name, ledger, 2)) == 2


def test_what_was_lost_is_neither_proposed_again_nor_held_against_anything(name):
    ledger = history(PROBLEM, 8)
    gone = replace(ledger.entries[-1], outcome=Lost("NodeFailure"))
    found = proposals(name, Ledger((*ledger.entries[:-1], gone)), 1)
    assert found[0].configuration.fingerprint not in ledger.fingerprints


@pytest.mark.parametrize("parallelism", [1, 3])
def test_it_measures_everything_in_a_small_space_and_then_proposes_nothing(name, parallelism):
    setup = Setup(budget=50, parallelism=parallelism)
    found = run(tiny_landscape(), name, algorithm(name), 1, setup, clock=lambda: 0.0)
    assert len(found.best) == TINY.space.count() == 9
    assert found.best[-1] == tiny_landscape().optimum == 6.0
    assert found.profiles_to["1.01"] is not None


def test_it_finds_something_good_from_a_default_that_can_not_run(name):
    """Half of the seeds or more within 10 % of the best of 432 configurations."""
    table = landscape()
    assert table.value(PROBLEM.space.default()) is None
    seeds, setup = ((0,), Setup(budget=25)) if name in SLOW else ((0, 1, 2), Setup(budget=60))
    runs = [run(table, name, algorithm(name), seed, setup, clock=lambda: 0.0) for seed in seeds]
    near = sum(each.profiles_to["1.10"] is not None for each in runs)
    assert 2 * near > len(runs)
