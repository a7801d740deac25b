"""Conditions and constraints: CEL over the names of the parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cel

from autoscout.space.language import LanguageError, Scan, scan
from autoscout.space.values import Value, render

_SHOWN = 120  # characters of an expression in a message


class ExpressionError(ValueError):
    """An expression is wrong, or can't be evaluated for the values given.

    Attributes:
        source: the expression.
        problem: what is wrong with it.
    """

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source = source
        self.problem = problem

    def __str__(self) -> str:
        return f"expression {quoted(self.source)}: {self.problem}"


def quoted(source: str) -> str:
    """A source for a message: on one line and not too long."""
    shown = "".join(character if character.isprintable() else " " for character in source[:_SHOWN])
    return f"`{shown}{'...' if len(source) > _SHOWN else ''}`"


def where(values: Mapping[str, Value]) -> str:
    """The values of some names for a message: ` where pp=4, tp=2`; nothing where there are none."""
    if not values:
        return ""
    shown = ", ".join(f"{name}={render(value)}" for name, value in sorted(values.items())[:8])
    return f" where {shown}{', ...' if len(values) > 8 else ''}"


@dataclass(frozen=True)
class Expression:
    """A condition in CEL, for example `tp > 1 && (40 / pp) % vpp == 0`.

    `language` says which part of CEL may be used. As everywhere in CEL, integers divide to integers, and
    arithmetic never mixes integers with doubles.

    Raises:
        ExpressionError: not in the language, or a syntax error.
    """

    source: str

    def __post_init__(self) -> None:
        _compiled(self.source)

    def __str__(self) -> str:
        return quoted(self.source)

    @property
    def names(self) -> frozenset[str]:
        """The variables that it reads."""
        return _compiled(self.source)[1].names

    @property
    def cost(self) -> int:
        """Upper bound of one evaluation, as a multiple of that of a minimal comparison (about 1 us)."""
        return _compiled(self.source)[1].cost

    @property
    def conjuncts(self) -> tuple[Expression, ...]:
        """Expressions that hold together exactly where this one holds; narrower ones are cheaper to solve."""
        return tuple(Expression(source) for source in _compiled(self.source)[1].conjuncts)

    def evaluate(self, values: Mapping[str, Value]) -> bool:
        """Whether it holds.

        Args:
            values: at least the values of `names`.

        Raises:
            ExpressionError: a name is missing, types mix, a division by zero, an overflow, or the result is
                neither true nor false.
        """
        program, known = _compiled(self.source)
        missing = sorted(known.names - values.keys())
        if missing:
            raise ExpressionError(self.source, f"unknown name {', '.join(missing)}")
        given = {name: values[name] for name in known.names}
        try:
            result = program.execute(given)
        except Exception as error:  # noqa: BLE001 - the library raises whatever fits: all of it means "undefined"
            raise ExpressionError(self.source, f"{_problem(error)}{where(given)}") from None
        if not isinstance(result, bool):
            raise ExpressionError(self.source, f"yields {result!r}, neither true nor false{where(given)}")
        return result

    def outcomes(self, names: Sequence[str], rows: Iterable[Sequence[Value]]) -> list[bool | None]:
        """`evaluate` for many rows of values, None where it would raise; several times faster."""
        execute = _compiled(self.source)[0].execute
        results: list[bool | None] = []
        for row in rows:
            try:
                result = execute(dict(zip(names, row, strict=True)))
            except Exception:  # noqa: BLE001 - as in evaluate
                result = None
            results.append(result if isinstance(result, bool) else None)
        return results


@lru_cache(maxsize=4096)
def _compiled(source: str) -> tuple[Any, Scan]:
    """The compiled program, which can't be pickled and so lives here rather than in the Expression."""
    try:
        known = scan(source)
        program = cel.compile(source)
    except LanguageError as error:
        raise ExpressionError(source, str(error)) from None
    except Exception as error:  # noqa: BLE001 - one kind of failure: it does not parse
        raise ExpressionError(source, _syntax_problem(str(error))) from None
    return program, known


def _syntax_problem(message: str) -> str:
    # ERROR: <input>:1:9: Syntax error: mismatched input '<EOF>' expecting {'[', ...}
    match = re.search(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)", message)
    if match is None:
        return "it nests too deeply" if "recursion" in message.lower() else "syntax error"
    detail = match[3].split(" expecting ")[0]
    if "<EOF>" in detail or "Incomplete" in detail:
        detail = "something is missing"
    return f"syntax error in line {match[1]}, column {match[2]}: {detail}"


def _problem(error: Exception) -> str:
    text = str(error)
    if isinstance(error, ZeroDivisionError):
        return "divides by zero"
    if isinstance(error, OverflowError):
        return "leaves the range of 64-bit integers"
    if isinstance(error, TypeError):
        return "mixes types (CEL never converts by itself: write double(x), int(x), or 2.0 instead of 2)"
    if isinstance(error, IndexError):
        return "reads beyond the end of a list"
    undefined = re.match(r"Undefined variable or function: '(\w+)'", text)
    if undefined:
        return f"function '{undefined[1]}' does not take such an argument"
    return text.split(". Check", maxsplit=1)[0]
