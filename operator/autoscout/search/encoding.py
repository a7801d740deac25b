"""Configurations as rows of numbers: the level of each parameter on its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from autoscout.search.gaussian import Floats, Geometry, Levels
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Parameter
from autoscout.space.search_space import SearchSpace


def levels_of(space: SearchSpace, configurations: Sequence[Configuration]) -> Levels:
    """The level of each parameter, [N, P]; one beyond the last value means inactive."""
    rows = [_row(space, configuration) for configuration in configurations]
    return np.array(rows, dtype=np.int64).reshape(len(configurations), len(space.parameters))


@lru_cache(maxsize=4096)
def _row(space: SearchSpace, configuration: Configuration) -> tuple[int, ...]:
    return _levels(space, configuration)


def _levels(space: SearchSpace, configuration: Configuration) -> tuple[int, ...]:
    return tuple(
        parameter.index(configuration[parameter.name]) if parameter.name in configuration else len(parameter.values)
        for parameter in space.parameters
    )


def geometry_of(space: SearchSpace) -> Geometry:
    """How far apart the levels of each parameter are."""
    return Geometry(tuple(_distances(parameter) for parameter in space.parameters))


def _distances(parameter: Parameter) -> Floats:
    size = len(parameter.values)
    table = np.full((size + 1, size + 1), np.inf)
    table[size, size] = 0.0
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(np.float64)
    numeric = not isinstance(parameter.values[0], bool | str)
    table[:size, :size] = steps / max(size - 1, 1) if numeric else np.minimum(steps, 1.0)
    return table


@dataclass(frozen=True, eq=False)
class Pool:
    """All configurations of a space, in the order of `SearchSpace.enumerate`.

    Attributes:
        levels: [N, P].
    """

    configurations: tuple[Configuration, ...]
    levels: Levels

    @cached_property
    def _rows(self) -> Mapping[bytes, int]:
        return {row.tobytes(): number for number, row in enumerate(self.levels)}

    def rows(self, levels: Levels) -> Levels:
        """The position of each of [n, P] levels in the pool, [n]."""
        return np.array([self._rows[row.tobytes()] for row in np.ascontiguousarray(levels)], dtype=np.int64)


@lru_cache(maxsize=4)
def pool_of(space: SearchSpace) -> Pool:
    """Every configuration of a space that is small enough to be written down."""
    configurations = tuple(space.enumerate())
    # Not through the cache: fingerprints of all of them would take longer than their levels. By columns: they are
    # read one parameter at a time.
    levels = np.array([_levels(space, configuration) for configuration in configurations], dtype=np.int64, order="F")
    return Pool(configurations, levels)
