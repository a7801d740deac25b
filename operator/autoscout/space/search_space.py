"""The search space: parameters, when they are active, and what they must satisfy together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache

import numpy as np

from autoscout.space.checks import activation_order, check_expression, check_names
from autoscout.space.configuration import Configuration
from autoscout.space.expression import Expression, ExpressionError, where
from autoscout.space.feasible import Feasible, distances
from autoscout.space.parameter import Parameter, SpaceError
from autoscout.space.propagation import Condition, conflict, solve
from autoscout.space.values import Value, render

MAX_PARAMETERS = 200
MAX_CONSTRAINTS = 200
MAX_VALUES = 65_536
"""Values of all parameters together."""


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """Which configurations there are.

    A parameter that is inactive reads as its default in every expression, and has no place in the
    configuration. A combination on which an expression can't be evaluated (a division by zero) is not valid;
    an expression that can be evaluated nowhere is an error.

    Counting, drawing and refining need no enumeration: see `propagation`. They raise SpaceError for a space
    whose conditions couple too many combinations to be checked ahead.

    Attributes:
        parameters: at most 200, with distinct names and at most 65,536 values together.
        constraints: at most 200; each conjunct names at most 24 parameters.

    Raises:
        SpaceError: with the field (`parameters[2].activeWhen`, `constraints[0]`, ...).
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[Expression, ...] = ()

    def __post_init__(self) -> None:
        if not self.parameters:
            raise SpaceError("parameters", "is empty: give at least one parameter")
        if len(self.parameters) > MAX_PARAMETERS:
            raise SpaceError("parameters", f"has {len(self.parameters)} entries; at most {MAX_PARAMETERS} are allowed")
        values = sum(len(parameter.values) for parameter in self.parameters)
        if values > MAX_VALUES:
            raise SpaceError("parameters", f"have {values} values together; at most {MAX_VALUES} are allowed")
        if len(self.constraints) > MAX_CONSTRAINTS:
            raise SpaceError(
                "constraints", f"has {len(self.constraints)} entries; at most {MAX_CONSTRAINTS} are allowed"
            )
        check_names(self.parameters)
        for position, parameter in enumerate(self.parameters):
            if parameter.active_when is not None:
                scope = len(parameter.active_when.names | {parameter.name})
                check_expression(f"parameters[{position}].activeWhen", parameter.active_when, self.by_name, scope)
        for number, constraint in enumerate(self.constraints):
            scope = max(len(conjunct.names) for conjunct in constraint.conjuncts)
            check_expression(f"constraints[{number}]", constraint, self.by_name, scope)
        activation_order(self.parameters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __getstate__(self) -> dict[str, object]:
        # What was derived is derived again (or found in the cache) where the pickle is read.
        return {"parameters": self.parameters, "constraints": self.constraints}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that defines the space, as hexadecimal digits."""
        definition = [
            [parameter.identity for parameter in self.parameters],
            [constraint.source for constraint in self.constraints],
        ]
        return hashlib.sha256(json.dumps(definition).encode()).hexdigest()

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """The parameters by name, in order."""
        return {parameter.name: parameter for parameter in self.parameters}

    # One configuration

    def canonical(self, assignment: Mapping[str, object]) -> Configuration:
        """The configuration that an assignment means.

        Args:
            assignment: values by name, in any order; `2.0` stands for `2`. What it says of inactive
                parameters is dropped.

        Raises:
            SpaceError: an unknown name, an active parameter without value, a value that is not on its grid,
                or a broken constraint; the field is the parameter or the constraint.
        """
        self._check_known(assignment)
        values, active = self._resolve(assignment)
        for number, constraint in enumerate(self.constraints):
            if not _holds(f"constraints[{number}]", constraint, values):
                read = {name: values[name] for name in constraint.names}
                raise SpaceError(f"constraints[{number}]", f"{constraint} does not hold{where(read)}")
        return Configuration(tuple((name, values[name]) for name in self.by_name if name in active))

    def is_valid(self, assignment: Mapping[str, object]) -> bool:
        """Whether `canonical` accepts it."""
        try:
            self.canonical(assignment)
        except SpaceError:
            return False
        return True

    def default(self) -> Configuration:
        """The configuration in which every active parameter has its default.

        Raises:
            SpaceError: it breaks a constraint; the message names the nearest configuration that does not.
        """
        defaults = {parameter.name: parameter.default for parameter in self.parameters}
        try:
            return self.canonical(defaults)
        except SpaceError as error:
            nearest = self.nearest(defaults)
            if nearest is None:
                self.require_feasible()
                raise
            changes = {name: value for name, value in nearest.items() if value != defaults[name]}
            shown = ", ".join(f"{name}={render(value)}" for name, value in changes.items())
            raise SpaceError(
                error.field,
                f"the default configuration is not valid: {error.problem}; the nearest that is has {shown}",
            ) from None

    def full_values(self, configuration: Mapping[str, Value]) -> dict[str, Value]:
        """The value that expressions read for every parameter: inactive ones have their default."""
        return {name: configuration.get(name, parameter.default) for name, parameter in self.by_name.items()}

    # All of them

    def require_feasible(self) -> None:
        """Make sure that there is a configuration at all.

        Raises:
            SpaceError: there is none, naming conditions that exclude each other.
        """
        if self.count():
            return
        found = conflict(self.parameters, self._conditions)
        if not found.conditions:
            raise SpaceError("constraints", "no configuration satisfies all of them together")
        shown = " and ".join(f"{condition.field} {condition.expression}" for condition in found.conditions)
        others = "" if found.complete else ", together with others"
        raise SpaceError(found.conditions[0].field, f"no configuration satisfies {shown}{others}")

    def count(self, given: Mapping[str, object] | None = None) -> int:
        """How many configurations there are.

        Args:
            given: only those in which these parameters read so (an inactive one reads as its default).
        """
        return self._under(given).count

    def sample(self, rng: np.random.Generator, given: Mapping[str, object] | None = None) -> Configuration:
        """One configuration, each with the same probability.

        Raises:
            SpaceError: there is none to draw from.
        """
        feasible = self._under(given)
        if feasible.count == 0:
            raise SpaceError("constraints", "no configuration is left to draw from")
        return self._configuration(feasible.draw(rng))

    def enumerate(self, given: Mapping[str, object] | None = None) -> Iterator[Configuration]:
        """Every configuration once; the order depends on the space alone."""
        return (self._configuration(chosen) for chosen in self._under(given).each())

    def refinements(self, partial: Mapping[str, object], name: str) -> tuple[Value, ...]:
        """The values that a parameter can read, given others, such that a valid configuration remains.

        Where the parameter can only be inactive that is its default. Empty: the partial setting is infeasible.
        """
        parameter = self._parameter(name)
        default = parameter.index(parameter.default)
        found = {
            choice if choice < len(parameter.values) else default
            for choice in self._under(partial).choices(self._index[name])
        }
        return tuple(parameter.values[choice] for choice in sorted(found))

    def nearest(
        self, assignment: Mapping[str, object], given: Mapping[str, object] | None = None
    ) -> Configuration | None:
        """The valid configuration that is closest to an assignment; None if there is none.

        Fewest changed parameters first, then the fewest steps along their grids (a change of text or of a
        boolean counts as one step). Becoming active or inactive is no change. Among equals the first in the
        order of `enumerate`.

        Args:
            assignment: values by name; what it leaves out counts as default. Numbers off the grid stand for
                the nearest on it.
            given: what the result has to read, for example the coordinate that was just moved.

        Raises:
            SpaceError: an unknown name, or text that is not among the values.
        """
        self._check_known(assignment)
        feasible = self._under(given)
        if feasible.count == 0:
            return None
        change = 1 + sum(parameter.choices for parameter in self.parameters)
        costs = {
            variable: distances(parameter, assignment.get(parameter.name, parameter.default), change)
            for variable, parameter in enumerate(self.parameters)
        }
        return self._configuration(feasible.cheapest(costs))

    # Inside

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {parameter.name: position for position, parameter in enumerate(self.parameters)}

    @cached_property
    def _activation_order(self) -> tuple[str, ...]:
        return activation_order(self.parameters)

    @cached_property
    def _pairs(self) -> tuple[tuple[tuple[str, Value], ...], ...]:
        """The items that each choice of each parameter contributes to a configuration."""
        return tuple(tuple((parameter.name, value) for value in parameter.values) for parameter in self.parameters)

    @cached_property
    def _conditions(self) -> tuple[Condition, ...]:
        found = [
            Condition(
                f"parameters[{position}].activeWhen",
                parameter.active_when,
                self._reads(parameter.active_when),
                position,
            )
            for position, parameter in enumerate(self.parameters)
            if parameter.active_when is not None
        ]
        found.extend(
            Condition(f"constraints[{number}]", conjunct, self._reads(conjunct))
            for number, constraint in enumerate(self.constraints)
            for conjunct in constraint.conjuncts
        )
        return tuple(found)

    def _reads(self, expression: Expression) -> tuple[int, ...]:
        return tuple(sorted(self._index[name] for name in expression.names))

    def _parameter(self, name: str) -> Parameter:
        parameter = self.by_name.get(name)
        if parameter is None:
            close = get_close_matches(str(name)[:64], self.by_name, 1)
            known = f"did you mean {close[0]}?" if close else f"there are {', '.join(list(self.by_name)[:12])}"
            raise SpaceError(str(name)[:64], f"is not a parameter of this space; {known}")
        return parameter

    def _check_known(self, assignment: Mapping[str, object]) -> None:
        for name in assignment:
            self._parameter(name)

    def _resolve(self, assignment: Mapping[str, object]) -> tuple[dict[str, Value], set[str]]:
        """What every parameter reads, and which are active."""
        values: dict[str, Value] = {}
        active: set[str] = set()
        for name in self._activation_order:
            parameter = self.by_name[name]
            field = f"parameters[{self._index[name]}].activeWhen"
            if parameter.active_when is not None and not _holds(field, parameter.active_when, values):
                values[name] = parameter.default
                continue
            if name not in assignment:
                raise SpaceError(name, f"is missing; it takes one of {', '.join(map(render, parameter.values[:12]))}")
            values[name] = parameter.values[parameter.index(assignment[name])]
            active.add(name)
        return values, active

    def _under(self, given: Mapping[str, object] | None) -> Feasible:
        allowed: dict[int, tuple[int, ...]] = {}
        for name, value in (given or {}).items():
            parameter = self._parameter(name)
            choice = parameter.index(value)
            absent = parameter.active_when is not None and parameter.values[choice] == parameter.default
            allowed[self._index[name]] = (choice, len(parameter.values)) if absent else (choice,)
        solved = _solved(self)
        if isinstance(solved, Feasible):
            return solved.under(allowed)
        raise SpaceError(*solved)

    def _configuration(self, chosen: Mapping[int, int]) -> Configuration:
        return Configuration(
            tuple(
                pairs[chosen[variable]] for variable, pairs in enumerate(self._pairs) if chosen[variable] < len(pairs)
            )
        )


@lru_cache(maxsize=8)
def _solved(space: SearchSpace) -> Feasible | tuple[str, str]:
    """The valid configurations, or the field and problem of the SpaceError; shared by equal spaces.

    A worker that receives the same space again has it solved already, or knows that it can't be.
    """
    try:
        return solve(space.parameters, space._conditions)  # noqa: SLF001 - a cache that belongs to the class
    except SpaceError as error:
        return error.field, error.problem


def _holds(field: str, expression: Expression, values: Mapping[str, Value]) -> bool:
    try:
        return expression.evaluate(values)
    except ExpressionError as error:
        raise SpaceError(field, str(error)) from None
