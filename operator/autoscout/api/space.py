"""From a job to the search space of the core: what is listed, or a preset with the job's changes.

The only place where a preset becomes parameters. The stored TuningJob stays as its author wrote it, so everyone who
needs the space of a job, or the names in it, asks here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from autoscout.api import preset
from autoscout.api.errors import ApiError, FieldError
from autoscout.api.model import Model
from autoscout.api.search_space import ParameterSpec, SearchSpaceSpec
from autoscout.api.tuning_job import ConstraintSpec, TuningJobSpec
from autoscout.api.workload import Hardware, Workload
from autoscout.simulators.knobs import canonical
from autoscout.space.expression import Expression, ExpressionError
from autoscout.space.parameter import Kind, Parameter, SpaceError, expand_range
from autoscout.space.presets import PRESETS
from autoscout.space.presets.defaults import with_expert_defaults
from autoscout.space.presets.draft import Draft, Override, made, merged
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

_FIELD = "spec.searchSpace"
_PART = re.compile(r"\b(?P<part>parameters|constraints)\[(?P<number>\d+)\]")


@dataclass(frozen=True)
class Expansion:
    """A search space, and where each part of it stands in the job.

    Attributes:
        parameters: the field of each parameter of the space, below `spec.searchSpace`.
        constraints: the same of each constraint; with the reason of those that are the preset's.
    """

    space: SearchSpace
    parameters: tuple[str, ...]
    constraints: tuple[tuple[str, str], ...]

    def error(self, error: SpaceError) -> FieldError:
        """What the core says of this space, at its field in the TuningJob."""
        return _located(error, self.parameters, self.constraints)


def search_space(spec: TuningJobSpec) -> SearchSpace | list[FieldError]:
    """The space that is searched, or everything that is wrong with it."""
    found = expansion(spec)
    return found.space if isinstance(found, Expansion) else found


def parameter_names(spec: TuningJobSpec) -> tuple[str, ...]:
    """The names of the parameters, in the order of the space.

    Raises:
        ApiError: they follow from a preset, which can't be derived.
    """
    if spec.search_space.preset is None:
        return tuple(parameter.name for parameter in spec.search_space.parameters)
    space = search_space(spec)
    if not isinstance(space, SearchSpace):
        raise ApiError(space)
    return tuple(space.by_name)


def expansion(spec: TuningJobSpec) -> Expansion | list[FieldError]:
    """The space that is searched with the fields that it stands in, or everything that is wrong with it."""
    if spec.search_space.preset is None:
        return _listed(spec.search_space)
    parts = _Parts(
        workload=spec.workload, hardware=spec.hardware, constraints=spec.constraints, search_space=spec.search_space
    )
    found = _derived_once(parts.model_dump_json(exclude_none=True))
    return list(found) if isinstance(found, tuple) else found


class _Parts(Model):
    """What a preset's space follows from."""

    workload: Workload
    hardware: Hardware
    constraints: tuple[ConstraintSpec, ...]
    search_space: SearchSpaceSpec


def _listed(spec: SearchSpaceSpec) -> Expansion | list[FieldError]:
    errors: list[FieldError] = []
    parameters: list[Parameter] = []
    for override in _overrides(spec, errors):
        try:
            parameters.append(made(override))
        except SpaceError as error:
            errors.append(_error(error))
    constraints = _expressions(spec.constraints, errors)
    if errors:
        return errors
    try:
        space = SearchSpace(tuple(parameters), constraints)
    except SpaceError as error:
        return [_error(error)]
    return Expansion(
        space,
        tuple(f"parameters[{index}]" for index in range(len(parameters))),
        tuple((f"constraints[{index}]", "") for index in range(len(constraints))),
    )


@lru_cache(maxsize=64)
def _derived_once(text: str) -> Expansion | tuple[FieldError, ...]:
    """Of the JSON of `_Parts`: a launch command or a manifest asks for the same space with every trial."""
    parts = _Parts.model_validate_json(text)
    found = _derived(parts)
    return tuple(found) if isinstance(found, list) else found


def _derived(parts: _Parts) -> Expansion | list[FieldError]:
    spec, name = parts.search_space, parts.search_space.preset
    assert name is not None  # noqa: S101 - else the space is listed
    target = preset.target(name, parts.workload, parts.hardware)
    if isinstance(target, list):
        return target
    draft = PRESETS[name](target)
    errors: list[FieldError] = []
    overrides = list(_overrides(spec, errors))
    constraints = _expressions(spec.constraints, errors)
    errors += _misnamed(draft, overrides)
    if errors:
        return errors
    try:
        parameters = merged(draft, overrides)
    except SpaceError as error:
        return [_error(error)]
    own = {override.name: override.field for override in overrides}
    fields = tuple(own.get(parameter.name, "preset") for parameter in parameters)
    places = (
        *(("preset", rule.reason) for rule in draft.rules),
        *((f"constraints[{index}]", "") for index in range(len(constraints))),
    )
    try:
        space = SearchSpace(parameters, (*(rule.expression for rule in draft.rules), *constraints))
    except SpaceError as error:
        return [_located(error, fields, places)]
    kept = [override.name for override in overrides if override.default is not None]
    bounds = (each.max for each in parts.constraints if each.metric == "peak_memory_gib" and each.max is not None)
    most = min((bound.number for bound in bounds), default=None)
    judge = preset.judge(name, parts.workload, parts.hardware, most)
    return Expansion(with_expert_defaults(draft, space, kept, judge), fields, places)


def _misnamed(draft: Draft, overrides: Sequence[Override]) -> list[FieldError]:
    """Knobs of the preset under another of their names: beside the preset's own they would contradict it."""
    own = {parameter.name for parameter in draft.parameters}
    return [
        FieldError(f"{_FIELD}.{override.field}.name", f"the preset calls {override.name!r} {known}: use that name")
        for override in overrides
        if override.name not in own and (known := canonical(override.name)) in own
    ]


def _located(error: SpaceError, parameters: Sequence[str], constraints: Sequence[tuple[str, str]]) -> FieldError:
    """What the core says of a space, at the field that its part stands in."""
    if error.field == "constraints" and any(field == "preset" for field, _ in constraints):
        return FieldError(f"{_FIELD}.preset", f"for this model on these GPUs {error.problem}")
    reason = ""

    def place(match: re.Match[str]) -> str:
        nonlocal reason
        number = int(match["number"])
        if match["part"] == "parameters":
            return parameters[number]
        field, why = constraints[number]
        reason = reason or why
        return field

    field = _PART.sub(place, error.field)
    field = "preset" if field.startswith("preset") else field
    problem = _PART.sub(lambda match: place(match).replace("preset", "the preset's"), error.problem)
    return _error(SpaceError(field, f"{problem} ({reason})" if reason else problem))


def _error(error: SpaceError) -> FieldError:
    return FieldError(f"{_FIELD}.{error.field}" if error.field else _FIELD, error.problem)


def _overrides(spec: SearchSpaceSpec, errors: list[FieldError]) -> Iterator[Override]:
    """What the job says of each parameter, as far as it can be read."""
    for index, parameter in enumerate(spec.parameters):
        field = f"parameters[{index}]"
        condition: Expression | None = None
        try:
            condition = None if parameter.active_when is None else Expression(parameter.active_when)
        except ExpressionError as error:
            errors.append(FieldError(f"{_FIELD}.{field}.activeWhen", str(error)))
        try:
            values = _values(parameter)
        except SpaceError as error:
            errors.append(FieldError(f"{_FIELD}.{field}.{error.field}", error.problem))
            continue
        yield Override(
            field=field,
            name=parameter.name,
            kind=None if parameter.kind is None else Kind(parameter.kind),
            values=values,
            default=parameter.default,
            active_when=condition,
            description=parameter.description,
            grid="values" if parameter.range is None else "range",
        )


def _values(spec: ParameterSpec) -> tuple[Value, ...] | None:
    if spec.range is None:
        return spec.values
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
