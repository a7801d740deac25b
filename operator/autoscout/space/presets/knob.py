"""Shorthand for the parameters of a preset."""

from __future__ import annotations

from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.values import Value


def structural(
    name: str, values: tuple[Value, ...], default: Value, description: str, active_when: str | None = None
) -> Parameter:
    """A choice that changes how the work is organised."""
    return _parameter(name, Kind.STRUCTURAL, values, default, description, active_when)


def switch(name: str, default: bool, description: str, active_when: str | None = None) -> Parameter:
    """A structural choice between off and on."""
    return structural(name, (False, True), default, description, active_when)


def grid(
    name: str, values: tuple[Value, ...], default: Value, description: str, active_when: str | None = None
) -> Parameter:
    """An ordered grid of numbers."""
    return _parameter(name, Kind.EXECUTION, values, default, description, active_when)


def _parameter(
    name: str, kind: Kind, values: tuple[Value, ...], default: Value, description: str, active_when: str | None
) -> Parameter:
    return Parameter(name, kind, values, default, None if active_when is None else Expression(active_when), description)
