"""The sparse optimizer (3.2): Monte Carlo tree search over partial structural configurations.

A node is a partial setting of the structural features, in the order of its tree; an edge is a refinement after
which a valid configuration remains. Selection is UCT (Kocsis and Szepesvari, "Bandit based Monte-Carlo planning",
ECML 2006). A rollout is completed by the dense optimizer, which is why a selection ends at a full structure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from autoscout.space.parameter import Kind
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

Structure = dict[str, Value]


@dataclass
class Statistics:
    """What is known of a node: how often it was passed, and the sum of the rewards in [0, 1]."""

    visits: int = 0
    total: float = 0.0


@dataclass
class Tree:
    """One order of the structural features, and the statistics of its nodes.

    Attributes:
        order: names of structural parameters; the root decides the first one.
        exploration: weight of the confidence bound.
    """

    space: SearchSpace
    order: tuple[str, ...]
    exploration: float
    nodes: dict[tuple[Value, ...], Statistics] = field(default_factory=lambda: {(): Statistics()})

    def select(self, rng: np.random.Generator) -> Structure:
        """A full structure: down the tree by UCT, children without visits first, uniformly below the frontier."""
        structure: Structure = {}
        path: tuple[Value, ...] = ()
        for name in self.order:
            options = self.space.refinements(structure, name)
            chosen = options[0] if len(options) == 1 else self._descend(path, options, rng)
            structure[name] = chosen
            path = (*path, chosen)
        return structure

    def backpropagate(self, structure: Structure, reward: float) -> None:
        """Credit every node on the path of a structure with a reward in [0, 1], the more the better."""
        path: tuple[Value, ...] = ()
        for name in ("", *self.order):
            if name:
                path = (*path, structure[name])
            node = self.nodes.setdefault(path, Statistics())
            node.visits += 1
            node.total += reward

    def _descend(self, path: tuple[Value, ...], options: tuple[Value, ...], rng: np.random.Generator) -> Value:
        children = [self.nodes.get((*path, option)) for option in options]
        fresh = [option for option, child in zip(options, children, strict=True) if child is None or not child.visits]
        if fresh:
            return fresh[int(rng.integers(len(fresh)))]
        visits = math.log(max(sum(child.visits for child in children if child), math.e))
        bounds = [
            child.total / child.visits + self.exploration * math.sqrt(visits / child.visits)
            for child in children
            if child
        ]
        return options[int(np.argmax(bounds))]


def structural(space: SearchSpace) -> tuple[str, ...]:
    """Names of the structural parameters, in the order of the space."""
    return tuple(parameter.name for parameter in space.parameters if parameter.kind is Kind.STRUCTURAL)


def structure_of(space: SearchSpace, configuration: dict[str, Value]) -> Structure:
    """The structural part of a configuration; inactive features read as their default."""
    return {name: configuration.get(name, space.by_name[name].default) for name in structural(space)}
