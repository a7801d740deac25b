"""Any prefix of a ledger refolds to the same proposals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.spaces import BOUNDED, SPACE, drawn, entries

from autoscout.search import fold, surrogate
from autoscout.search.autoscout import AutoScout
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import Proposal, generator


def forget() -> None:
    """What another process would not have."""
    fold._RANKINGS._held.clear()
    fold._WARMED._held.clear()
    surrogate._fitted.cache_clear()
    surrogate._density.cache_clear()


def proposals(history: Ledger, exhaustive: str, count: int) -> list[Proposal]:
    problem = replace(BOUNDED, settings={"exhaustive": exhaustive})
    return list(AutoScout().suggest(problem, history, generator(7, history.next_number), count))


@pytest.mark.parametrize("exhaustive", ["on", "off"])
@given(data=st.data(), seed=st.integers(0, 50), length=st.integers(1, 30), pending=st.integers(0, 3))
@settings(max_examples=12, deadline=None)
def test_a_prefix_refolds_to_the_same_proposals(exhaustive, data, seed, length, pending) -> None:
    done = entries(drawn(length, seed))
    waiting = [Entry(Trial(length + k, SPACE.sample(generator(seed, 100 + k)), "test")) for k in range(pending)]
    ledger = Ledger((*done, *waiting))
    forget()
    first = proposals(ledger, exhaustive, 2)
    # Other ledgers in between, as a worker that serves several jobs sees them; entries in any order.
    proposals(Ledger(done[: length // 2]), exhaustive, 1)
    shuffled = data.draw(st.permutations(ledger.entries))
    assert proposals(Ledger(tuple(shuffled)), exhaustive, 2) == first
    forget()
    assert proposals(ledger, exhaustive, 2) == first


@given(seed=st.integers(0, 1000), length=st.integers(0, 25), count=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_proposals_are_valid_and_new(seed, length, count) -> None:
    ledger = Ledger(entries(drawn(length + 1, seed)[:length]))
    found = proposals(ledger, "on", count)
    assert len(found) == count
    for proposal in found:
        assert SPACE.canonical(dict(proposal.configuration)) == proposal.configuration
        assert proposal.configuration.fingerprint not in ledger.fingerprints
