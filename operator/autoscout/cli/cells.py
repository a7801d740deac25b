"""What the cells of a CSV file mean."""

from __future__ import annotations

from autoscout.space.parameter import Parameter
from autoscout.space.values import Value

_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def value_of(parameter: Parameter, cell: str) -> Value:
    """The value on a parameter's grid that a cell means; `1.0` stands for 1, `True` for true.

    Raises:
        SpaceError: there is none.
    """
    kind = type(parameter.values[0])
    found: object = cell
    if kind is bool:
        found = _BOOLEANS.get(cell.lower(), cell)
    elif kind is not str:
        try:
            found = float(cell) if kind is float else _whole(cell)
        except ValueError:
            found = cell
    return parameter.values[parameter.index(found)]


def _whole(cell: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        return float(cell)
