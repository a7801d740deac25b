"""The orchestrator (3.3): a bandit decides whether the structure or the execution parameters move next.

Each iteration evaluates the grid {S_base, S_cand} x {X_base, X_cand}. The difference of differences tells what each
side contributes while the other is held fixed, and is the reward of the arm that was pulled. UCB1: Auer,
Cesa-Bianchi, Fischer, "Finite-time analysis of the multiarmed bandit problem", Machine Learning 2002.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum


class Arm(StrEnum):
    """Who proposes."""

    SPARSE = "sparse"
    DENSE = "dense"


@dataclass(frozen=True)
class Grid:
    """Rewards of the 2x2 grid, the more the better; the first letter is the structure, the second the dense state."""

    base_base: float
    base_cand: float
    cand_base: float
    cand_cand: float

    @property
    def sparse(self) -> float:
        """What the candidate structure gains, averaged over both dense states."""
        return ((self.cand_base - self.base_base) + (self.cand_cand - self.base_cand)) / 2

    @property
    def dense(self) -> float:
        """What the candidate dense state gains, averaged over both structures."""
        return ((self.base_cand - self.base_base) + (self.cand_cand - self.cand_base)) / 2


@dataclass
class Bandit:
    """UCB1 with a decaying exploration coefficient (Eq. 1).

    Attributes:
        exploration: C0.
        decay: gamma; C(t) = C0 * gamma^t.
        gains: Q_a, cumulative reward of each arm.
        pulls: N_a; fractions are weak priors.
    """

    exploration: float
    decay: float
    gains: dict[Arm, float] = field(default_factory=lambda: dict.fromkeys(Arm, 0.0))
    pulls: dict[Arm, float] = field(default_factory=lambda: dict.fromkeys(Arm, 0.0))
    time: int = 0

    def choose(self) -> Arm:
        """The arm with the highest confidence bound; an arm that was never pulled first, structure before dense."""
        for arm in Arm:
            if not self.pulls[arm]:
                return arm
        total = math.log(max(sum(self.pulls.values()), 1.0))
        coefficient = self.exploration * self.decay**self.time
        return max(
            Arm, key=lambda arm: self.gains[arm] / self.pulls[arm] + coefficient * math.sqrt(total / self.pulls[arm])
        )

    def update(self, arm: Arm, grid: Grid) -> None:
        """Credit the arm that was pulled with what its side gained."""
        self.pulls[arm] += 1
        self.gains[arm] += max(0.0, grid.sparse if arm is Arm.SPARSE else grid.dense)
        self.time += 1

    def weakened(self, weight: float) -> Bandit:
        """The same experience at a fraction of its weight: a weak prior after a change of fidelity."""
        return Bandit(
            self.exploration,
            self.decay,
            {arm: weight * gain for arm, gain in self.gains.items()},
            {arm: weight * pulls for arm, pulls in self.pulls.items()},
            self.time,
        )
