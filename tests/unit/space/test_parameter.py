"""Parameters: which grids there are, and how ranges expand."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from tests.unit.space.spaces import parameter, sent

from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter, SpaceError, expand_range


def exactly(values):
    """Values with their types: Python holds 1, 1.0 and True for the same."""
    return [(type(value), value) for value in values]


@pytest.mark.parametrize(
    ("given", "grid"),
    [
        ((1, 2, 4), (1, 2, 4)),
        ((1.0, 2.0), (1, 2)),  # JSON can't tell 1.0 from 1, so neither do we
        ((0.5, 1), (0.5, 1.0)),
        ((-0.0, 0.5), (0.0, 0.5)),
        ((False, True), (False, True)),
        (("none", "full"), ("none", "full")),
        ((2**53, 1), (2**53, 1)),
        ((1e300, 1), (1e300, 1.0)),
    ],
)
def test_numbers_are_brought_to_one_type(given, grid):
    made = parameter("x", given)
    assert exactly(made.values) == exactly(grid)
    assert exactly([made.default]) == exactly([grid[0]])


@pytest.mark.parametrize(
    ("values", "field", "problem"),
    [
        ((), "values", "is empty"),
        ((1, "2"), "values", "only booleans, only numbers, or only strings"),
        ((True, 1), "values", "only booleans, only numbers, or only strings"),
        ((None,), "values", "only booleans"),
        ((1, 2, 1), "values[2]", "1 is there twice"),
        ((1, 1.0), "values[1]", "1 is there twice"),
        ((1.0, math.inf), "values[1]", "inf is not finite"),
        ((0.5, math.nan), "values[1]", "nan is not finite"),
        ((1, 2**63), "values[1]", "an integer of 64 bits does not fit in 64 bits"),
        ((1, 10**5000), "values[1]", "does not fit in 64 bits"),
        (("a", "b\nc"), "values[1]", "a character that can't be printed"),
        (("a", "b" * 257), "values[1]", "has 257 characters; at most 256 are allowed"),
        (tuple(range(4097)), "values", "has 4097 values; at most 4096 are allowed"),
    ],
)
def test_values_that_are_no_grid_are_refused(values, field, problem):
    with pytest.raises(SpaceError) as raised:
        Parameter("x", Kind.EXECUTION, values, 1)
    assert raised.value.field == field
    assert problem in raised.value.problem


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is not an identifier"),
        ("2x", "is not an identifier"),
        ("tp-size", "is not an identifier"),
        ("größe", "is not an identifier"),
        ("x\n", "is not an identifier"),
        ("in", "reserved word of CEL"),
        ("true", "reserved word of CEL"),
        ("x" * 64, "at most 63"),
    ],
)
def test_names_that_expressions_could_not_read_are_refused(name, problem):
    with pytest.raises(SpaceError) as raised:
        parameter(name, [1, 2])
    assert raised.value.field == "name"
    assert problem in raised.value.problem


@pytest.mark.parametrize("default", [3, "1", True, None, math.nan])
def test_the_default_is_one_of_the_values(default):
    with pytest.raises(SpaceError) as raised:
        Parameter("x", Kind.EXECUTION, (1, 2, 4), default)
    assert raised.value.field == "default"
    assert "is not one of the values [1, 2, 4]" in raised.value.problem


def test_index_finds_numbers_by_value_and_never_mixes_booleans_with_them():
    assert parameter("x", [1, 2, 4]).index(2.0) == 1
    assert parameter("x", [False, True]).index(True) == 1
    for values, stranger in (([0, 1], True), ([False, True], 1), ([1, 2], "1"), ([1, 2], None), ([1, 2], [1])):
        with pytest.raises(SpaceError, match="is not one of the values"):
            parameter("x", values).index(stranger)


def test_equality_tells_booleans_from_numbers():
    assert parameter("x", [0, 1]) != parameter("x", [False, True])
    assert parameter("x", [1, 2]) == parameter("x", [1.0, 2.0])
    assert hash(parameter("x", [1, 2])) == hash(parameter("x", [1.0, 2.0]))
    assert parameter("x", [1, 2]) != parameter("x", [1, 2], when="y")


def test_it_can_be_sent_to_another_process():
    made = parameter("x", [1, 2], when="y > 1")
    loaded = sent(made)
    assert loaded == made
    assert loaded.active_when == Expression("y > 1")


@pytest.mark.parametrize(
    ("arguments", "grid"),
    [
        ({"minimum": 1, "maximum": 4}, [1, 2, 3, 4]),
        ({"minimum": 1, "maximum": 8, "step": 3}, [1, 4, 7]),
        ({"minimum": 0.1, "maximum": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"minimum": "0.1", "maximum": "0.7", "step": "0.2"}, [0.1, 0.3, 0.5, 0.7]),
        ({"minimum": Decimal("0.9"), "maximum": 1, "step": Decimal("0.05")}, [0.9, 0.95, 1.0]),
        ({"minimum": 1, "maximum": 100, "factor": 4}, [1, 4, 16, 64]),
        ({"minimum": 1, "maximum": 4, "factor": 1.5}, [1.0, 1.5, 2.25, 3.375]),
        ({"minimum": 1.0, "maximum": 3.0, "step": 1.0}, [1, 2, 3]),
        ({"minimum": -2, "maximum": 2, "step": 2}, [-2, 0, 2]),
        ({"minimum": 5, "maximum": 5}, [5]),
    ],
)
def test_ranges_are_exact_and_inclusive(arguments, grid):
    assert exactly(expand_range(**arguments)) == exactly(grid)


@pytest.mark.parametrize(
    ("arguments", "field", "problem"),
    [
        ({"minimum": 4, "maximum": 1}, "range.max", "1 is below min 4"),
        ({"minimum": 1, "maximum": 4, "step": 0}, "range.step", "is not above 0"),
        ({"minimum": 1, "maximum": 4, "step": -1}, "range.step", "is not above 0"),
        ({"minimum": 1, "maximum": 4, "factor": 1}, "range.factor", "is not above 1"),
        ({"minimum": 0, "maximum": 4, "factor": 2}, "range.min", "with a factor it must be above 0"),
        ({"minimum": 1, "maximum": 4, "step": 1, "factor": 2}, "range.factor", "give step or factor, not both"),
        ({"minimum": 0, "maximum": 4096}, "range.step", "makes more than 4096 values"),
        ({"minimum": 0, "maximum": 1, "step": "1e-20"}, "range.step", "makes more than 4096 values"),
        ({"minimum": 1, "maximum": 1e18, "factor": "1.0000001"}, "range.factor", "makes more than 4096 values"),
        ({"minimum": "x", "maximum": 4}, "range.min", "'x' is not a number"),
        ({"minimum": True, "maximum": 4}, "range.min", "true is not a number"),
        ({"minimum": 1, "maximum": "1e999999999"}, "range.max", "is not a number between"),
        ({"minimum": 1, "maximum": math.inf}, "range.max", "is not a number between"),
        ({"minimum": math.nan, "maximum": 1}, "range.min", "is not a number between"),
        ({"minimum": 1, "maximum": 10**5000}, "range.max", "is not a number"),
    ],
)
def test_a_range_that_is_no_grid_is_refused(arguments, field, problem):
    with pytest.raises(SpaceError) as raised:
        expand_range(**arguments)
    assert raised.value.field == field
    assert problem in raised.value.problem


def test_a_space_error_names_its_field_and_survives_the_way_between_processes():
    error = SpaceError("values[3]", "is odd")
    assert str(error) == "values[3]: is odd"
    loaded = sent(error)
    assert (loaded.field, loaded.problem) == (error.field, error.problem)
