"""Who proposes next (paper, 3.3, Eq. 1)."""

from __future__ import annotations

import math

import pytest

from autoscout.search.orchestrator import Arm, Bandit, Grid


def test_the_difference_of_differences_holds_the_other_side_fixed() -> None:
    grid = Grid(base_base=0.2, base_cand=0.3, cand_base=0.5, cand_cand=0.8)
    assert grid.sparse == pytest.approx((0.3 + 0.5) / 2)
    assert grid.dense == pytest.approx((0.1 + 0.3) / 2)


def test_each_arm_is_pulled_once_first() -> None:
    bandit = Bandit(1.0, 0.9)
    assert bandit.choose() is Arm.SPARSE
    bandit.update(Arm.SPARSE, Grid(0, 0, 0, 0))
    assert bandit.choose() is Arm.DENSE


def test_the_arm_that_gains_is_preferred_once_exploration_has_decayed() -> None:
    bandit = Bandit(1.0, 0.8)
    for _ in range(40):
        bandit.update(bandit.choose(), Grid(0.1, 0.4, 0.1, 0.4))
    assert bandit.choose() is Arm.DENSE
    assert bandit.pulls[Arm.DENSE] > bandit.pulls[Arm.SPARSE]


def test_the_bound_is_that_of_equation_1() -> None:
    bandit = Bandit(2.0, 0.5, {Arm.SPARSE: 1.0, Arm.DENSE: 2.0}, {Arm.SPARSE: 4.0, Arm.DENSE: 6.0}, time=3)
    coefficient = 2.0 * 0.5**3
    sparse = 1 / 4 + coefficient * math.sqrt(math.log(10) / 4)
    dense = 2 / 6 + coefficient * math.sqrt(math.log(10) / 6)
    assert bandit.choose() is (Arm.SPARSE if sparse > dense else Arm.DENSE)


def test_a_weak_prior_keeps_the_means() -> None:
    bandit = Bandit(1.0, 0.9, {Arm.SPARSE: 3.0, Arm.DENSE: 1.0}, {Arm.SPARSE: 10.0, Arm.DENSE: 5.0})
    weak = bandit.weakened(0.2)
    assert weak.gains[Arm.SPARSE] / weak.pulls[Arm.SPARSE] == pytest.approx(0.3)
    assert weak.pulls[Arm.DENSE] == pytest.approx(1.0)
