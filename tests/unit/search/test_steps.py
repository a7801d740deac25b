"""What is one step away, and where steps start from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.support.spaces import BOUNDED, SPACE, entries

from autoscout.search.encoding import levels_of
from autoscout.search.ledger import Ledger
from autoscout.search.observations import observe
from autoscout.search.orchestrator import Arm
from autoscout.search.steps import marks, standing, steps
from autoscout.space.parameter import Kind


def test_every_step_is_valid_another_configuration_and_moves_a_parameter_of_its_arm() -> None:
    start = SPACE.default()
    found = steps(SPACE, start)
    assert found
    for configuration, arm in found.items():
        assert configuration != start
        assert SPACE.is_valid(dict(configuration))
        kinds = {SPACE.by_name[name].kind for name in configuration if configuration.get(name) != start.get(name)}
        assert (Kind.EXECUTION if arm is Arm.DENSE else Kind.STRUCTURAL) in kinds


def test_steps_start_from_the_accepted_one_of_which_most_is_expected() -> None:
    seen = observe(BOUNDED, Ledger(entries(list(SPACE.enumerate())[:40])))
    expected = np.arange(len(seen), 0, -1, dtype=np.float64)
    assert seen.accepted.any()
    assert standing(BOUNDED, seen, expected) == np.flatnonzero(seen.accepted)[-1]


def test_while_none_is_accepted_they_start_where_the_bounds_are_broken_least() -> None:
    seen = observe(BOUNDED, Ledger(entries(list(SPACE.enumerate())[:40])))
    none = replace(seen, accepted=np.zeros(len(seen), dtype=np.bool_))
    at = standing(BOUNDED, none, np.zeros(len(seen)))
    bound = BOUNDED.constraints[0]
    assert at is not None
    values = seen.metrics[bound.metric]
    excess = np.maximum(values - (bound.maximum or 0), 0)
    assert excess[at] == np.nanmin(np.where(seen.ran, excess, np.nan))


def test_marks_tell_every_configuration_of_a_space_from_all_others() -> None:
    levels = levels_of(SPACE, list(SPACE.enumerate()))
    assert len(set(marks(levels).tolist())) == len(levels)
