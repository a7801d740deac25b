"""What a search space must satisfy before it makes sense: names, expressions, no cycle of conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from math import prod

from autoscout.space.expression import Expression, ExpressionError
from autoscout.space.parameter import Parameter, SpaceError

MAX_SCOPE = 24
_TRIES = 256  # combinations of values, on one of which an expression must work


def check_names(parameters: Sequence[Parameter]) -> None:
    """No two parameters share a name, nor differ in case alone.

    Raises:
        SpaceError: with the field of the second one.
    """
    seen: dict[str, str] = {}
    for position, parameter in enumerate(parameters):
        other = seen.setdefault(parameter.name.upper(), parameter.name)
        if other == parameter.name and position != _first(parameters, other):
            raise SpaceError(f"parameters[{position}].name", f"'{other}' is there twice")
        if other != parameter.name:
            raise SpaceError(
                f"parameters[{position}].name",
                f"'{parameter.name}' and '{other}' differ in case only, which environment variables can't tell",
            )


def _first(parameters: Sequence[Parameter], name: str) -> int:
    return next(position for position, parameter in enumerate(parameters) if parameter.name == name)


def check_expression(field: str, expression: Expression, parameters: Mapping[str, Parameter], scope: int) -> None:
    """An expression names parameters only, few enough, and can be evaluated on some combination of their values.

    Args:
        field: where it stands, for messages.
        parameters: by name.
        scope: how many parameters it couples at once.

    Raises:
        SpaceError: otherwise.
    """
    unknown = sorted(expression.names - parameters.keys())
    if unknown:
        raise SpaceError(field, f"{expression} names {', '.join(unknown[:8])}, which is no parameter")
    if scope > MAX_SCOPE:
        raise SpaceError(
            field,
            f"couples {scope} parameters at once; at most {MAX_SCOPE} are allowed: split it with && or in several",
        )
    read = [parameters[name] for name in sorted(expression.names)]
    values = {parameter.name: parameter.default for parameter in read}
    total = prod(len(parameter.values) for parameter in read)
    problem = ""
    for attempt in range(min(total, _TRIES) + 1):
        try:
            expression.evaluate(values)
        except ExpressionError as error:
            problem = problem or str(error)
        else:
            return
        # Spread over all combinations; a prime step visits each once where there are few.
        rest = attempt * 7_368_787 % total
        for parameter in read:
            rest, index = divmod(rest, len(parameter.values))
            values[parameter.name] = parameter.values[index]
    raise SpaceError(field, f"{problem} (and on every other combination tried)" if total > 1 else problem)


def activation_order(parameters: Sequence[Parameter]) -> tuple[str, ...]:
    """The parameters' names such that each comes after those that its `activeWhen` reads.

    Raises:
        SpaceError: the conditions form a cycle, which the message names.
    """
    graph = {
        parameter.name: sorted(parameter.active_when.names) if parameter.active_when else [] for parameter in parameters
    }
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle: list[str] = error.args[1]
        # graphlib lists each after what it reads; "a -> b" shall say that a needs b.
        path = list(reversed(cycle))
        position = next(number for number, parameter in enumerate(parameters) if parameter.name == path[0])
        raise SpaceError(f"parameters[{position}].activeWhen", f"depends on itself: {' -> '.join(path)}") from None
