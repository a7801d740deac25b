"""From `spec.searchSpace` to the core's search space, with every error at the field that it is about."""

from __future__ import annotations

from collections.abc import Sequence

from autoscout.api.errors import FieldError
from autoscout.api.search_space import ParameterSpec, SearchSpaceSpec
from autoscout.space.expression import Expression, ExpressionError
from autoscout.space.parameter import Kind, Parameter, SpaceError, expand_range
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

_FIELD = "spec.searchSpace"


def search_space(spec: SearchSpaceSpec) -> SearchSpace | list[FieldError]:
    """The space that is searched, or everything that is wrong with it."""
    errors: list[FieldError] = []
    parameters: list[Parameter] = []
    for index, parameter in enumerate(spec.parameters):
        made = _parameter(parameter, f"{_FIELD}.parameters[{index}]")
        if isinstance(made, Parameter):
            parameters.append(made)
        else:
            errors += made
    constraints = _expressions(spec.constraints, errors)
    if errors:
        return errors
    try:
        return SearchSpace(tuple(parameters), constraints)
    except SpaceError as error:
        return [space_error(error)]


def space_error(error: SpaceError) -> FieldError:
    """What the core says of a whole search space, at its field in the TuningJob."""
    return FieldError(f"{_FIELD}.{error.field}" if error.field else _FIELD, error.problem)


def _parameter(spec: ParameterSpec, field: str) -> Parameter | list[FieldError]:
    errors: list[FieldError] = []
    active_when: Expression | None = None
    if spec.active_when is not None:
        try:
            active_when = Expression(spec.active_when)
        except ExpressionError as error:
            errors.append(FieldError(f"{field}.activeWhen", str(error)))
    try:
        parameter = Parameter(
            name=spec.name,
            kind=Kind(spec.kind),
            values=_values(spec),
            default=spec.default,
            active_when=active_when,
            description=spec.description or "",
        )
    except SpaceError as error:
        place = "range" if spec.range is not None and error.field.startswith("values") else error.field
        errors.append(FieldError(f"{field}.{place}", error.problem))
        return errors
    return errors or parameter


def _values(spec: ParameterSpec) -> tuple[Value, ...]:
    if spec.range is None:
        return spec.values or ()
    grid = spec.range
    return expand_range(grid.min, grid.max, step=grid.step, factor=grid.factor)


def _expressions(sources: Sequence[str], errors: list[FieldError]) -> tuple[Expression, ...]:
    expressions = []
    for index, source in enumerate(sources):
        try:
            expressions.append(Expression(source))
        except ExpressionError as error:
            errors.append(FieldError(f"{_FIELD}.constraints[{index}]", str(error)))
    return tuple(expressions)
