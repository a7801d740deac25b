"""The search space: what is refused, what an assignment means, defaults and repair."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.unit.space.spaces import PARALLEL, parameter, sent, space

from autoscout.space.parameter import SpaceError

VALID = {"tp": 2, "pp": 2, "dp": 2, "vpp": 4, "tpc": "rs_ag", "redo": True}


def refused(call, *arguments):
    with pytest.raises(SpaceError) as raised:
        call(*arguments)
    return raised.value


# What is no space


@pytest.mark.parametrize(
    ("parameters", "constraints", "field", "problem"),
    [
        ([], [], "parameters", "is empty"),
        ([parameter(f"x{i}", [1]) for i in range(201)], [], "parameters", "has 201 entries; at most 200"),
        (
            [parameter(f"x{i}", range(4096)) for i in range(17)],
            [],
            "parameters",
            "69632 values together; at most",
        ),
        ([parameter("x", [1])], ["x > 0"] * 201, "constraints", "has 201 entries; at most 200"),
        ([parameter("x", [1]), parameter("x", [2])], [], "parameters[1].name", "'x' is there twice"),
        ([parameter("tp", [1]), parameter("TP", [2])], [], "parameters[1].name", "'TP' and 'tp' differ in case only"),
        ([parameter("x", [1])], ["x > 0", "x < y"], "constraints[1]", "`x < y` names y, which is no parameter"),
        ([parameter("x", [1], when="z")], [], "parameters[0].activeWhen", "`z` names z, which is no parameter"),
        ([parameter("x", [1, 2], when="x > 1")], [], "parameters[0].activeWhen", "depends on itself: x -> x"),
        (
            [
                parameter("free", [1]),
                parameter("a", [1, 2], when="b > 1"),
                parameter("b", [1, 2], when="c > 1"),
                parameter("c", [1, 2], when="a > 1"),
            ],
            [],
            "parameters[",
            " -> ",
        ),
        ([parameter("x", [1, 2])], ["x * 0.5 > 1.0"], "constraints[0]", "mixes types"),
        ([parameter("x", [1, 2])], ["x + 1"], "constraints[0]", "yields 2, neither true nor false"),
        ([parameter("x", [1, 2], when="y"), parameter("y", [1])], [], "parameters[0].activeWhen", "yields 1, neither"),
        (
            [parameter("x", [0]), parameter("y", [1])],
            ["y / x == 1"],
            "constraints[0]",
            "by zero where x=0, y=1",
        ),
        (
            [parameter(f"x{i}", [0, 1]) for i in range(25)],
            [" + ".join(f"x{i}" for i in range(25)) + " > 3"],
            "constraints[0]",
            "couples 25 parameters at once; at most 24",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(parameters, constraints, field, problem):
    error = refused(lambda: space(*parameters, constraints=constraints))
    assert error.field.startswith(field)
    assert problem in error.problem


def test_a_cycle_is_named_in_the_order_of_dependence():
    a, b = parameter("a", [1, 2], when="b > 1"), parameter("b", [1, 2], when="c > 1")
    error = refused(space, a, b, parameter("c", [1, 2], when="a > 1"))
    links = error.problem.removeprefix("depends on itself: ").split(" -> ")
    assert links[0] == links[-1]
    assert set(pairwise(links)) == {("a", "b"), ("b", "c"), ("c", "a")}


def test_an_expression_that_works_somewhere_is_no_error():
    made = space(parameter("x", [0, 1, 2]), parameter("y", [4]), constraints=["y / x == 2"])
    assert [dict(found) for found in made.enumerate()] == [{"x": 2, "y": 4}]


# What an assignment means


def test_inactive_parameters_are_dropped_and_read_as_their_default():
    assert dict(PARALLEL.canonical(VALID)) == VALID
    given = {**VALID, "tp": 1, "dp": 4, "vpp": 1}
    assert dict(PARALLEL.canonical(given)) == {"tp": 1, "pp": 2, "dp": 4, "vpp": 1}
    assert PARALLEL.full_values(PARALLEL.canonical(given)) == {**given, "tpc": "ar", "redo": False}


def test_the_spelling_does_not_matter():
    spelled = {name: float(value) if type(value) is int else value for name, value in reversed(VALID.items())}
    made = PARALLEL.canonical(spelled)
    assert made == PARALLEL.canonical(VALID)
    assert made.fingerprint == PARALLEL.canonical(VALID).fingerprint
    assert list(made) == ["tp", "pp", "dp", "vpp", "tpc", "redo"]
    assert [type(value) for value in made.values()] == [int, int, int, int, str, bool]


def test_fingerprints_stay_what_they_are():
    # The ledgers of running jobs hold them.
    assert PARALLEL.canonical(VALID).fingerprint == "f24c483c2cc26169"


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"redoo": 1}, "redoo", "is not a parameter of this space; did you mean redo?"),
        ({"zzz": 1}, "zzz", "is not a parameter of this space; there are tp, pp"),
        ({"dp": None}, "dp", "is missing; it takes one of 1, 2, 4, 8"),
        ({"vpp": None}, "vpp", "is missing"),
        ({"dp": 3}, "dp", "3 is not one of the values [1, 2, 4, 8]"),
        ({"dp": "2"}, "dp", "'2' is not one of the values"),
        ({"dp": True}, "dp", "true is not one of the values"),
        ({"redo": 1}, "redo", "1 is not one of the values [false, true]"),
        ({"dp": 4}, "constraints[0]", "`tp * pp * dp == 8` does not hold where dp=4, pp=2, tp=2"),
        ({"vpp": 8}, "constraints[1]", "`(40 / pp) % vpp == 0` does not hold where pp=2, vpp=8"),
    ],
)
def test_an_assignment_that_is_no_configuration_is_refused_by_name(change, field, problem):
    assignment = {name: value for name, value in {**VALID, **change}.items() if value is not None}
    error = refused(PARALLEL.canonical, assignment)
    assert error.field == field
    assert problem in error.problem
    assert not PARALLEL.is_valid(assignment)
    assert PARALLEL.is_valid(VALID)


def test_a_constraint_that_cannot_be_evaluated_is_broken():
    made = space(parameter("x", [0, 1]), constraints=["1 / x == 1"])
    error = refused(made.canonical, {"x": 0})
    assert (error.field, error.problem) == ("constraints[0]", "expression `1 / x == 1`: divides by zero where x=0")


# Defaults


def test_the_default_configuration_has_the_defaults_of_what_is_active():
    assert dict(PARALLEL.default()) == {"tp": 1, "pp": 1, "dp": 8}


def test_an_invalid_default_names_the_constraint_the_values_and_the_nearest_valid_one():
    made = space(parameter("tp", [1, 2, 4]), parameter("dp", [1, 2, 4, 8]), constraints=["tp * dp == 8"])
    error = refused(made.default)
    assert error.field == "constraints[0]"
    assert error.problem == (
        "the default configuration is not valid: `tp * dp == 8` does not hold where dp=1, tp=1; "
        "the nearest that is has dp=8"
    )


def test_the_default_of_an_empty_space_names_what_excludes_each_other():
    made = space(parameter("x", [1, 2]), constraints=["x < 2", "x > 1"])
    assert "no configuration satisfies" in refused(made.default).problem


# Emptiness


def test_a_conflict_names_the_conditions_that_make_it_and_no_others():
    made = space(
        parameter("tp", [1, 2, 4]),
        parameter("pp", [1, 2, 4]),
        parameter("mbs", [1, 2]),
        constraints=["mbs < 8", "tp * pp == 4", "tp > 2", "pp > 1 && mbs > 0", "tp + pp > 0"],
    )
    assert made.count() == 0
    problem = refused(made.require_feasible).problem
    assert [part in problem for part in ("tp * pp == 4", "tp > 2", "pp > 1")] == [True] * 3
    assert "mbs" not in problem
    assert "tp + pp" not in problem


def test_a_condition_can_contradict_a_constraint():
    made = space(
        parameter("tp", [1, 2]),
        parameter("sp", [False, True], when="tp > 1"),
        constraints=["sp", "tp == 1"],  # sp reads as false where tp is 1
    )
    error = refused(made.require_feasible)
    assert "parameters[1].activeWhen `tp > 1`" in error.problem


def test_a_constraint_on_nothing_decides_for_all():
    assert space(parameter("x", [1, 2]), constraints=["1 < 2"]).count() == 2
    made = space(parameter("x", [1, 2]), parameter("y", [1, 2]), constraints=["2 < 1"])
    assert made.count() == 0
    assert "`2 < 1`" in refused(made.require_feasible).problem
    assert list(made.enumerate()) == []
    assert made.refinements({}, "y") == ()
    assert made.nearest({}) is None


# Repair


def test_the_nearest_of_a_valid_assignment_is_itself():
    for configuration in PARALLEL.enumerate():
        assert PARALLEL.nearest(configuration) == configuration


def test_repair_changes_as_little_as_possible():
    # tp moved from 1 to 4: with tp held, dp = 2 alone repairs it; tpc and redo appear with their defaults.
    moved = {**PARALLEL.default(), "tp": 4}
    repaired = PARALLEL.nearest(moved, given={"tp": 4})
    assert dict(repaired) == {"tp": 4, "pp": 1, "dp": 2, "tpc": "ar"}
    # Without holding it, the way back is as short.
    assert sum(repaired[name] != value for name, value in moved.items()) == 1
    assert PARALLEL.nearest(moved, given={"tp": 4, "pp": 4}) is None


def test_among_equally_many_changes_the_fewest_steps_win():
    made = space(parameter("x", range(10)), parameter("y", [5]), constraints=["x != 5 && x != 4 && y == 5"])
    assert dict(made.nearest({"x": 5})) == {"x": 6, "y": 5}
    assert dict(made.nearest({"x": 3.6})) == {"x": 3, "y": 5}  # 3.6 stands for 4
    assert refused(PARALLEL.nearest, {"tpc": "unheard"}).field == "tpc"


# Being sent


def test_it_can_be_sent_to_another_process_and_is_the_same_there():
    assert PARALLEL.count() == sent(PARALLEL).count()
    assert sent(PARALLEL) == PARALLEL
    assert hash(sent(PARALLEL)) == hash(PARALLEL)
    assert space(parameter("x", [0, 1])) != space(parameter("x", [False, True]))
    assert space(parameter("x", [0, 1])) != space(parameter("x", [0, 1]), constraints=["x > 0"])


def test_a_pickle_holds_the_definition_only():
    fresh, used = sent(PARALLEL), sent(PARALLEL)
    used.count()
    assert used.__getstate__().keys() == fresh.__getstate__().keys() == {"parameters", "constraints"}
