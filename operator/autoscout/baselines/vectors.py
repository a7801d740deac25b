"""Configurations as points: what a model that needs numbers sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Parameter
from autoscout.space.search_space import SearchSpace

Floats = NDArray[np.float64]


def vectors(space: SearchSpace, configurations: Sequence[Configuration]) -> Floats:
    """[N, D], each within [0, 1].

    A number is its place on its grid over the length of the grid: a grid of powers is on a logarithmic scale so,
    as is usual. A text has one dimension for each of its values. An inactive parameter stands at its default.
    """
    columns = []
    for parameter in space.parameters:
        values = [configuration.get(parameter.name, parameter.default) for configuration in configurations]
        indices = np.array([parameter.index(value) for value in values], dtype=np.int64)
        columns.append(_columns(parameter, indices))
    return np.concatenate(columns, axis=1)


def _columns(parameter: Parameter, indices: NDArray[np.int64]) -> Floats:
    length = len(parameter.values)
    if isinstance(parameter.values[0], str) and length > 2:
        different: Floats = np.eye(length)[indices] / np.sqrt(2.0)  # two different texts are 1 apart
        return different
    places: Floats = indices[:, None] / max(1, length - 1)
    return places
