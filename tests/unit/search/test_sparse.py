"""Tree search over structures (paper, 3.2)."""

from __future__ import annotations

from tests.support.spaces import SPACE

from autoscout.search.optimizer import generator
from autoscout.search.sparse import Tree, structural, structure_of

ORDER = structural(SPACE)


def test_every_selection_can_be_completed() -> None:
    tree = Tree(SPACE, ("sp", "ar", "pp", "tp"), exploration=1.0)
    rng = generator(0, 0)
    for _ in range(100):
        structure = tree.select(rng)
        assert SPACE.count(structure) > 0
        tree.backpropagate(structure, 0.5)


def test_each_choice_of_the_first_feature_is_tried_before_one_is_repeated() -> None:
    tree = Tree(SPACE, ORDER, exploration=1.0)
    rng = generator(1, 0)
    seen = []
    for _ in range(4):
        structure = tree.select(rng)
        seen.append(structure["tp"])
        tree.backpropagate(structure, 0.0)
    assert sorted(seen) == [1, 2, 4, 8]


def test_the_search_goes_where_the_reward_is() -> None:
    tree = Tree(SPACE, ORDER, exploration=0.3)
    rng = generator(2, 0)
    for _ in range(200):
        structure = tree.select(rng)
        tree.backpropagate(structure, 0.9 if structure["tp"] == 4 and structure["ar"] == "none" else 0.1)
    late = [tree.select(rng) for _ in range(10)]
    assert sum(each["tp"] == 4 and each["ar"] == "none" for each in late) >= 8


def test_an_inactive_feature_reads_as_its_default() -> None:
    assert structure_of(SPACE, dict(SPACE.default())) == {"tp": 1, "pp": 1, "ar": "full", "sp": False}
