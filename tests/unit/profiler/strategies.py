"""Frames of every kind, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from autoscout_profiler.frames import Error, Frame, Progress, Result

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(min_size=1, max_size=20)
METRICS = st.dictionaries(NAMES, NUMBERS, max_size=4)
BODIES = st.one_of(
    st.builds(Progress, st.integers(0, 10**6), st.integers(0, 10**6), METRICS),
    st.builds(
        Result,
        st.dictionaries(NAMES, NUMBERS, min_size=1, max_size=4),
        st.dictionaries(NAMES, st.lists(NUMBERS, max_size=5).map(tuple), max_size=3),
        st.dictionaries(NAMES, st.text(max_size=10), max_size=3),
        st.text(max_size=20),
    ),
    st.builds(Error, st.from_regex(r"[A-Z][A-Za-z0-9]{0,10}", fullmatch=True), st.text(max_size=300)),
)
FRAMES = st.builds(Frame, st.text(min_size=1, max_size=30), st.integers(0, 99), st.integers(0, 10**6), BODIES)
