"""Random search: the honest yardstick. Uniform over the valid configurations that were not measured yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal
from autoscout.search.problem import Problem

TRIES = 64
"""Draws that may hit known configurations before the space is taken to be nearly exhausted and is enumerated."""


class RandomSearch:
    """Draws valid configurations uniformly, without replacement."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`."""
        known = set(history.fingerprints)
        proposals: list[Proposal] = []
        misses = 0
        while len(proposals) < count and misses < TRIES:
            configuration = problem.space.sample(rng)
            if configuration.fingerprint in known:
                misses += 1
                continue
            known.add(configuration.fingerprint)
            proposals.append(Proposal(configuration, "random"))
        if len(proposals) < count:
            # Mostly known ground: what is left is rare, or there is nothing left.
            rest = [c for c in problem.space.enumerate() if c.fingerprint not in known]
            missing = rng.permutation(len(rest))[: count - len(proposals)]
            proposals.extend(Proposal(rest[index], "random") for index in missing)
        return proposals
