"""By how much a profile may come out differently next time."""

from __future__ import annotations

from statistics import median

import pytest

from autoscout_profiler.spread import uncertainty


def test_samples_that_agree_leave_what_starts_differ_by() -> None:
    assert uncertainty("seconds", [2.0] * 5) == {"seconds_uncertainty": pytest.approx(0.28)}


def test_samples_that_spread_make_it_wider_but_one_outlier_does_not() -> None:
    spread = uncertainty("seconds", [1.0, 1.5, 2.0, 2.5, 3.0])["seconds_uncertainty"]
    assert spread == pytest.approx((0.8**2 + 0.28**2) ** 0.5)
    steady = uncertainty("seconds", [2.0] * 30 + [50.0])["seconds_uncertainty"]
    assert steady == pytest.approx(0.28)


@pytest.mark.parametrize(
    "reported",
    [
        (0.408, 0.394, 0.393, 0.397, 0.388),
        (0.378, 0.341, 0.406, 0.341, 0.340),
        (0.538, 0.574, 0.603, 0.531, 0.506),
    ],
    ids=["megatron, one rank", "megatron, two ranks", "vllm"],
)
def test_it_covers_the_five_repetitions_that_the_docs_report(reported: tuple[float, ...]) -> None:
    # Medians of profiles on two CPU cores, without the spread within each, which adds to it.
    middle = median(reported)
    covered = [abs(value - middle) <= uncertainty("x", [value] * 3)["x_uncertainty"] for value in reported]
    assert sum(covered) >= len(reported) - 1


def test_two_samples_say_nothing() -> None:
    assert uncertainty("seconds", [1.0, 2.0]) == {}
