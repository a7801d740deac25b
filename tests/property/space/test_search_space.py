"""What holds for every search space: checked against walking through all assignments."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.space.spaces import sent

from autoscout.space.expression import Expression, ExpressionError
from autoscout.space.parameter import Kind, Parameter, SpaceError
from autoscout.space.search_space import SearchSpace

GRIDS = st.one_of(
    st.lists(st.integers(-3, 8), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0]), min_size=2, max_size=4, unique=True),
    st.permutations([False, True]),
    st.lists(st.sampled_from(["none", "part", "full"]), min_size=1, max_size=3, unique=True),
)


@st.composite
def expressions(draw, parameters):
    """A comparison of one or two of the parameters, or two such joined; some fail on some combinations."""

    def comparison():
        one = draw(st.sampled_from(parameters))
        value = one.values[draw(st.integers(0, len(one.values) - 1))]
        if isinstance(value, bool):
            return draw(st.sampled_from([one.name, f"!{one.name}"]))
        if isinstance(value, str):
            return f"{one.name} {draw(st.sampled_from(['==', '!=']))} '{value}'"
        operator = draw(st.sampled_from(["<", "<=", "==", "!=", ">=", ">"]))
        other = draw(st.sampled_from([p for p in parameters if type(p.values[0]) is type(value)]))
        right = draw(st.sampled_from([str(value), other.name]))
        left = one.name
        if isinstance(value, int):
            left = draw(
                st.sampled_from([left, f"{left} * {other.name}", f"7 / {left}", f"8 % ({left} + {other.name})"])
            )
        return f"{left} {operator} {right}"

    joined = draw(st.sampled_from(["{}", "{} && {}", "{} || {}", "{} ? {} : {}", "!({})"]))
    return joined.format(*(comparison() for _ in range(joined.count("{}"))))


@st.composite
def spaces(draw):
    """Up to five parameters; each may depend on those before it. Spaces that are refused are not generated."""
    parameters: list[Parameter] = []
    for number in range(draw(st.integers(1, 5))):
        values = tuple(draw(GRIDS))
        default = draw(st.sampled_from(values))
        when = draw(expressions(parameters)) if parameters and draw(st.booleans()) else None
        parameters.append(Parameter(f"x{number}", Kind.STRUCTURAL, values, default, Expression(when) if when else None))
    constraints = [draw(expressions(parameters)) for _ in range(draw(st.integers(0, 3)))]
    # In an order of its own, so that conditions also point forwards.
    shuffled = tuple(draw(st.permutations(parameters)))
    kept: list[Expression] = []
    for source in constraints:
        try:
            SearchSpace(shuffled, (Expression(source),))
        except SpaceError:
            continue
        kept.append(Expression(source))
    try:
        return SearchSpace(shuffled, tuple(kept))
    except SpaceError:
        return SearchSpace(tuple(Parameter(p.name, p.kind, p.values, p.default) for p in shuffled))


def walk(space):
    """Every configuration, as sorted items with their types, by trying every assignment."""
    found = set()
    for combination in product(*(parameter.values for parameter in space.parameters)):
        given_values = dict(zip(space.by_name, combination, strict=True))
        values, active = dict(given_values), dict(given_values)
        try:
            # Conditions of conditions: as often as there are parameters settles the longest chain.
            for _ in space.parameters:
                for parameter in space.parameters:
                    there = parameter.active_when is None or parameter.active_when.evaluate(values)
                    values[parameter.name] = given_values[parameter.name] if there else parameter.default
                    if there:
                        active[parameter.name] = given_values[parameter.name]
                    else:
                        active.pop(parameter.name, None)
            valid = all(constraint.evaluate(values) for constraint in space.constraints)
        except ExpressionError:
            continue
        if valid:
            found.add(items(active))
    return found


def items(configuration):
    return tuple(sorted((name, type(value).__name__, value) for name, value in configuration.items()))


@given(spaces())
@settings(max_examples=300, deadline=None)
def test_counting_and_enumerating_agree_with_trying_everything(space):
    expected = walk(space)
    found = [items(configuration) for configuration in space.enumerate()]
    assert len(found) == len(set(found)) == space.count()
    assert set(found) == expected


@given(spaces(), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_a_draw_is_valid_canonical_and_the_same_elsewhere(space, seed):
    if space.count() == 0:
        return
    configuration = space.sample(np.random.default_rng(seed))
    assert space.canonical(configuration) == configuration
    assert space.canonical(dict(reversed(list(configuration.items())))).fingerprint == configuration.fingerprint
    assert space.canonical(space.full_values(configuration)) == configuration
    assert sent(space).sample(np.random.default_rng(seed)) == configuration
    spelled = {name: float(value) if type(value) is int else value for name, value in configuration.items()}
    assert space.canonical(spelled).fingerprint == configuration.fingerprint


@given(spaces(), st.data())
@settings(max_examples=200, deadline=None)
def test_refinements_are_the_values_that_some_completion_reads(space, data):
    everything = [space.full_values(configuration) for configuration in space.enumerate()]
    partial = {}
    for name in data.draw(st.permutations(list(space.by_name))):
        completions = [full for full in everything if all(full[other] == value for other, value in partial.items())]
        assert space.count(partial) == len(completions)
        expected = {full[name] for full in completions}
        assert set(space.refinements(partial, name)) == expected
        if not expected:
            return
        partial[name] = data.draw(st.sampled_from(sorted(expected)))


@given(spaces(), st.data())
@settings(max_examples=200, deadline=None)
def test_the_nearest_configuration_changes_the_fewest_parameters(space, data):
    target = {
        parameter.name: data.draw(st.sampled_from(parameter.values), label=parameter.name)
        for parameter in space.parameters
    }
    changes = [
        sum(value != target[name] for name, value in configuration.items()) for configuration in space.enumerate()
    ]
    nearest = space.nearest(target)
    if not changes:
        assert nearest is None
        return
    assert sum(value != target[name] for name, value in nearest.items()) == min(changes)
    if space.is_valid(target):
        assert nearest == space.canonical(target)


@given(spaces())
@settings(max_examples=100, deadline=None)
def test_an_empty_space_names_conditions_that_are_enough_to_empty_it(space):
    emptied = SearchSpace(space.parameters, (*space.constraints, Expression("1 > 2")))
    try:
        emptied.require_feasible()
    except SpaceError as error:
        assert "no configuration satisfies" in error.problem  # noqa: PT017 - what is raised either way
    else:
        raise AssertionError
    try:
        space.require_feasible()
    except SpaceError:
        assert walk(space) == set()
    else:
        assert walk(space)
