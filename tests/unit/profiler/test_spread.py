"""By how much a profile may come out differently next time."""

from __future__ import annotations

import pytest

from autoscout_profiler.spread import uncertainty


def test_samples_that_agree_leave_what_starts_differ_by() -> None:
    assert uncertainty("seconds", [2.0] * 5) == {"seconds_uncertainty": pytest.approx(0.12)}


def test_samples_that_spread_make_it_wider_but_one_outlier_does_not() -> None:
    spread = uncertainty("seconds", [1.0, 1.5, 2.0, 2.5, 3.0])["seconds_uncertainty"]
    assert 0.75 < spread < 1.0
    steady = uncertainty("seconds", [2.0] * 30 + [50.0])["seconds_uncertainty"]
    assert steady == pytest.approx(0.12)


def test_two_samples_say_nothing() -> None:
    assert uncertainty("seconds", [1.0, 2.0]) == {}
