"""Whatever order outcomes come in, each decision of a search can be taken once more from its ledger alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.spaces import BOUNDED, outcome

from autoscout.baselines import algorithm
from autoscout.search.ledger import Attempt, Entry, Ledger
from autoscout.search.plan import propose
from autoscout.search.replay import replay
from autoscout.space.configuration import Configuration


def searched(name: str, ends: list[int], parallelism: int) -> Ledger:
    """A ledger of a search with several profiles in flight; `ends` chooses which of them ends next."""
    ledger = Ledger()
    for choice in ends:
        from_search = propose(BOUNDED, ledger, algorithm(name), parallelism - len(ledger.pending))
        started = Ledger((*ledger.entries, *map(Entry, from_search)))
        pending = started.pending
        done = pending[choice % len(pending)]
        settled = replace(
            done,
            attempts=(Attempt("Measured", seconds=1.0),),
            outcome=outcome(done.trial.configuration),
            position=started.next_position,
        )
        ledger = Ledger(tuple(settled if entry is done else entry for entry in started.entries))
    return ledger


@pytest.mark.parametrize("name", ["autoscout", "cherrypick", "coordinate", "metis", "random", "udo"])
@given(ends=st.lists(st.integers(0, 7), min_size=1, max_size=10), parallelism=st.integers(1, 4))
@settings(max_examples=6, deadline=None)
def test_every_decision_is_taken_again(name, ends, parallelism) -> None:
    ledger = searched(name, ends, parallelism)
    decisions = list(replay(BOUNDED, ledger, algorithm(name)))
    assert [decision.entry for decision in decisions] == list(ledger.entries)
    assert all(decision.agrees for decision in decisions)


@given(ends=st.lists(st.integers(0, 7), min_size=3, max_size=8))
@settings(max_examples=10, deadline=None)
def test_a_decision_that_was_tampered_with_shows(ends) -> None:
    ledger = searched("coordinate", ends, 2)
    last = ledger.entries[-1]
    other = next(each for each in BOUNDED.space.enumerate() if unknown(each, ledger))
    forged = replace(last, trial=replace(last.trial, configuration=other))
    decisions = list(replay(BOUNDED, Ledger((*ledger.entries[:-1], forged)), algorithm("coordinate")))
    assert decisions[-1].agrees is False
    assert decisions[-1].again is not None
    assert decisions[-1].again.configuration == last.trial.configuration


def unknown(configuration: Configuration, ledger: Ledger) -> bool:
    return configuration.fingerprint not in ledger.fingerprints
