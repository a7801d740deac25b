"""Expressions: what they mean, what they refuse, and that nobody can hang or crash the operator with one."""

from __future__ import annotations

import pytest
from tests.unit.space.spaces import sent

from autoscout.space.expression import Expression, ExpressionError


@pytest.mark.parametrize(
    ("source", "values", "holds"),
    [
        ("tp * pp == 8", {"tp": 2, "pp": 4}, True),
        ("tp * pp == 8", {"tp": 2, "pp": 2}, False),
        ("(40 / pp) % vpp == 0", {"pp": 3, "vpp": 13}, True),  # 40 / 3 is 13: integers divide to integers
        ("-7 / a == -3", {"a": 2}, True),  # towards zero
        ("a / 2.0 == 3.5", {"a": 7.0}, True),
        ("a == 2.0", {"a": 2}, True),
        ("a > 0.5", {"a": 1}, True),
        ("a == 1", {"a": True}, False),  # a boolean is no number
        ("mode == 'full' && !flag", {"mode": "full", "flag": False}, True),
        ("mode in ['full', 'part']", {"mode": "none"}, False),
        ("a > 1 ? b > 1 : b == 1", {"a": 1, "b": 1}, True),
        ("double(a) * 1.5 < 2.0", {"a": 1}, True),
        ("[tp, pp].all(x, x > 1)", {"tp": 2, "pp": 1}, False),
        ("[1, 2, 4].exists(x, x * tp == 8)", {"tp": 2}, True),
        ("mode.startsWith('attn') && size(mode) == 9", {"mode": "attn_only"}, True),
        ("false && 1 / a == 1", {"a": 0}, False),  # what decides already is enough
        ("1 / a == 1 || true", {"a": 0}, True),
    ],
)
def test_it_evaluates_as_cel_does(source, values, holds):
    expression = Expression(source)
    assert expression.evaluate(values) is holds
    assert expression.outcomes(list(values), [tuple(values.values())]) == [holds]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("tp > 1 && tpc == 'tp'", {"tp", "tpc"}),
        ("[1, 2].all(x, x < tp)", {"tp"}),  # x is not free
        ("[x, 2].all(x, x < tp) && y", {"x", "tp", "y"}),  # but the x of the list is
        ("size(name) > int(limit)", {"name", "limit"}),
        ("true", set()),
    ],
)
def test_names_are_the_free_variables(source, names):
    assert Expression(source).names == names


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "it is empty"),
        ("tp <", "line 1, column 5: something is missing"),
        ("tp pp", "line 1, column 4: extraneous input 'pp'"),
        ("tp = 8", "unexpected '=' at column 4: compare with =="),
        ("a & b", "write && for 'and'"),
        ("a == 'x", "the string does not end"),
        ("a == r'x'", "prefixes are not supported"),
        ("a == '''x'''", "prefixes are not supported"),
        ("{'a': 1}.a == 1", "maps are not supported"),
        ("a.b == 1", "parameters have no fields: '.b'"),
        ("a // b", "comments are not supported"),
        ("null == a", "'null' at column 1 is a reserved word"),
        ("a.matches('(x+)+')", "function 'matches' at column 3 is not supported; there are all, contains"),
        ("[1].map(x, [x, x]) == a", "function 'map' at column 5 is not supported"),
        ("[1].all(x, [2].all(y, y > x))", "can't nest"),
        ("[1].all(1, true)", "takes a variable and a condition"),
        ("timestamp('2020-01-01T00:00:00Z') == a", "function 'timestamp' at column 1 is not supported"),
        ("(" * 30 + "a" + ")" * 30, "brackets nest deeper than 24"),
        ("a" * 5000, "it has 5000 characters; at most 4096 are allowed"),
        ("a+" * 600 + "a==1", "at most 512 are allowed"),
        ("a == 99999999999999999999", "invalid int literal"),
        ("a \x00 b", "unexpected '\\x00' at column 3"),
        ("größe > 1", "unexpected 'ö' at column 3"),
    ],
)
def test_what_is_not_in_the_language_is_refused_at_once(source, problem):
    with pytest.raises(ExpressionError) as raised:
        Expression(source)
    assert problem in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("source", "values", "problem"),
    [
        ("8 % a == 0", {"a": 0}, "expression `8 % a == 0`: divides by zero where a=0"),
        ("a * a > 0", {"a": 2**62}, "leaves the range of 64-bit integers"),
        ("a * 0.5 > 1.0", {"a": 4}, "mixes types"),
        ("a && b", {"a": True, "b": 1}, "mixes types"),
        ("a + 1", {"a": 1}, "yields 2, neither true nor false where a=1"),
        ("[1, 2][a] == 1", {"a": 2}, "reads beyond the end of a list"),
        ("size(a) == 1", {"a": 1}, "function 'size' does not take such an argument"),
        ("int(a) == 1", {"a": "x"}, "invalid digit"),
        ("a == 1 && c", {"a": 1}, "unknown name c"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error_that_says_why(source, values, problem):
    expression = Expression(source)
    with pytest.raises(ExpressionError) as raised:
        expression.evaluate(values)
    assert problem in str(raised.value)


def test_many_rows_have_none_where_one_would_raise():
    assert Expression("8 % a == 0").outcomes(["a"], [(2,), (3,), (0,)]) == [True, False, None]
    assert Expression("a").outcomes(["a"], [(True,), (1,)]) == [True, None]


def test_conjuncts_hold_together_where_the_whole_does():
    assert [part.source for part in Expression("a > 1 && (b || c) && a != b").conjuncts] == [
        "a > 1",
        "(b || c)",
        "a != b",
    ]
    for whole in ("a && b || c", "a && b ? c : d", "(a && b)", "[1].all(x, x == 1 && a)"):
        assert [part.source for part in Expression(whole).conjuncts] == [whole]


def test_it_is_a_value():
    expression = Expression("tp > 1")
    assert expression == Expression("tp > 1")
    assert expression != Expression("tp  > 1")
    loaded = sent(expression)
    assert loaded == expression
    assert hash(loaded) == hash(expression)
    assert loaded.evaluate({"tp": 2})


def test_an_error_survives_the_way_between_processes():
    error = sent(ExpressionError("a +", "syntax error"))
    assert (error.source, error.problem, str(error)) == ("a +", "syntax error", "expression `a +`: syntax error")
