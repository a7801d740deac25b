"""Peak memory that profiles report foretells what runs out of it."""

from __future__ import annotations

import numpy as np
from tests.support.spaces import SPACE

from autoscout.search.encoding import geometry_of, levels_of
from autoscout.search.footprint import BEYOND, Footprint, beyond
from autoscout.search.gaussian import METRIC_PRIOR, Hyperparameters, condition

SOME = levels_of(SPACE, list(SPACE.enumerate())[:6])
PEAKS = np.log(np.array([20.0, 25.0, 30.0, 50.0, 70.0, 78.0]))
PROCESS = condition(
    geometry_of(SPACE),
    Hyperparameters.prior(len(SPACE.parameters), METRIC_PRIOR),
    SOME,
    PEAKS,
    (float(PEAKS.mean()), float(PEAKS.std())),
)


def test_what_used_little_fits_and_what_would_use_more_than_there_is_does_not() -> None:
    fits = Footprint(PROCESS, float(np.log(40))).fits(SOME)
    assert fits[0] > 0.9
    assert fits[-1] < 0.1


def test_one_that_ran_out_of_memory_is_taken_for_more_than_the_limit_whatever_was_expected() -> None:
    limit = float(np.log(80))
    assert (beyond(PROCESS, limit, SOME) >= limit + BEYOND).all()
