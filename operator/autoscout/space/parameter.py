"""One knob: its name, its grid of values, and when it is there at all."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property

from autoscout.space.expression import Expression
from autoscout.space.language import RESERVED
from autoscout.space.values import Value, render, same

MAX_VALUES = 4096
MAX_NAME = 63
MAX_TEXT = 256

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXACT = 2**53  # up to here a double holds every integer
_INT64 = 2**63


class SpaceError(ValueError):
    """The search space, or an assignment to it, is wrong.

    Attributes:
        field: path of what is wrong, relative to what was built (`values[3]`, `parameters[2].default`).
        problem: what is wrong and the way out.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class Kind(StrEnum):
    """How a parameter is searched."""

    STRUCTURAL = "structural"
    """A categorical choice: a parallelism degree, a recomputation policy."""
    EXECUTION = "execution"
    """A position on an ordered grid: a micro-batch size, a bucket size."""


@dataclass(frozen=True, eq=False)
class Parameter:
    """A knob of the system under test.

    Numbers are brought to one type, so that a manifest means the same however its numbers were written or
    transported (JSON has only one kind): if every value is whole, all become integers, otherwise all become
    doubles. `1.0` beside `0.5` stays a double; `1.0` beside `2.0` becomes `1` beside `2`.

    Attributes:
        values: the grid, in its order; neighbours in it are one step apart.
        default: the value that an expert would use; also what expressions read while the parameter is inactive.
        active_when: the parameter exists only where this holds; None: always.

    Raises:
        SpaceError: with the field (`name`, `values`, `values[i]`, `default`).
    """

    name: str
    kind: Kind
    values: tuple[Value, ...]
    default: Value
    active_when: Expression | None = None
    description: str = ""

    def __post_init__(self) -> None:
        _check_name(self.name)
        values = _uniform(self.values)
        object.__setattr__(self, "values", values)
        index = find(values, self.default)
        if index is None:
            raise SpaceError("default", f"{_shown(self.default)} is not one of the values {_list(values)}")
        object.__setattr__(self, "default", values[index])

    def __eq__(self, other: object) -> bool:
        # The fields alone would hold the grids (0, 1) and (false, true) for the same.
        return isinstance(other, Parameter) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    @cached_property
    def identity(self) -> str:
        """All that defines the parameter, as JSON."""
        condition = self.active_when.source if self.active_when else None
        return json.dumps([self.name, self.kind, self.values, self.default, condition, self.description])

    @property
    def choices(self) -> int:
        """How many choices there are: the values, and being inactive if it can be."""
        return len(self.values) + (self.active_when is not None)

    def index(self, value: object) -> int:
        """The position of a value in the grid; `2.0` finds `2`, but `true` does not find `1`.

        Raises:
            SpaceError: it is not there.
        """
        if isinstance(value, bool | int | float | str):
            position = self._positions.get((isinstance(value, bool), value))
            if position is not None:
                return position
        raise SpaceError(self.name, f"{_shown(value)} is not one of the values {_list(self.values)}")

    @cached_property
    def _positions(self) -> dict[tuple[bool, Value], int]:
        return {(isinstance(value, bool), value): position for position, value in enumerate(self.values)}


def find(values: tuple[Value, ...], value: object) -> int | None:
    """The position of a value among others, or None."""
    if not isinstance(value, bool | int | float | str):
        return None
    return next((position for position, other in enumerate(values) if same(other, value)), None)


def expand_range(
    minimum: float | str | Decimal,
    maximum: float | str | Decimal,
    step: float | str | Decimal | None = None,
    factor: float | str | Decimal | None = None,
) -> tuple[Value, ...]:
    """The grid from `minimum` up to at most `maximum`, both included where the grid meets them.

    Decimal arithmetic throughout: steps of 0.1 give 0.1, 0.2, 0.3. Whole grids are integers.

    Args:
        step: distance between neighbours, above 0; 1 if neither step nor factor is given.
        factor: ratio of neighbours, above 1; instead of a step.

    Raises:
        SpaceError: with the field (`range.min`, `range.max`, `range.step`, `range.factor`).
    """
    low, high = _decimal("range.min", minimum), _decimal("range.max", maximum)
    if low > high:
        raise SpaceError("range.max", f"{high} is below min {low}")
    if step is not None and factor is not None:
        raise SpaceError("range.factor", "give step or factor, not both")
    grid = [low]
    if factor is None:
        distance = _decimal("range.step", 1 if step is None else step)
        if distance <= 0:
            raise SpaceError("range.step", f"{distance} is not above 0")
        if (high - low) / distance >= MAX_VALUES:
            raise SpaceError("range.step", f"makes more than {MAX_VALUES} values: take a larger step or a factor")
        grid.extend(low + distance * count for count in range(1, int((high - low) / distance) + 1))
    else:
        ratio = _decimal("range.factor", factor)
        if ratio <= 1:
            raise SpaceError("range.factor", f"{ratio} is not above 1")
        if low <= 0:
            raise SpaceError("range.min", f"with a factor it must be above 0, not {low}")
        while grid[-1] * ratio <= high:
            grid.append(grid[-1] * ratio)
            if len(grid) > MAX_VALUES:
                raise SpaceError("range.factor", f"makes more than {MAX_VALUES} values: take a larger factor")
    return _uniform(tuple(int(value) if value == int(value) else float(value) for value in grid))


def _decimal(field: str, number: float | str | Decimal) -> Decimal:
    try:
        value = Decimal(str(number))
    except (InvalidOperation, ValueError):
        raise SpaceError(field, f"{_shown(number)} is not a number") from None
    # A double must hold it, and integers of a thousand digits are nobody's grid.
    if isinstance(number, bool) or not value.is_finite() or (value and not -30 <= value.adjusted() <= 18):
        raise SpaceError(field, f"{_shown(number)} is not a number between 1e-30 and 1e18")
    return value


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpaceError("name", f"{_shown(name)} is not an identifier: letters, digits and _, no digit first")
    if len(name) > MAX_NAME:
        raise SpaceError("name", f"has {len(name)} characters; at most {MAX_NAME} are allowed")
    if name in RESERVED:
        raise SpaceError("name", f"'{name}' is a reserved word of CEL: choose another name")


def _uniform(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values in one type.

    Raises:
        SpaceError: none or too many, mixed types, repeated, not finite, or unfit text.
    """
    if not values:
        raise SpaceError("values", "is empty: give at least one value")
    if len(values) > MAX_VALUES:
        raise SpaceError("values", f"has {len(values)} values; at most {MAX_VALUES} are allowed")
    kinds = {type(value) for value in values}
    if kinds <= {int, float}:
        values = _numbers(values)
    elif kinds == {str}:
        _check_texts(values)
    elif kinds != {bool}:
        raise SpaceError("values", "must be only booleans, only numbers, or only strings (quote them)")
    first: dict[Value, int] = {}
    for position, value in enumerate(values):
        if first.setdefault(value, position) != position:
            raise SpaceError(f"values[{position}]", f"{_shown(value)} is there twice")
    return values


def _numbers(values: tuple[Value, ...]) -> tuple[Value, ...]:
    for position, value in enumerate(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise SpaceError(f"values[{position}]", f"{value} is not finite")
        if isinstance(value, int) and not -_INT64 <= value < _INT64:
            raise SpaceError(f"values[{position}]", f"{_shown(value)} does not fit in 64 bits")
    if all(isinstance(value, int) or (isinstance(value, float) and _whole(value)) for value in values):
        return tuple(int(value) for value in values)
    return tuple(float(value) + 0.0 for value in values)  # + 0.0: there is one zero


def _whole(value: float) -> bool:
    return value.is_integer() and abs(value) <= _EXACT


def _check_texts(values: tuple[Value, ...]) -> None:
    for position, value in enumerate(values):
        text = str(value)
        if len(text) > MAX_TEXT:
            raise SpaceError(f"values[{position}]", f"has {len(text)} characters; at most {MAX_TEXT} are allowed")
        if not text.isprintable():
            raise SpaceError(f"values[{position}]", f"{_shown(text)} holds a character that can't be printed")


def _shown(value: object) -> str:
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return f"an integer of {value.bit_length()} bits"  # Python refuses to print the largest ones
    text = render(value) if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _list(values: tuple[Value, ...]) -> str:
    shown = ", ".join(_shown(value) for value in values[:12])
    return f"[{shown}{', ...' if len(values) > 12 else ''}]"
