"""A preset's space before the job has had its say, and how the job's words change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter, SpaceError, find
from autoscout.space.values import Value, render

Assignment = Mapping[str, Value]


@dataclass(frozen=True)
class Rule:
    """A constraint of a preset, with its reason in plain words."""

    expression: Expression
    reason: str

    @staticmethod
    def of(source: str, reason: str) -> Rule:
        """The rule that a source in CEL states."""
        return Rule(Expression(source), reason)


@dataclass(frozen=True)
class Draft:
    """A preset, derived for one model on one pool of GPUs.

    Attributes:
        rules: what every configuration satisfies.
        candidates: from the parameters to settings that an expert would start from, the first choice first. They name
            some parameters; the others have their default.
        cautious: what a default satisfies, if one can, where nothing predicts its memory.
    """

    parameters: tuple[Parameter, ...]
    rules: tuple[Rule, ...]
    candidates: Callable[[Mapping[str, Parameter]], Iterator[Assignment]]
    cautious: Expression


@dataclass(frozen=True, eq=False)
class Override:
    """What a job says of one parameter. Attributes are None where it says nothing.

    Attributes:
        field: where it stands, for messages: `parameters[2]`.
        grid: the field that holds the values: `values` or `range`.
    """

    field: str
    name: str
    kind: Kind | None = None
    values: tuple[Value, ...] | None = None
    default: Value | None = None
    active_when: Expression | None = None
    description: str | None = None
    grid: str = "values"


def merged(draft: Draft, overrides: Sequence[Override]) -> tuple[Parameter, ...]:
    """The preset's parameters as the job changes them, then those that the job adds.

    Raises:
        SpaceError: with the field of the override.
    """
    own = {parameter.name: parameter for parameter in draft.parameters}
    changes = {override.name: override for override in overrides}
    return (
        *(_changed(parameter, changes[name]) if name in changes else parameter for name, parameter in own.items()),
        *(_added(override, own) for override in overrides if override.name not in own),
    )


def _changed(own: Parameter, override: Override) -> Parameter:
    values = own.values if override.values is None else override.values
    if _type(values[0]) != _type(own.values[0]):
        known = ", ".join(render(value) for value in own.values[:8])
        raise SpaceError(
            f"{override.field}.{override.grid}", f"must be {_type(own.values[0])}s, like those of the preset: {known}"
        )
    default = override.default
    if default is None:
        default = own.default if find(values, own.default) is not None else _nearest(values, own.default)
    return made(
        replace(
            override,
            kind=override.kind or own.kind,
            values=values,
            default=default,
            active_when=override.active_when or own.active_when,
            description=own.description if override.description is None else override.description,
        )
    )


def made(override: Override) -> Parameter:
    """The parameter that a job describes wholly.

    Raises:
        SpaceError: it leaves out kind, values or default, or they don't make a parameter; with the field.
    """
    for name, value in (("kind", override.kind), ("values", override.values), ("default", override.default)):
        if value is None:
            raise SpaceError(f"{override.field}.{name}", "is required, except for a parameter of a preset")
    assert override.kind is not None and override.values is not None and override.default is not None  # noqa: S101, PT018
    try:
        return Parameter(
            override.name,
            override.kind,
            override.values,
            override.default,
            override.active_when,
            override.description or "",
        )
    except SpaceError as error:
        place = override.grid if error.field.startswith("values") and override.grid != "values" else error.field
        raise SpaceError(f"{override.field}.{place}", error.problem) from None


def _added(override: Override, own: Mapping[str, Parameter]) -> Parameter:
    """A parameter that the preset does not have."""
    if override.kind is None or override.values is None or override.default is None:
        near = get_close_matches(override.name, own, 1)
        known = f"did you mean {near[0]}?" if near else f"there are {', '.join(own)}."
        raise SpaceError(
            f"{override.field}.name",
            f"{override.name!r} is no parameter of the preset for this model and these GPUs; {known} A parameter of "
            "your own needs kind, values (or range) and default",
        )
    return made(override)


def _type(value: Value) -> str:
    return "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def _nearest(values: Sequence[Value], wanted: Value) -> Value:
    """The value nearest to a number; the first one where these are no numbers."""
    if isinstance(wanted, bool | str):
        return values[0]
    return min(values, key=lambda value: abs(float(value) - wanted))
