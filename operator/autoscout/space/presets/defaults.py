"""Defaults that hold together: what is measured first has to run, whatever the job fixed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import islice

from autoscout.space.expression import Expression
from autoscout.space.parameter import SpaceError
from autoscout.space.presets.draft import Assignment, Draft
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

Judge = Callable[[Sequence[Assignment]], Sequence[float]]
"""How likely each configuration runs, from 0 to 1: what the simulators say of its memory."""

_LIKELY = 0.9
_CONSIDERED = 256
"""So many valid candidates are compared at most."""


def with_expert_defaults(
    draft: Draft, space: SearchSpace, kept: Collection[str], judge: Judge | None = None
) -> SearchSpace:
    """The same space with other defaults: the first candidate of the preset that is valid and probably fits.

    Where no candidate is valid it is the configuration nearest to the defaults. Where there is none at all the space
    comes back as it is.

    Args:
        kept: parameters whose default the job chose itself.
    """
    defaults: dict[str, Value] = {name: parameter.default for name, parameter in space.by_name.items()}
    chosen = {name: defaults[name] for name in kept}
    free = {
        name: replace(parameter, values=(parameter.default,)) if name in chosen else parameter
        for name, parameter in space.by_name.items()
    }
    considered = (defaults | dict(candidate) for candidate in draft.candidates(free))
    # A candidate derives some degrees from others, and so may contradict what the job chose for them.
    kept_too = (each for each in considered if chosen.items() <= each.items())
    valid = list(islice((each for each in kept_too if space.is_valid(each)), _CONSIDERED))
    best = _best(valid, draft.cautious, judge) if valid else _nearest(space, defaults, chosen)
    if best is None:
        return space
    active = space.canonical(best)
    parameters = tuple(
        replace(parameter, default=active.get(parameter.name, parameter.default)) for parameter in space.parameters
    )
    return SearchSpace(parameters, space.constraints)


def _best(valid: Sequence[Assignment], cautious: Expression, judge: Judge | None) -> Assignment:
    if judge is None:
        # The last candidate divides the model most.
        return next((each for each in valid if cautious.evaluate(each)), valid[-1])
    likely = list(zip(judge(valid), valid, strict=True))
    fits = next((each for chance, each in likely if chance >= _LIKELY), None)
    return fits if fits is not None else max(likely, key=lambda pair: pair[0])[1]


def _nearest(space: SearchSpace, defaults: Assignment, chosen: Assignment) -> Assignment | None:
    try:
        return space.nearest(defaults, chosen)
    except SpaceError:  # its conditions can't be looked through ahead: whoever checks the space says so
        return None
