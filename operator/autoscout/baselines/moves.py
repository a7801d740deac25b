"""Steps from one valid configuration to others: what every rival needs in a space full of constraints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

import numpy as np

from autoscout.baselines.random_search import RandomSearch
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import Proposal
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value


@lru_cache(maxsize=4096)
def moved(space: SearchSpace, configuration: Configuration, name: str, value: Value) -> Configuration | None:
    """The configuration with one parameter changed, and the others only as far as that makes it valid.

    None where no valid configuration has that value.
    """
    return space.nearest({**configuration, name: value}, {name: value})


@lru_cache(maxsize=64)
def neighbours(space: SearchSpace, configuration: Configuration) -> tuple[Configuration, ...]:
    """Every configuration that one change of one active parameter leads to, each once."""
    found: dict[str, Configuration] = {}
    for name, current in configuration.items():
        for value in space.by_name[name].values:
            if value == current:
                continue
            step = moved(space, configuration, name, value)
            if step is not None and step.fingerprint != configuration.fingerprint:
                found.setdefault(step.fingerprint, step)
    return tuple(found.values())


def repaired(space: SearchSpace, assignment: Mapping[str, object]) -> Configuration:
    """The valid configuration nearest to an assignment.

    Raises:
        SpaceError: the space has no valid configuration.
    """
    found = space.nearest(assignment)
    if found is None:
        space.require_feasible()
        raise AssertionError("a space with configurations has a nearest one")
    return found


def draw(space: SearchSpace, rng: np.random.Generator, count: int, known: Collection[str]) -> list[Configuration]:
    """Distinct configurations drawn uniformly that are not known; fewer where the draws hit known ground."""
    found: dict[str, Configuration] = {}
    for _ in range(count):
        drawn = space.sample(rng)
        if drawn.fingerprint not in known:
            found.setdefault(drawn.fingerprint, drawn)
    return list(found.values())


def topped_up(
    problem: Problem,
    history: Ledger,
    rng: np.random.Generator,
    count: int,
    proposed: Iterable[Proposal],
    proposer: str,
) -> list[Proposal]:
    """The proposals that are new, each once, filled up to `count` with random ones while there are any left."""
    known = set(history.fingerprints)
    kept: list[Proposal] = []
    for proposal in proposed:
        if len(kept) == count:
            break
        if proposal.configuration.fingerprint not in known:
            known.add(proposal.configuration.fingerprint)
            kept.append(proposal)
    if len(kept) < count:
        rest = RandomSearch().suggest(problem, pending_too(history, kept), rng, count - len(kept))
        kept.extend(Proposal(proposal.configuration, proposer) for proposal in rest)
    return kept


def pending_too(history: Ledger, proposals: Iterable[Proposal]) -> Ledger:
    """The history with the proposals pending, so that they are not proposed again."""
    first = history.next_number
    pending = (Entry(Trial(first + i, p.configuration, p.proposer)) for i, p in enumerate(proposals))
    return Ledger((*history.entries, *pending))
