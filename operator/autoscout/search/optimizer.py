"""The seam between the loop and whatever searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from autoscout.search.ledger import Fidelity, Ledger
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration


@dataclass(frozen=True)
class Proposal:
    """A configuration worth a real measurement, who says so, and why (for people)."""

    configuration: Configuration
    proposer: str
    predicted: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


class Optimizer(Protocol):
    """Proposes what to measure next. A pure function of its arguments."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """Up to `count` configurations that the history does not hold yet.

        Args:
            problem: what is searched.
            history: the ledger so far, pending trials included.
            rng: derived from (seed, number of the first trial to be proposed); the only source of randomness.
            count: at least 1.

        Returns:
            Distinct proposals, best first. Fewer than `count` are no promise of more; none at all says that
            there is nothing left to measure.
        """
        ...


@dataclass(frozen=True)
class Standing:
    """What a search works with.

    Attributes:
        simulated: configurations that a simulator judged so far.
        fidelity: profiled once only measurements count, or where there never was a simulator.
        mape: error of the simulators against what was measured, a common factor divided out, as a fraction; None:
            nothing to compare yet.
    """

    simulated: int
    fidelity: Fidelity
    mape: float | None = None


@runtime_checkable
class TellsStanding(Protocol):
    """An optimizer that can say what it works with."""

    def standing(self, problem: Problem, history: Ledger) -> Standing:
        """After this ledger."""
        ...


def generator(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one trial: a stream of its own, so that no draw depends on what ran before."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, number))))
