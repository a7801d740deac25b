"""In which order to decide variables, so that few of them have to be remembered at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

_EFFORT = 1_000_000  # steps spent on finding an order; where not even one fits, the given order has to do


def components(count: int, scopes: Sequence[frozenset[int]]) -> list[tuple[int, ...]]:
    """The variables 0..count-1 in groups that no scope connects; groups and members ascend."""
    root = list(range(count))

    def find(variable: int) -> int:
        while root[variable] != variable:
            root[variable] = root[root[variable]]
            variable = root[variable]
        return variable

    for scope in scopes:
        for left, right in pairwise(sorted(scope)):
            low, high = sorted((find(left), find(right)))
            root[high] = low
    groups: dict[int, list[int]] = {}
    for variable in range(count):
        groups.setdefault(find(variable), []).append(variable)
    return [tuple(groups[key]) for key in sorted(groups)]


def elimination_order(
    variables: Sequence[int], scopes: Iterable[frozenset[int]], sizes: Sequence[int]
) -> tuple[int, ...]:
    """An order of one component's variables with a small frontier.

    The frontier after some steps are the decided variables that share a scope with undecided ones: what has
    to be remembered. Greedy: the next variable is the one that leaves the smallest frontier; from several
    starts, the order with the fewest estimated combinations wins. (Finding the best order is NP-hard.)

    Args:
        variables: of one component.
        scopes: sets of variables, all within the component.
        sizes: number of values, by variable.
    """
    distinct = list(dict.fromkeys(scopes))
    effort = len(variables) * sum(map(len, distinct)) + 1  # of one greedy order
    starts = [None, *variables][: _EFFORT // effort]
    found = [_Greedy(variables, distinct, sizes).order(start) for start in starts]
    return min(found, key=lambda order: order[0])[1] if found else tuple(variables)


class _Greedy:
    """The state of one greedy order in the making."""

    def __init__(self, variables: Sequence[int], scopes: Sequence[frozenset[int]], sizes: Sequence[int]) -> None:
        self._scopes = scopes
        self._logs = {variable: math.log(sizes[variable]) for variable in variables}
        self._members: dict[int, list[int]] = {variable: [] for variable in variables}
        for number, scope in enumerate(scopes):
            for variable in sorted(scope):
                self._members[variable].append(number)
        self._undecided = [len(scope) for scope in scopes]
        self._open = {variable: len(numbers) for variable, numbers in self._members.items()}
        self._width = 0.0  # logarithm of the number of combinations on the frontier

    def order(self, start: int | None) -> tuple[float, tuple[int, ...]]:
        """(estimated number of combinations visited, order)."""
        remaining = list(self._logs)
        decided: list[int] = []
        visited = 0.0
        while remaining:
            chosen = start if start is not None and not decided else self._best(remaining)
            visited += math.exp(min(self._width + self._logs[chosen], 700.0))
            self._decide(chosen)
            remaining.remove(chosen)
            decided.append(chosen)
        return visited, tuple(decided)

    def _best(self, remaining: Sequence[int]) -> int:
        return min(remaining, key=lambda variable: (round(self._left(variable), 9), self._logs[variable]))

    def _left(self, variable: int) -> float:
        """The width of the frontier once `variable` is decided."""
        closed = {variable: 0}
        for number in self._members[variable]:
            if self._undecided[number] == 1:
                for member in self._scopes[number]:
                    closed[member] = closed.get(member, 0) + 1
        forgotten = sum(self._logs[member] for member, count in closed.items() if self._open[member] == count)
        return self._width + self._logs[variable] - forgotten

    def _decide(self, variable: int) -> None:
        self._width = self._left(variable)
        for number in self._members[variable]:
            self._undecided[number] -= 1
            if self._undecided[number] == 0:
                for member in self._scopes[number]:
                    self._open[member] -= 1
