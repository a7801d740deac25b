"""Feature orders compete (paper, 3.2)."""

from __future__ import annotations

from tests.support.spaces import SPACE

from autoscout.search.optimizer import generator
from autoscout.search.sparse import structural
from autoscout.search.tournament import Tournament, orders, trees

FEATURES = structural(SPACE)


def tournament(count: int) -> Tournament:
    return Tournament(trees(SPACE, orders(FEATURES, count, generator(0, 0)), exploration=1.0))


def test_the_trees_propose_in_a_zigzag() -> None:
    arena = tournament(1)
    arena = Tournament([arena.entrants[0].tree] * 4)
    first = list(arena.entrants)
    turns = []
    for _ in range(4):
        turns.append(first.index(arena.proposing))
        arena.credit(arena.proposing.tree.select(generator(1, 0)), 0.5)
    assert turns == [0, 1, 2, 3]
    assert arena.proposing is arena.entrants[-1], "the second round goes backwards"


def test_one_reward_updates_all_trees() -> None:
    arena = tournament(4)
    structure = arena.proposing.tree.select(generator(1, 0))
    arena.credit(structure, 0.75)
    assert [entrant.tree.nodes[()].total for entrant in arena.entrants] == [0.75] * 4
    assert [entrant.reward for entrant in arena.entrants] == [0.75, 0, 0, 0]


def test_the_better_half_remains_after_each_round_until_there_is_one() -> None:
    arena = tournament(5)
    favourite = arena.entrants[3]
    sizes = []
    for _ in range(20):
        structure = arena.proposing.tree.select(generator(2, 0))
        arena.credit(structure, 0.9 if arena.proposing is favourite else 0.2)
        sizes.append(len(arena.entrants))
    assert sizes[3:6] == [5, 3, 3]
    assert sizes[7:10] == [2, 2, 1]
    assert arena.entrants == [favourite]
    assert arena.order == favourite.tree.order


def test_orders_are_distinct_and_start_with_that_of_the_space() -> None:
    found = orders(FEATURES, 5, generator(0, 0))
    assert found[0] == FEATURES
    assert len(set(found)) == 5


def test_few_features_have_few_orders() -> None:
    assert sorted(orders(("a", "b"), 40, generator(0, 0))) == [("a", "b"), ("b", "a")]
