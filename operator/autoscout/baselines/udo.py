"""UDO: Monte Carlo tree search over changes of the default configuration, heavy parameters first.

Wang, Trummer, Basu, "UDO: Universal Database Optimization using Reinforcement Learning", PVLDB 14(13), 2021. A
state is a set of parameter changes; an action changes one more parameter; an episode ends in a configuration
that is evaluated, and its reward is the speed-up over the default. Parameters that are costly to change are
*heavy*: they are chosen by a tree of their own, and for each choice another tree chooses the *light* ones
(sections 4 and 5). Both use UCT; a heavy choice is judged by the configurations below it.

Structural parameters are heavy here and execution parameters light. UDO reorders evaluations to share the costs
of a heavy change; a profile costs the same whatever changed, so there is nothing to reorder. An episode goes
through the parameters in order, keeping the default or changing it; so a set of changes is reached by one path
only, and what a branch is worth is learnt from all configurations in it. Only values that leave a valid
configuration are actions: UDO would have to learn that the others are worth nothing. Beyond the tree the episode
goes on at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscout.baselines.moves import pending_too, topped_up
from autoscout.baselines.samples import penalised, samples
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Kind
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

EXPLORATION = math.sqrt(2.0)
"""UCT's constant for rewards in [0, 1] (Kocsis and Szepesvari 2006)."""
EPISODES = 32
"""Episodes tried for one proposal: one that ends in a known configuration teaches nothing new."""

Path = tuple[Value, ...]
"""The values of the first parameters, in the order of the tree."""


@dataclass
class Node:
    """What is known below a path: visits and the sum of their rewards."""

    visits: int = 0
    reward: float = 0.0


class Udo:
    """Settings: `exploration`: the constant of UCT, 1.41 unless given."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`."""
        exploration = float(problem.settings.get("exploration", EXPLORATION))
        proposals: list[Proposal] = []
        for _ in range(count):
            known = pending_too(history, proposals)
            tree = _Tree(problem.space, exploration, rng)
            for configuration, reward in _rewards(problem, known):
                tree.learn(configuration, reward)
            proposals += topped_up(problem, known, rng, 1, _episodes(tree, known), "udo")
        return proposals


def _rewards(problem: Problem, history: Ledger) -> list[tuple[Configuration, float]]:
    """The reward of every profile in [0, 1]: its speed over that of the best seen; 0 where infeasible or pending.

    A speed-up over the default needs a default that runs; over the best it is the same but for a factor.
    """
    observed = samples(problem, history)
    logarithms = np.array(penalised(observed))
    best = min(
        (value for sample, value in zip(observed, logarithms, strict=True) if sample.cost is not None), default=0
    )
    found = [
        (sample.configuration, 0.0 if sample.cost is None else math.exp(best - value))
        for sample, value in zip(observed, logarithms, strict=True)
    ]
    return found + [(entry.trial.configuration, 0.0) for entry in history.pending]


def _episodes(tree: _Tree, history: Ledger) -> list[Proposal]:
    for _ in range(EPISODES):
        configuration = tree.episode()
        if configuration.fingerprint not in history.fingerprints:
            return [Proposal(configuration, "udo")]
        tree.learn(configuration, 0.0)  # it is done: another way is worth more now
    return []


class _Tree:
    """Both trees in one: the light tree of a heavy choice hangs below it. Rebuilt from the history each time."""

    def __init__(self, space: SearchSpace, exploration: float, rng: np.random.Generator) -> None:
        self._space, self._exploration, self._rng = space, exploration, rng
        kinds = (Kind.STRUCTURAL, Kind.EXECUTION)
        self._order = tuple(each for kind in kinds for each in space.parameters if each.kind is kind)
        self._nodes: dict[Path, Node] = {}

    def learn(self, configuration: Configuration, reward: float) -> None:
        """Add a reward to every node on the way to the configuration."""
        path = tuple(configuration.get(parameter.name, parameter.default) for parameter in self._order)
        for length in range(len(path) + 1):
            node = self._nodes.setdefault(path[:length], Node())
            node.visits += 1
            node.reward += reward

    def episode(self) -> Configuration:
        """Follow UCT down to a choice that is new, and go on from there at random."""
        path: Path = ()
        changes: dict[str, Value] = {}
        for parameter in self._order:
            path = (*path, self._choose(path, self._space.refinements(changes, parameter.name)))
            changes[parameter.name] = path[-1]
            if path not in self._nodes:
                break
        return self._space.sample(self._rng, changes)

    def _choose(self, path: Path, values: Sequence[Value]) -> Value:
        """The value with the largest upper confidence bound; those never taken come first, at random."""
        fresh = [value for value in values if (*path, value) not in self._nodes]
        if fresh:
            return fresh[int(self._rng.integers(len(fresh)))]
        visits = self._nodes[path].visits
        return max(values, key=lambda value: self._bound(self._nodes[(*path, value)], visits))

    def _bound(self, node: Node, visits: int) -> float:
        return node.reward / node.visits + self._exploration * math.sqrt(math.log(visits) / node.visits)
