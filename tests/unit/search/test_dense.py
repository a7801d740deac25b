"""Coordinate search over execution parameters (paper, 3.2)."""

from __future__ import annotations

from tests.support.spaces import SPACE

from autoscout.search.dense import DenseOptimizer
from autoscout.search.optimizer import generator
from autoscout.search.sparse import structure_of

FREE = structure_of(SPACE, {"tp": 1, "pp": 1, "ar": "none"})
NARROW = structure_of(SPACE, {"tp": 1, "pp": 2, "ar": "none"})


def test_the_mask_leaves_out_what_the_structure_decides() -> None:
    dense = DenseOptimizer(SPACE, 0.5, {})
    assert dense.mask(FREE) == ("mbs", "bucket", "flat")


def test_a_state_is_projected_on_what_is_feasible_and_keeps_the_structure() -> None:
    dense = DenseOptimizer(SPACE, 0.5, {})
    projected = dense.project(NARROW, {"mbs": 8, "bucket": 7, "flat": 1})
    assert dict(projected) == {"tp": 1, "pp": 2, "ar": "none", "mbs": 2, "bucket": 7, "flat": 1}


def test_one_parameter_moves_at_a_time() -> None:
    dense = DenseOptimizer(SPACE, 0.5, {"bucket": 4})
    rng = generator(0, 0)
    for turn in range(30):
        moved = dense.propose(FREE, rng)
        assert sum(moved[name] != dense.position[name] for name in moved) == 1
        dense.judge(moved, improved=turn % 3 == 0)


def test_success_goes_on_and_the_step_grows_with_momentum() -> None:
    dense = DenseOptimizer(SPACE, 1.0, {"bucket": 1, "mbs": 8})
    dense._active = "bucket"
    buckets = []
    for _ in range(3):
        moved = dense.propose(FREE, generator(0, 0))
        buckets.append(moved["bucket"])
        dense.judge(moved, improved=True)
    assert buckets == [2, 4, 7]


def test_a_failure_turns_round_and_a_second_one_switches_the_parameter() -> None:
    dense = DenseOptimizer(SPACE, 0.5, {"bucket": 4, "mbs": 2})
    dense._active = "bucket"
    rng = generator(0, 0)
    first = dense.propose(FREE, rng)
    dense.judge(first, improved=False)
    second = dense.propose(FREE, rng)
    dense.judge(second, improved=False)
    third = dense.propose(FREE, rng)
    assert (first["bucket"], second["bucket"], third["bucket"]) == (5, 3, 4)


def test_it_finds_the_best_of_a_separable_grid() -> None:
    dense = DenseOptimizer(SPACE, 0.5, {})
    rng = generator(4, 0)

    def cost(state: dict[str, object]) -> float:
        return abs(float(state["bucket"]) - 5) + abs(float(state["mbs"]) - 4)  # type: ignore[arg-type]

    for _ in range(60):
        moved = dense.propose(FREE, rng)
        dense.judge(moved, improved=cost(moved) < cost(dense.position))
    assert (dense.position["bucket"], dense.position["mbs"]) == (5, 4)
