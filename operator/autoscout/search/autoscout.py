"""AutoScout: folds the ledger into a surrogate, searches on it, and proposes what to profile next.

A proposal is a pure function of the problem, the ledger and the random numbers of its trial. What is kept between
calls (fitted hyperparameters, forecasts, rankings) is keyed by what it was computed from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoscout.search.fold import Fold
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal
from autoscout.search.problem import Problem
from autoscout.search.settings import read
from autoscout.search.stopping import converged


class AutoScout:
    """The optimizer of the paper. See `Optimizer`."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`.

        Raises:
            SettingsError: `search.settings` holds what is not known.
        """
        settings = read(problem.settings)
        if converged(problem, history, settings.patience, settings.convergence):
            return ()
        state = Fold(problem, settings, history)
        proposals: list[Proposal] = []
        taken = set(history.fingerprints)
        for _ in range(count):
            found = state.next(rng, taken, history.next_number + len(proposals))
            if found is None:
                break
            proposals.append(found)
            taken.add(found.configuration.fingerprint)
            if len(proposals) < count:
                state.pretend(found.configuration)
        return proposals
