"""Counting, drawing and refining: without enumeration, uniformly, and within bounds that nobody can break."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from tests.unit.space.spaces import MEGATRON, PARALLEL, parameter, space

from autoscout.space.parameter import SpaceError
from autoscout.space.propagation import MAX_COMBINATIONS, MAX_EVALUATIONS


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def assert_uniform(counts, categories):
    """Chi-square: five standard deviations above its mean would be one in a million."""
    expected = sum(counts.values()) / categories
    statistic = sum((seen - expected) ** 2 for seen in counts.values()) / expected
    statistic += (categories - len(counts)) * expected
    freedom = categories - 1
    assert statistic < freedom + 5 * math.sqrt(2 * freedom)


def test_it_counts_what_it_enumerates():
    found = list(PARALLEL.enumerate())
    assert PARALLEL.count() == len(found) == len(set(found))
    assert all(PARALLEL.canonical(configuration) == configuration for configuration in found)


def test_more_than_a_thousand_million_configurations_are_counted_and_drawn_from():
    assert MEGATRON.count() > 10**9
    draws = {MEGATRON.sample(rng(seed)) for seed in range(200)}
    assert len(draws) == 200
    assert all(MEGATRON.canonical(configuration) == configuration for configuration in draws)


def test_counts_beyond_64_bits_are_exact():
    made = space(
        parameter("on", [False, True]),
        *(parameter(f"x{i}", range(10), when="on") for i in range(30)),
        *(parameter(f"y{i}", range(10)) for i in range(20)),
    )
    assert made.count() == (1 + 10**30) * 10**20
    # Half of nothing: `on` is false in one of 10^30 + 1 settings.
    assert all(made.sample(rng(seed))["on"] for seed in range(50))


def test_the_share_of_a_value_is_known_from_counts():
    total = MEGATRON.count()
    shares = {value: MEGATRON.count({"tp": value}) for value in MEGATRON.refinements({}, "tp")}
    assert sum(shares.values()) == total
    assert MEGATRON.count({"tp": 8, "pp": 64, "dp": 1024}) == 0


def test_an_inactive_parameter_reads_as_its_default():
    # vpp is 1 where pp is 1, so these are all configurations without a pipeline, and those with vpp = 1.
    without = PARALLEL.count({"pp": 1})
    assert PARALLEL.count({"vpp": 1, "pp": 1}) == without
    assert PARALLEL.count({"vpp": 2, "pp": 1}) == 0
    assert PARALLEL.refinements({"pp": 1}, "vpp") == (1,)


def test_draws_are_uniform():
    found = list(PARALLEL.enumerate())
    source = rng(11)
    counts: dict[str, int] = {}
    for _ in range(100 * len(found)):
        fingerprint = PARALLEL.sample(source).fingerprint
        counts[fingerprint] = counts.get(fingerprint, 0) + 1
    assert_uniform(counts, len(found))


def test_draws_under_a_partial_assignment_are_uniform_among_its_completions():
    given = {"tp": 2, "pp": 2}
    completions = {found.fingerprint for found in PARALLEL.enumerate() if found["tp"] == 2 and found["pp"] == 2}
    assert PARALLEL.count(given) == len(completions) == len(list(PARALLEL.enumerate(given)))
    source = rng(12)
    counts: dict[str, int] = {}
    for _ in range(200 * len(completions)):
        fingerprint = PARALLEL.sample(source, given=given).fingerprint
        counts[fingerprint] = counts.get(fingerprint, 0) + 1
    assert counts.keys() == completions
    assert_uniform(counts, len(completions))


def test_draws_from_a_large_space_have_the_shares_that_counting_predicts():
    source = rng(13)
    draws = [MEGATRON.sample(source) for _ in range(4000)]
    for name in ("tp", "pp", "ar", "mbs"):
        for value in MEGATRON.by_name[name].values:
            share = MEGATRON.count({name: value}) / MEGATRON.count()
            seen = sum(configuration[name] == value for configuration in draws) / len(draws)
            assert abs(seen - share) < 5 * math.sqrt(share * (1 - share) / len(draws)) + 1e-9


def test_the_same_seed_draws_the_same_today_and_in_another_release():
    draws = [MEGATRON.sample(rng(seed)).fingerprint for seed in range(3)]
    assert draws == ["985982e1d19ae41a", "35e0980520aaf2bf", "339333aab27dacef"]


def test_every_refinement_leads_to_a_configuration_and_no_other_does():
    source = rng(14)
    for _ in range(6):
        partial = {}
        for name in source.permutation(list(MEGATRON.by_name)):
            values = MEGATRON.refinements(partial, name)
            others = [value for value in MEGATRON.by_name[name].values if value not in values]
            assert values
            assert all(MEGATRON.count({**partial, name: value}) > 0 for value in values)
            assert all(MEGATRON.count({**partial, name: value}) == 0 for value in others)
            partial[str(name)] = values[source.integers(len(values))]
        assert MEGATRON.count(partial) == 1
        assert MEGATRON.is_valid(partial)


def test_an_infeasible_partial_assignment_has_no_refinements_and_nothing_to_draw():
    given = {"tp": 8, "pp": 8}
    assert PARALLEL.refinements(given, "dp") == ()
    assert PARALLEL.count(given) == 0
    assert list(PARALLEL.enumerate(given)) == []
    with pytest.raises(SpaceError, match="no configuration is left"):
        PARALLEL.sample(rng(), given)


@pytest.mark.parametrize("query", ["count", "enumerate"])
def test_a_partial_assignment_is_checked(query):
    for given, field in (({"tq": 1}, "tq"), ({"tp": 3}, "tp")):
        with pytest.raises(SpaceError) as raised:
            getattr(PARALLEL, query)(given)
        assert raised.value.field == field


# Hostile spaces


NAMES = [f"x{i}" for i in range(200)]


def picks(amount: int, length: int) -> list[list[str]]:
    return [list(chosen) for chosen in rng().choice(NAMES, size=(amount, length))]


def batched(names: list[str]) -> list[tuple[str, str]]:
    return list(zip(names[::2], names[1::2], strict=True))


@pytest.mark.parametrize(
    ("size", "constraints"),
    [
        pytest.param(300, [" + ".join(NAMES[:24]) + " > 5"], id="one constraint over 24 wide parameters"),
        pytest.param(300, [f"{a} < {b}" for a, b in pairwise(NAMES)], id="a chain of wide pairs"),
        pytest.param(2, [" || ".join(chosen) for chosen in picks(200, 24)], id="a knot"),
        pytest.param(2, [" + ".join(NAMES[i : i + 20]) + " > 5" for i in range(180)], id="a wide band"),
        pytest.param(
            2,
            [
                " && ".join(f"{a} + {b} >= 0" for a, b in zip(chosen[::2], chosen[1::2], strict=True))
                for chosen in picks(200, 32)
            ],
            id="thousands of conditions",
        ),
    ],
)
def test_a_space_that_cannot_be_solved_says_so_soon(size, constraints, monkeypatch):
    spent = []
    monkeypatch.setattr("autoscout.space.expression.Expression.outcomes", counted(spent))
    values = [False, True] if "||" in constraints[0] else range(size)
    made = space(*(parameter(name, values) for name in NAMES), constraints=constraints)
    with pytest.raises(SpaceError, match="more combinations than can be checked ahead; coarsen their grids") as raised:
        made.count()
    assert raised.value.field.startswith("constraints[")
    assert sum(spent) <= MAX_EVALUATIONS
    # The answer is remembered: asking again evaluates nothing.
    del spent[:]
    with pytest.raises(SpaceError):
        made.sample(rng())
    assert spent == []


def counted(spent):
    from autoscout.space.expression import Expression

    outcomes = Expression.outcomes

    def counting(self, names, rows):
        results = outcomes(self, names, rows)
        spent.append(len(results) * self.cost)
        return results

    return counting


def test_many_wide_parameters_without_conditions_are_no_problem():
    made = space(*(parameter(name, range(300)) for name in NAMES))
    assert made.count() == 300**200
    assert len(made.sample(rng())) == 200


def test_a_tight_space_of_many_coupled_parameters_is_no_problem():
    made = space(
        *(parameter(name, range(40)) for name in NAMES[:60]),
        constraints=[f"{a} <= {b}" for a, b in pairwise(NAMES[:60])],
    )
    assert made.count() == math.comb(60 + 39, 60)  # non-decreasing sequences
    assert made.count({"x0": 39}) == 1
    assert made.refinements({"x30": 39}, "x59") == (39,)
    assert MAX_COMBINATIONS > 59 * 40 * 40
