"""The dense optimizer (3.2): coordinate-wise search over the execution parameters, with momentum.

One parameter at a time is moved along its direction. While that improves, the step grows; a failure turns the
direction round once and then switches to another parameter. A structure masks the parameters that it deactivates
or fixes (M(s)), and the state is projected on what remains feasible (X(s)), never rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Kind
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

Dense = dict[str, Value]


@dataclass
class Coordinate:
    """How a parameter was last moved.

    Attributes:
        direction: +1 or -1 along its grid.
        velocity: steps on the grid, at least 1.
        failures: in a row; at two both directions were tried.
    """

    direction: int = 1
    velocity: float = 1.0
    failures: int = 0


class DenseOptimizer:
    """A position on the grid of all execution parameters, and how to move on from it."""

    def __init__(self, space: SearchSpace, momentum: float, position: Mapping[str, Value]) -> None:
        self._space = space
        self._momentum = momentum
        names = tuple(parameter.name for parameter in space.parameters if parameter.kind is Kind.EXECUTION)
        self.position: Dense = {name: position.get(name, space.by_name[name].default) for name in names}
        self._coordinates = {name: Coordinate() for name in names}
        self._active = names[0] if names else None

    def mask(self, structure: Mapping[str, Value]) -> tuple[str, ...]:
        """M(s): the execution parameters that a structure leaves any choice."""
        return tuple(name for name in self.position if len(self._space.refinements(structure, name)) > 1)

    def project(self, structure: Mapping[str, Value], dense: Mapping[str, Value]) -> Configuration:
        """The configuration of X(s) that is nearest to a dense state."""
        nearest = self._space.nearest({**dense, **structure}, given=structure)
        return nearest if nearest is not None else self._space.default()

    def propose(self, structure: Mapping[str, Value], rng: np.random.Generator) -> Dense:
        """A neighbouring dense state that is feasible with a structure; the same one if nothing can move."""
        open_ = self.mask(structure)
        if not open_:
            return dict(self.position)
        if self._active not in open_ or self._coordinates[self._active].failures > 1:
            self._switch(open_, rng)
        name = self._active or open_[0]
        values = self._space.by_name[name].values
        allowed = [self._space.by_name[name].index(value) for value in self._space.refinements(structure, name)]
        here = self._space.by_name[name].index(self.position[name])
        coordinate = self._coordinates[name]
        ahead = [level for level in allowed if (level - here) * coordinate.direction > 0]
        if not ahead:
            coordinate.direction = -coordinate.direction
            ahead = [level for level in allowed if (level - here) * coordinate.direction > 0]
        if not ahead:
            return dict(self.position)
        goal = here + coordinate.direction * round(coordinate.velocity)
        level = min(ahead, key=lambda each: (abs(each - goal), abs(each - here)))
        # The rest follows the coordinate that was moved: X(s) is entered at its nearest point.
        projected = self._space.nearest({**self.position, **structure}, given={**structure, name: values[level]})
        moved = {**self.position, name: values[level]}
        return moved if projected is None else {key: projected.get(key, value) for key, value in moved.items()}

    def judge(self, dense: Mapping[str, Value], *, improved: bool) -> None:
        """Learn from the last move.

        An improvement is kept and the next step is longer. A failure turns the direction round; at the second
        one in a row another parameter becomes active.
        """
        if improved:
            self.position = dict(dense)
        if self._active is None:
            return
        coordinate = self._coordinates[self._active]
        if improved:
            coordinate.velocity = 1 + self._momentum * coordinate.velocity
            coordinate.failures = 0
        else:
            coordinate.direction = -coordinate.direction
            coordinate.velocity = 1.0
            coordinate.failures += 1

    def _switch(self, open_: tuple[str, ...], rng: np.random.Generator) -> None:
        others = [name for name in open_ if name != self._active] or list(open_)
        least = min(self._coordinates[name].failures for name in others)
        others = [name for name in others if self._coordinates[name].failures == least]
        self._active = others[int(rng.integers(len(others)))]
        self._coordinates[self._active].failures = 0
