"""Whatever is written as an expression: a boolean, or an ExpressionError."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscout.space.expression import Expression, ExpressionError

ATOMS = st.sampled_from(
    ["a", "b", "s", "t", "x", "0", "1", "-1", "2.5", "1e300", "9223372036854775807", "'x'", "true", "[1, 2]", "[]"]
)


def grow(inner):
    def form(template, *parts):
        return st.tuples(*parts).map(lambda filled: template.format(*filled))

    operators = st.sampled_from(["+", "-", "*", "/", "%", "<", "<=", "==", "!=", ">", ">=", "&&", "||", "in"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(" ".join),
        form("({})", inner),
        form("!{}", inner),
        form("-{}", inner),
        form("({} ? {} : {})", inner, inner, inner),
        form("[{}, {}]", inner, inner),
        form("{}[{}]", inner, inner),
        form("{}({})", st.sampled_from(["size", "int", "double", "string"]), inner),
        form("({}).{}({})", inner, st.sampled_from(["contains", "startsWith", "endsWith"]), inner),
        form("[{}, {}].{}(x, {})", inner, inner, st.sampled_from(["all", "exists", "exists_one"]), inner),
    )


VALUES = {"a": -(2**63), "b": 0.0, "s": "x" * 256, "t": True, "x": 3}


def answer(source):
    try:
        return Expression(source).evaluate(VALUES)
    except ExpressionError:
        return None


@given(st.recursive(ATOMS, grow, max_leaves=40))
@settings(max_examples=500, deadline=None)
def test_anything_in_the_language_is_decided(source):
    assert answer(source) in (True, False, None)


@given(
    st.lists(st.sampled_from([*"()[]{}?:,.!<>=&|+-*/%'\"\\", "a", "in", " all(", "1", "\n", "//", "r'"]), max_size=80)
)
@settings(max_examples=500, deadline=None)
def test_any_sequence_of_signs_is_decided(signs):
    assert answer("".join(signs)) in (True, False, None)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_decided(source):
    assert answer(source) in (True, False, None)
