"""Coordinate search: change one parameter at a time, keep what is better, start again where nothing is.

The plain direct search of Hooke and Jeeves, "Direct Search Solution of Numerical and Statistical Problems", JACM
1961, with its pattern move (what was just better is tried once more in the same direction), for a space with
constraints: a move that is not valid is repaired to the nearest valid configuration, never rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autoscout.baselines.moves import moved, pending_too, topped_up
from autoscout.baselines.samples import Sample, samples
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal, generator
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Parameter
from autoscout.space.values import Value

MOVE, RESTART = "coordinate", "coordinate-restart"
"""Who proposed it: a step of a climb, or the start of another one, drawn at random."""

Step = tuple[str, int]
"""A parameter, and the direction on its grid in which it was just better: -1 or 1."""


class CoordinateSearch:
    """Climbs from the default configuration, then from random ones. No settings."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`."""
        proposals: list[Proposal] = []
        for _ in range(count):
            known = pending_too(history, proposals)
            proposals += topped_up(problem, known, rng, 1, _moves(problem, known), RESTART)
        return proposals


def _moves(problem: Problem, history: Ledger) -> Iterator[Proposal]:
    """The moves from where the climb stands, the most promising first."""
    climb = _climb(samples(problem, history))
    if not climb:
        if not history.entries:
            yield Proposal(problem.space.default(), MOVE)
        return
    at, step = _stand(problem, climb)
    names = _order(problem, at.configuration, step)
    reach = max(len(parameter.values) for parameter in problem.space.parameters)
    # Small steps of every parameter first: a large one is for knobs that are flat nearby.
    for distance in range(1, reach):
        for name in names:
            current = at.configuration[name]
            for value in _values(problem.space.by_name[name], current, distance, step):
                found = moved(problem.space, at.configuration, name, value)
                if found is not None:
                    yield Proposal(found, MOVE)


def _climb(observed: Sequence[Sample]) -> Sequence[Sample]:
    """The samples of the running climb."""
    starts = [index for index, sample in enumerate(observed) if sample.proposer == RESTART]
    return observed[starts[-1] if starts else 0 :]


def _stand(problem: Problem, climb: Sequence[Sample]) -> tuple[Sample, Step | None]:
    """The best of the climb, its start while nothing in it is feasible, and the step that led there."""
    at, step = climb[0], None
    for sample in climb[1:]:
        if sample.rank < at.rank:
            step = _step(problem, at.configuration, sample.configuration)
            at = sample
    return at, step


def _step(problem: Problem, start: Configuration, end: Configuration) -> Step | None:
    for name, value in end.items():
        if name in start and start[name] != value and moved(problem.space, start, name, value) == end:
            parameter = problem.space.by_name[name]
            return name, 1 if parameter.index(value) > parameter.index(start[name]) else -1
    return None


def _order(problem: Problem, at: Configuration, step: Step | None) -> list[str]:
    """The active parameters: the one that was just better first, the others in an order of this seed's own."""
    shuffled = generator(problem.seed, 0).permutation(len(problem.space.parameters))
    names = [problem.space.parameters[index].name for index in shuffled]
    if step is not None:
        place = names.index(step[0])
        names = names[place:] + names[:place]
    return [name for name in names if name in at]


def _values(parameter: Parameter, current: Value, distance: int, step: Step | None) -> list[Value]:
    """The values so many steps away on the grid; of a text all are one step away."""
    index = parameter.index(current)
    if isinstance(current, str):
        return [value for value in parameter.values if value != current] if distance == 1 else []
    first = step[1] if step is not None and step[0] == parameter.name else 1
    places = (index + first * distance, index - first * distance)
    return [parameter.values[place] for place in places if 0 <= place < len(parameter.values)]
