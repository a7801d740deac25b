"""Table 2's regressions as the search uses them: over levels, refitted to every profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscout.search.encoding import levels_of, pool_of
from autoscout.search.forecast import Forecast
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.observations import observe
from autoscout.search.outcome import Measured
from autoscout.search.problem import Objective, Problem
from autoscout.search.surrogate import LearnedSurrogate, learn
from autoscout.search.trend import trend
from autoscout.simulators.workload import Hardware, Pool
from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

DEGREES = (1, 2, 4, 8)
SPACE = SearchSpace(
    (
        Parameter("tp", Kind.STRUCTURAL, DEGREES, 1),
        Parameter("dp", Kind.STRUCTURAL, DEGREES, 8),
        Parameter("ar", Kind.STRUCTURAL, (False, True), default=False),
        Parameter("mbs", Kind.EXECUTION, DEGREES, 1),
        Parameter("bucket", Kind.EXECUTION, (1, 2, 3, 4), 1, active_when=Expression("dp > 1")),
    ),
    (Expression("tp * dp <= 8"),),
)
HARDWARE = Hardware((Pool("a100", "NVIDIA-A100-SXM4-80GB", 1, 8),))
PROBLEM = Problem(SPACE, (Objective("seconds"),), hardware=HARDWARE)


def seconds(configuration) -> float:
    """A power law in the degrees: a line in their doublings."""
    slower = 1.5 if configuration["ar"] else 1.0
    return 8.0 * slower / (configuration["tp"] ** 0.5 * configuration["mbs"] ** 0.25 * configuration["dp"] ** 0.9)


def measured(configurations) -> Ledger:
    return Ledger(
        tuple(
            Entry(Trial(number, each, "test"), (), Measured({"seconds": seconds(each)}), number)
            for number, each in enumerate(configurations)
        )
    )


def drawn(count: int, **fixed):
    rng = np.random.default_rng(4)
    found = {}
    while len(found) < count:
        each = SPACE.sample(rng)
        if all(float(each[name]) <= most for name, most in fixed.items()):
            found[each] = None
    return list(found)


def learned(configurations, *, regressions: bool) -> LearnedSurrogate:
    seen = observe(PROBLEM, measured(configurations))
    return learn(PROBLEM, seen, Forecast(), noise=0.0, settled=len(seen), regressions=regressions)


def test_a_power_law_of_the_degrees_goes_on_beyond_what_was_measured():
    near = drawn(24, tp=4)
    found = trend(SPACE, HARDWARE, levels_of(SPACE, near), np.log([seconds(each) for each in near]))
    far = [each for each in SPACE.enumerate() if each["tp"] == 8]
    predicted = found.predict(levels_of(SPACE, far))
    best = int(np.argmax(found.ensemble.weights))
    assert found.ensemble.members[best].name == "Communication-Aware", "it alone knows of recomputation"
    alone = replace(found, ensemble=replace(found.ensemble, members=(found.ensemble.members[best],), weights=(1.0,)))
    assert alone.predict(levels_of(SPACE, far)) == pytest.approx(np.log([seconds(each) for each in far]), abs=1e-3)
    assert np.corrcoef(predicted, np.log([seconds(each) for each in far]))[0, 1] > 0.85


def test_what_table_2_does_not_know_explains_nothing():
    other = SearchSpace((Parameter("bucket", Kind.EXECUTION, tuple(range(20)), 0),), ())
    levels = pool_of(other).levels
    assert trend(other, HARDWARE, levels, np.linspace(0, 1, len(levels))) is None


def test_the_surrogate_predicts_better_far_away_with_the_regressions_than_without():
    near = drawn(20, tp=2)
    far = [each for each in SPACE.enumerate() if each["tp"] >= 4]
    true = np.log([seconds(each) for each in far])
    without, with_ = (learned(near, regressions=each) for each in (False, True))
    assert all(component.trend is None for component in without.metrics["seconds"].components)
    assert any(component.trend is not None for component in with_.metrics["seconds"].components)
    errors = [np.abs(each.expect(levels_of(SPACE, far), Forecast()) - true).mean() for each in (without, with_)]
    assert errors[1] < errors[0]
    mean = with_.believe(levels_of(SPACE, far), Forecast()).mean
    assert mean == pytest.approx(with_.expect(levels_of(SPACE, far), Forecast())), "one model, two ways to ask it"


def test_there_is_no_trend_before_the_fourth_profile():
    assert all(each.trend is None for each in learned(drawn(3), regressions=True).metrics["seconds"].components)
