"""The tournament (3.2): trees with different feature orders compete, until the best order remains.

The trees propose in turn in a zigzag (1..K, K..1). The reward of a proposal updates all trees. After a round of as
many iterations as there are trees the better half stays, by the cumulative reward of what each proposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscout.search.sparse import Structure, Tree
from autoscout.space.search_space import SearchSpace


@dataclass
class Entrant:
    """A tree and the rewards of its own proposals."""

    tree: Tree
    reward: float = 0.0


class Tournament:
    """Alternates between trees and eliminates the weaker half after each round."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        self.entrants = [Entrant(tree) for tree in trees]
        self._turn = 0
        self._forward = True

    @property
    def proposing(self) -> Entrant:
        """Whose turn it is."""
        position = self._turn if self._forward else len(self.entrants) - 1 - self._turn
        return self.entrants[position]

    @property
    def order(self) -> tuple[str, ...]:
        """The feature order of the tree that leads."""
        return max(self.entrants, key=lambda entrant: entrant.reward).tree.order

    def credit(self, structure: Structure, reward: float) -> None:
        """Share the reward of the current proposal among all trees, and go on to the next turn."""
        self.proposing.reward += reward
        for entrant in self.entrants:
            entrant.tree.backpropagate(structure, reward)
        self._turn += 1
        if self._turn == len(self.entrants):
            self._turn, self._forward = 0, not self._forward
            self._eliminate()

    def _eliminate(self) -> None:
        if len(self.entrants) == 1:
            return
        ranked = sorted(self.entrants, key=lambda entrant: -entrant.reward)[: (len(self.entrants) + 1) // 2]
        self.entrants = [entrant for entrant in self.entrants if entrant in ranked]


def orders(features: tuple[str, ...], count: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Distinct feature orders to start with: that of the space, then random ones; at most `count`."""
    found = {features: None}
    for _ in range(4 * count):
        if len(found) >= count:
            break
        found[tuple(features[int(position)] for position in rng.permutation(len(features)))] = None
    return list(found)[:count]


def trees(space: SearchSpace, feature_orders: Sequence[tuple[str, ...]], exploration: float) -> list[Tree]:
    """One empty tree for each order."""
    return [Tree(space, order, exploration) for order in feature_orders]
