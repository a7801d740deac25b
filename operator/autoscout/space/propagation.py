"""From conditions to decision diagrams: which settings are valid, without walking through all of them.

The parameters fall into components that no condition connects. Within a component variables are decided one
by one; what must be remembered of the decided ones (the frontier) becomes a node of the component's
diagram, so that partial settings with the same future are extended only once. A condition is evaluated as
soon as its last variable is decided, once for each distinct combination of the values that it reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from autoscout.space.diagram import Diagram, Edges, Indices, Mask, key_of
from autoscout.space.expression import Expression
from autoscout.space.feasible import Feasible
from autoscout.space.ordering import components, elimination_order
from autoscout.space.parameter import Parameter, SpaceError

MAX_COMBINATIONS = 1_000_000
"""Edges visited for one space: bounds time and memory."""
MAX_EVALUATIONS = 750_000
"""Evaluations of expressions for one space, weighted by their cost: about a second."""

_SHOWN = 4  # conditions of a conflict


@dataclass(frozen=True)
class Condition:
    """Something that every configuration satisfies.

    Attributes:
        field: where it stands in the search space, for messages.
        reads: the parameters that the expression names.
        governs: the parameter that is active exactly where the expression holds; None: it must hold.
    """

    field: str
    expression: Expression
    reads: tuple[int, ...]
    governs: int | None = None

    @cached_property
    def scope(self) -> frozenset[int]:
        """Every parameter that it couples."""
        return frozenset(self.reads) if self.governs is None else frozenset((*self.reads, self.governs))


class Work:
    """What may still be spent on one space."""

    def __init__(self) -> None:
        self._combinations = MAX_COMBINATIONS
        self._evaluations = MAX_EVALUATIONS

    def combine(self, rows: int) -> bool:
        """Whether so many more combinations may be visited."""
        self._combinations -= rows
        return self._combinations >= 0

    def evaluate(self, rows: int, expression: Expression) -> bool:
        """Whether so many more evaluations may be made."""
        self._evaluations -= rows * expression.cost
        return self._evaluations >= 0


def _too_wide(field: str, variables: Iterable[int], parameters: Sequence[Parameter]) -> SpaceError:
    read = [parameters[variable].name for variable in sorted(variables)]
    shown = f"{', '.join(read[:8])}{', ...' if len(read) > 8 else ''}"
    return SpaceError(
        field,
        f"the conditions couple {shown} in more combinations than can be checked ahead; coarsen their grids, split "
        "conditions into such on fewer parameters, or leave one out: a configuration that can't run costs one profile",
    )


def solve(parameters: Sequence[Parameter], conditions: Sequence[Condition], work: Work | None = None) -> Feasible:
    """All configurations that satisfy the conditions.

    A combination for which an expression can't be evaluated (a division by zero, say) is not valid.

    Args:
        work: what may be spent; one space's worth if not given.

    Raises:
        SpaceError: the conditions couple too many combinations; the message names one and the way out.
    """
    work = work or Work()
    sizes = [parameter.choices for parameter in parameters]
    groups = components(len(parameters), [condition.scope for condition in conditions])
    group_of = {variable: number for number, group in enumerate(groups) for variable in group}
    # A condition on no parameter at all decides for every component: one is enough.
    own: list[list[Condition]] = [[] for _ in groups]
    for condition in conditions:
        own[group_of[min(condition.scope, default=0)]].append(condition)
    diagrams = []
    for group, mine in zip(groups, own, strict=True):
        order = elimination_order(group, [condition.scope for condition in mine if condition.scope], sizes)
        diagrams.append(_build(order, mine, parameters, work))
    return Feasible(tuple(diagrams))


@dataclass(frozen=True)
class Conflict:
    """Conditions that exclude each other.

    Attributes:
        complete: whether these alone do; otherwise others take part.
    """

    conditions: tuple[Condition, ...]
    complete: bool


def conflict(parameters: Sequence[Parameter], conditions: Sequence[Condition]) -> Conflict:
    """A smallest set of conditions that exclude each other, or some of its members where that is costly to tell.

    Each round finds the shortest prefix that is infeasible together with what was found before; its last
    condition belongs to the conflict. (Junker, "QuickXplain", AAAI 2004, without its divide and conquer.)

    Args:
        conditions: which together leave no configuration.
    """
    work = Work()
    found: list[Condition] = []
    candidates = list(conditions)

    def infeasible(length: int) -> bool:
        return solve(parameters, [*found, *candidates[:length]], work).count == 0

    try:
        while not infeasible(0):
            if len(found) == _SHOWN:
                return Conflict(tuple(found), complete=False)
            last = bisect_left(range(len(candidates)), True, key=infeasible)
            found.append(candidates[last - 1])
            candidates = candidates[: last - 1]
    except SpaceError:  # the work is used up
        return Conflict(tuple(found), complete=False)
    return Conflict(tuple(found), complete=True)


def _build(
    order: tuple[int, ...], conditions: Sequence[Condition], parameters: Sequence[Parameter], work: Work
) -> Diagram:
    place = {variable: position for position, variable in enumerate(order)}
    due: dict[int, list[Condition]] = {}  # by the position at which the last variable of the scope is decided
    needed = [0] * len(order)  # the last position at which each variable is read, by its own position
    for condition in sorted(conditions, key=lambda condition: len(condition.scope)):
        last = max((place[variable] for variable in condition.scope), default=0)
        due.setdefault(last, []).append(condition)
        for variable in condition.scope:
            needed[place[variable]] = max(needed[place[variable]], last)
    frontier: dict[int, Indices] = {}  # choice of each remembered variable, [nodes]
    nodes = 1
    layers: list[Edges] = []
    for position, variable in enumerate(order):
        size = parameters[variable].choices
        if conditions and not work.combine(nodes * size):
            pending = (condition for later in range(position, len(order)) for condition in due.get(later, ()))
            widest = max(pending, key=lambda condition: len(condition.scope))
            raise _too_wide(widest.field, {*frontier, variable}, parameters)
        source = np.repeat(np.arange(nodes), size)
        choice = np.tile(np.arange(size), nodes)
        for condition in due.get(position, ()):
            columns = {member: choice if member == variable else frontier[member][source] for member in condition.scope}
            kept = _satisfied(condition, columns, len(source), parameters, work)
            source, choice = source[kept], choice[kept]
        remembered = [member for member in (*frontier, variable) if needed[place[member]] > position]
        columns = {member: choice if member == variable else frontier[member][source] for member in remembered}
        key = key_of(
            [columns[member] for member in remembered],
            [parameters[member].choices for member in remembered],
            len(source),
        )
        _, first, target = np.unique(key, return_index=True, return_inverse=True)
        frontier = {member: columns[member][first] for member in remembered}
        nodes = len(first)
        layers.append(Edges(source, choice, target))
    return Diagram.of(order, layers, prod(parameters[variable].choices for variable in order))


def _satisfied(
    condition: Condition,
    columns: Mapping[int, Indices],
    rows: int,
    parameters: Sequence[Parameter],
    work: Work,
) -> Mask:
    """Which rows satisfy the condition, [rows]."""
    read = [parameters[variable] for variable in condition.reads]
    values = [_effective(parameters[variable], columns[variable]) for variable in condition.reads]
    key = key_of(values, [len(parameter.values) for parameter in read], rows)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if not work.evaluate(len(first), condition.expression):
        raise _too_wide(condition.field, condition.scope, parameters)
    combinations = zip(
        *(
            [parameter.values[index] for index in column[first].tolist()]
            for parameter, column in zip(read, values, strict=True)
        ),
        strict=True,
    )
    outcomes = condition.expression.outcomes(
        [parameter.name for parameter in read], combinations if read else [()] * len(first)
    )
    holds = np.array([outcome is True for outcome in outcomes], dtype=np.bool_)[inverse]
    if condition.governs is None:
        return holds
    fails = np.array([outcome is False for outcome in outcomes], dtype=np.bool_)[inverse]
    active = columns[condition.governs] < len(parameters[condition.governs].values)
    satisfied: Mask = np.where(active, holds, fails)
    return satisfied


def _effective(parameter: Parameter, choice: Indices) -> Indices:
    """The index of the value that expressions read: an inactive parameter reads as its default."""
    return np.where(choice < len(parameter.values), choice, parameter.index(parameter.default))
