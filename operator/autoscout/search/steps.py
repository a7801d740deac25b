"""One step from where the search stands: the moves of the coordinate search (3.2), on real profiles.

A landscape of real systems is followed best from a good place by small steps: what a knob does nearby is what the
surrogate knows best, and an expert's default is a good place. A step sets one parameter one further on its grid, or to
another choice; the others follow as far as that makes it valid (M(s), X(s)). The surrogate says which step is worth a
profile; a step that it holds for flat, or for infeasible, is left out.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from autoscout.search.gaussian import Floats, Levels
from autoscout.search.observations import Observations
from autoscout.search.orchestrator import Arm
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Kind
from autoscout.space.search_space import SearchSpace


@lru_cache(maxsize=256)
def steps(space: SearchSpace, configuration: Configuration) -> dict[Configuration, Arm]:
    """The configurations that are one step away, and which optimizer such a step belongs to."""
    found: dict[Configuration, Arm] = {}
    for parameter in space.parameters:
        if parameter.name not in configuration:
            continue
        arm = Arm.DENSE if parameter.kind is Kind.EXECUTION else Arm.SPARSE
        here = parameter.index(configuration[parameter.name])
        for level, value in enumerate(parameter.values):
            if level == here or (not isinstance(value, bool | str) and abs(level - here) > 1):
                continue
            near = space.nearest(configuration, given={parameter.name: value})
            if near is not None and near != configuration:
                found.setdefault(near, arm)
    return found


def standing(problem: Problem, seen: Observations, expected: Floats) -> int | None:
    """The observation that steps start from; None: there is none.

    The accepted one of which most is expected; while none is accepted that which breaks the bounds by least, by the
    rules of Deb, "An efficient constraint handling method for genetic algorithms", CMAME 2000.

    Args:
        expected: of the objective, to be minimized, [n].
    """
    if not len(seen):
        return None
    excess = np.zeros(len(seen))
    for constraint in problem.constraints:
        values = seen.metrics[constraint.metric]
        for bound, over in ((constraint.maximum, 1.0), (constraint.minimum, -1.0)):
            if bound is not None:
                excess += np.maximum(0.0, over * (values - bound)) / (abs(bound) or 1.0)
    excess = np.where(seen.ran & np.isfinite(excess), excess, np.inf)
    if seen.accepted.any():
        return int(np.argmin(np.where(seen.accepted, expected, np.inf)))
    return int(np.argmin(excess))


def marks(levels: Levels) -> Levels:
    """A number for each row of levels, equal for equal rows and, but for a chance of 2^-64, for those only, [N].

    Row by row through the mixing step of SplitMix64, which no sum of columns undoes.
    """
    state = np.zeros(len(levels), dtype=np.uint64)
    for column in levels.T:
        state = (state ^ (column.astype(np.uint64) + np.uint64(1))) * np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(31)
    return state.astype(np.int64)
