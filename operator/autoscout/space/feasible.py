"""The valid configurations of a space: a product of decision diagrams, one for each independent component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from autoscout.space.diagram import Diagram, Indices, Mask
from autoscout.space.parameter import Parameter


@dataclass(frozen=True, eq=False)
class Feasible:
    """Ways to choose a value for each parameter ("variable": its position in the space).

    A choice is an index into the parameter's values; the one beyond them means that it is inactive.
    """

    diagrams: tuple[Diagram, ...]

    @property
    def count(self) -> int:
        """How many configurations."""
        return prod(diagram.count for diagram in self.diagrams)

    def under(self, allowed: Mapping[int, tuple[int, ...]]) -> Feasible:
        """Only those in which each variable in `allowed` takes one of the choices given."""
        diagrams = []
        for diagram in self.diagrams:
            own = tuple((variable, allowed[variable]) for variable in allowed if variable in diagram.members)
            diagrams.append(_restricted(diagram, own) if own else diagram)
        return Feasible(tuple(diagrams))

    def draw(self, rng: np.random.Generator) -> dict[int, int]:
        """The choice of each variable in one configuration, each with the same probability; count > 0."""
        rank = _below(rng, self.count)
        chosen: dict[int, int] = {}
        for diagram in self.diagrams:
            rank, own = divmod(rank, diagram.count)
            chosen.update(zip(diagram.variables, diagram.path(own), strict=True))
        return chosen

    def each(self) -> Iterator[dict[int, int]]:
        """The choice of each variable in every configuration; the last diagram changes fastest."""
        return _each(self.diagrams)

    def choices(self, variable: int) -> list[int]:
        """The choices of a variable that occur in some configuration, ascending."""
        if self.count == 0:
            return []
        return next(diagram.choices(variable) for diagram in self.diagrams if variable in diagram.variables)

    def cheapest(self, costs: Mapping[int, Indices]) -> dict[int, int]:
        """The configuration with the smallest sum of costs; count > 0.

        Args:
            costs: for each variable the cost of each choice, [choices].
        """
        chosen: dict[int, int] = {}
        for diagram in self.diagrams:
            chosen.update(zip(diagram.variables, diagram.cheapest(costs), strict=True))
        return chosen


def distances(parameter: Parameter, value: object, change: int) -> Indices:
    """What each choice costs, seen from a value: 0 for the value itself, else `change` and the steps, [choices].

    Steps are counted along the grid of numbers; another text or boolean is one step away. Being inactive
    costs nothing: it follows from the others. A number off the grid stands for the nearest on it.

    Raises:
        SpaceError: not a number, and not among the values.
    """
    numeric = not isinstance(parameter.values[0], bool | str)
    if numeric and isinstance(value, int | float) and not isinstance(value, bool):
        position = min(range(len(parameter.values)), key=lambda index: abs(float(parameter.values[index]) - value))
    else:
        position = parameter.index(value)
    indices = np.arange(parameter.choices, dtype=np.int64)
    steps = np.abs(indices - position) if numeric else np.ones_like(indices)
    costs: Indices = np.where(indices == position, 0, change + steps)
    costs[len(parameter.values) :] = 0
    return costs


@lru_cache(maxsize=1024)
def _restricted(diagram: Diagram, allowed: tuple[tuple[int, tuple[int, ...]], ...]) -> Diagram:
    # Tree searches ask for the same partial settings again and again, and for each with one more variable: what is
    # left of the diagram gets smaller with every step.
    if len(allowed) > 1:
        diagram = _restricted(diagram, allowed[:-1])
    variable, choices = allowed[-1]
    occurring = diagram.layers[diagram.variables.index(variable)].choice
    mask: Mask = np.zeros(max(int(occurring.max(initial=0)), *choices) + 1, dtype=np.bool_)
    mask[list(choices)] = True
    return diagram.restrict({variable: mask})


def _each(diagrams: tuple[Diagram, ...]) -> Iterator[dict[int, int]]:
    if not diagrams:
        yield {}
        return
    for path in diagrams[0].paths():
        chosen = dict(zip(diagrams[0].variables, path, strict=True))
        for others in _each(diagrams[1:]):
            yield chosen | others


def _below(rng: np.random.Generator, count: int) -> int:
    """A whole number from 0 to count - 1, each with the same probability; of any size."""
    if count < 2**63:
        return int(rng.integers(count))
    bits = count.bit_length()
    while True:
        drawn = int.from_bytes(rng.bytes((bits + 7) // 8), "big") >> (-bits % 8)
        if drawn < count:
            return drawn
