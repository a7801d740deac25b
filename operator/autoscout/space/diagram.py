"""A decision diagram: every path from its root is one way to set a group of variables.

Layer k decides one variable. A node of layer k stands for all partial settings that allow the same
completions as far as is known; its edges are the values of the variable. Every edge lies on a complete path,
so whoever follows edges never has to turn back. Counting is one pass over the edges, a uniform draw one walk.
Multi-valued decision diagrams: Andersen, Hadzic, Hooker, Tiedemann, "A Constraint Store Based on Multivalued
Decision Diagrams", CP 2007.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges that leave one layer; three arrays [E], ordered by source.

    Attributes:
        source: node of this layer.
        choice: index of the value that the layer's variable takes.
        target: node of the next layer.
    """

    source: Indices
    choice: Indices
    target: Indices

    def where(self, kept: Mask) -> Edges:
        return Edges(self.source[kept], self.choice[kept], self.target[kept])


@dataclass(frozen=True, eq=False)
class Diagram:
    """All ways to set some variables. Made by `Diagram.of`.

    Attributes:
        variables: the variable of each layer.
        layers: the edges of each layer; node 0 of layer 0 is the root, after the last layer there is one node.
        prefix: for each edge, the number of paths through earlier edges of the same node; [E] a layer, as
            int64, or as Python integers where those would overflow.
        count: the number of paths.
    """

    variables: tuple[int, ...]
    layers: tuple[Edges, ...]
    prefix: tuple[NDArray[Any], ...]
    count: int

    @staticmethod
    def of(variables: tuple[int, ...], layers: Sequence[Edges], bound: int) -> Diagram:
        """Keep the edges that lie on a complete path, renumber the nodes, count.

        Args:
            layers: edges ordered by source; every source is the target of an edge before it (or the root).
            bound: at least the number of paths; decides how to count.
        """
        dtype: Any = np.int64 if bound < 2**62 else object
        below: NDArray[Any] = np.array([1], dtype=dtype)  # paths from each node of the layer beneath
        number: Indices = np.zeros(1, dtype=np.int64)  # and its new number
        kept: list[Edges] = []
        prefixes: list[NDArray[Any]] = []
        for position in reversed(range(len(layers))):
            through = below[layers[position].target]
            alive = through > 0
            edges = layers[position]
            if not alive.all():
                edges, through = edges.where(alive), through[alive]
            nodes = _nodes(layers[position - 1].target) if position else 1
            first = edges.source.searchsorted(np.arange(nodes + 1))
            running = np.zeros(len(through) + 1, dtype=dtype)
            through.cumsum(out=running[1:])
            prefixes.append(running[:-1] - running[first[edges.source]])
            target = number[edges.target]
            below = running[first[1:]] - running[first[:-1]]
            number = (below > 0).cumsum(dtype=np.int64) - 1
            kept.append(Edges(number[edges.source], edges.choice, target))
        if not below[0]:  # what is left below was not reachable
            nothing = np.zeros(0, dtype=np.int64)
            kept = [Edges(nothing, nothing, nothing)] * len(layers)
            prefixes = [nothing] * len(layers)
        return Diagram(variables, tuple(reversed(kept)), tuple(reversed(prefixes)), int(below[0]))

    def restrict(self, allowed: Mapping[int, Mask]) -> Diagram:
        """Only the paths on which each variable in `allowed` takes a choice that its mask [choices] allows."""
        reached: Mask = np.ones(1, dtype=np.bool_)
        layers = []
        for variable, edges in zip(self.variables, self.layers, strict=True):
            kept = reached[edges.source]
            if variable in allowed:
                kept = kept & allowed[variable][edges.choice]
            reached = np.zeros(_nodes(edges.target), dtype=np.bool_)
            layers.append(edges if kept.all() else edges.where(kept))
            reached[layers[-1].target] = True
        return Diagram.of(self.variables, layers, self.count)

    @cached_property
    def members(self) -> frozenset[int]:
        """The variables, to look them up."""
        return frozenset(self.variables)

    def choices(self, variable: int) -> list[int]:
        """The choices of a variable that occur on some path, ascending."""
        return [int(choice) for choice in np.unique(self.layers[self.variables.index(variable)].choice)]

    def path(self, rank: int) -> list[int]:
        """The choices, by layer, of path number `rank`, 0 <= rank < count. `paths` yields them in this order."""
        choices = []
        node = 0
        for first, prefix, choice, target in self._lists:
            edge = bisect_right(prefix, rank, first[node], first[node + 1]) - 1
            rank -= prefix[edge]
            choices.append(choice[edge])
            node = target[edge]
        return choices

    def paths(self) -> Iterator[list[int]]:
        """The choices, by layer, of every path. The list is reused: copy what you keep."""
        if self.count == 0:
            return
        lists = self._lists
        choices = [0] * len(lists)
        pending = [iter(range(lists[0][0][0], lists[0][0][1]))]
        while pending:
            edge = next(pending[-1], None)
            if edge is None:
                pending.pop()
                continue
            layer = len(pending) - 1
            choices[layer] = lists[layer][2][edge]
            if layer + 1 == len(lists):
                yield choices
            else:
                first, node = lists[layer + 1][0], lists[layer][3][edge]
                pending.append(iter(range(first[node], first[node + 1])))

    def cheapest(self, costs: Mapping[int, Indices]) -> list[int]:
        """The choices, by layer, of the path with the smallest sum of costs; the first one among equals.

        Args:
            costs: for each variable the cost of each choice, [choices].
        """
        best: Indices = np.zeros(1, dtype=np.int64)
        totals = []
        for variable, edges in zip(reversed(self.variables), reversed(self.layers), strict=True):
            total = costs[variable][edges.choice] + best[edges.target]
            best = np.minimum.reduceat(total, np.flatnonzero(np.diff(edges.source, prepend=-1)))
            totals.append(total)
        choices = []
        node = 0
        for (first, _, choice, target), total in zip(self._lists, reversed(totals), strict=True):
            edge = first[node] + int(np.argmin(total[first[node] : first[node + 1]]))
            choices.append(choice[edge])
            node = target[edge]
        return choices

    @cached_property
    def _lists(self) -> list[tuple[list[int], list[int], list[int], list[int]]]:
        """(first edge of each node, prefix, choice, target) by layer; lists, for walks edge by edge."""
        lists = []
        for edges, prefix in zip(self.layers, self.prefix, strict=True):
            first = np.searchsorted(edges.source, np.arange(_nodes(edges.source) + 1)).tolist()
            lists.append((first, prefix.tolist(), edges.choice.tolist(), edges.target.tolist()))
        return lists


def key_of(columns: Sequence[Indices], sizes: Sequence[int], rows: int) -> Indices:
    """One number for each row that tells rows with different entries apart, [rows].

    Args:
        columns: entries below the column's size, [rows] each.
    """
    key: Indices = np.zeros(rows, dtype=np.int64)
    span = 1
    for column, size in zip(columns, sizes, strict=True):
        if span * size >= 2**62:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            span = rows
        key = key * size + column
        span *= size
    return key


def _nodes(numbers: Indices) -> int:
    """How many nodes there are, if these are the ones in use; at least one."""
    return int(numbers.max(initial=0)) + 1
