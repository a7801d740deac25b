"""AutoScout: folds the ledger into a surrogate, searches on it, and proposes what to profile next.

A proposal is a pure function of the problem, the ledger and the random numbers of its trial. What is kept between
calls (fitted hyperparameters, forecasts, rankings) is keyed by what it was computed from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoscout.search.fold import Fold
from autoscout.search.ledger import Fidelity, Ledger
from autoscout.search.optimizer import Proposal, Standing
from autoscout.search.problem import Problem
from autoscout.search.settings import read
from autoscout.search.stopping import converged
from autoscout.simulators.registry import simulator_for


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

    def standing(self, problem: Problem, history: Ledger) -> Standing:
        """See `TellsStanding.standing`."""
        # What is in flight says nothing of the simulators yet.
        state = Fold(problem, read(problem.settings), Ledger(history.settled))
        simulated = self.simulated(problem, history)
        believed = simulated and state.switched is None
        return Standing(simulated, Fidelity.SIMULATED if believed else Fidelity.PROFILED, state.error)

    def simulated(self, problem: Problem, history: Ledger) -> int:
        """Configurations that the simulators evaluated so far, each counted once.

        All of a space that is gone through; of a larger one the 2x2 grids that led to the proposals, which is the
        least that it can have been.
        """
        settings, space = read(problem.settings), problem.space
        simulator = simulator_for(problem.workload, problem.hardware, tuple(space.by_name))
        proposals = sum(entry.trial.number > 0 for entry in history.entries)
        if not settings.simulators or simulator is None or not proposals:
            return 0
        return space.count() if space.count() <= settings.exhaustive else 4 * settings.iterations * proposals
