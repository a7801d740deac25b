"""The values that a parameter can take, and their one canonical spelling."""

from __future__ import annotations

Value = bool | int | float | str
"""One setting of one parameter. `True` and `1` are different values, `2` and `2.0` the same number."""


def same(left: Value, right: Value) -> bool:
    """Whether two values are the same setting.

    Python holds `True == 1`; a configuration must not, or a boolean knob would match an integer one.
    """
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def render(value: Value) -> str:
    """A value as an argument of a command line: `true`, `8`, `0.9`, `full`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
