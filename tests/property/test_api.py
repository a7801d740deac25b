"""Whatever arrives, the API answers; whatever it writes, it can read."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.invalid_manifests import base

from autoscout.api import convert
from autoscout.api.errors import ApiError, FieldError
from autoscout.api.parse import load, load_trial
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.admission import check
from autoscout.search.ledger import Attempt, Entry, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(
        ["", "a", "2h", "1e3", "tile", "$(params.tile)", "$(params.", "tile > 1", "(", "custom", "Measured"]
    )
)
KEYS = st.text(max_size=5) | st.sampled_from(
    ["name", "spec", "status", "values", "min", "max", "0", "phase", "metrics"]
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Of everything inside a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [below for key, item in items for below in paths(item, (*path, key))]


@st.composite
def damaged(draw: st.DrawFn, document: dict[str, object]) -> object:
    """The document with some of its parts replaced, removed or joined by others."""
    copy = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        choices = paths(copy)
        if not choices:
            return copy
        *parents, last = draw(st.sampled_from(choices))
        here = copy
        for part in parents:
            here = here[part]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                here[last] = draw(JSON)
            case "remove":
                del here[last]
            case "add" if isinstance(here, dict):
                here[draw(KEYS)] = draw(JSON)
    return copy


@settings(deadline=None)
@given(JSON)
def test_any_json_is_answered(document: object):
    assert isinstance(load(document), list)
    assert isinstance(load_trial(document), list)


@settings(max_examples=400, deadline=None)
@given(damaged(base()))
def test_a_damaged_job_is_answered(document: object):
    for error in check(document, cluster=True):
        assert error.message
    job = load(document)
    if isinstance(job, TuningJob):
        assert load(json.loads(json.dumps(job.manifest()))) == job


PROBLEM = convert.problem(convert.job(base()))
CONFIGURATIONS = list(PROBLEM.space.enumerate())
FINITE = st.floats(allow_nan=False, allow_infinity=False)
AMOUNTS = st.floats(0, 1e12)
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=128)
METRICS = st.dictionaries(NAMES, FINITE, max_size=4)
OUTCOMES = (
    st.builds(Measured, METRICS, st.dictionaries(NAMES, st.lists(FINITE, max_size=5).map(tuple), max_size=3))
    | st.builds(Infeasible, WORDS, WORDS)
    | st.builds(Lost, WORDS, WORDS)
)
ATTEMPTS = st.lists(st.builds(Attempt, WORDS, WORDS, AMOUNTS, AMOUNTS, st.booleans()), max_size=4).map(tuple)
TRIALS = st.builds(
    Trial,
    st.integers(0, 10**9),
    st.sampled_from(CONFIGURATIONS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=128),
    METRICS,
)
ENTRIES = st.builds(Entry, TRIALS, ATTEMPTS, st.none(), st.none()) | st.builds(
    Entry, TRIALS, ATTEMPTS, OUTCOMES, st.integers(0, 10**6)
)


def written(entry: Entry) -> dict[str, object]:
    """The TuningTrial of an entry, as it comes back from the API server: JSON with keys in another order."""
    manifest = convert.trial_manifest(entry.trial, job="matmul", uid="u-1", namespace="team")
    return json.loads(json.dumps(manifest | {"status": convert.trial_status(entry)}, sort_keys=True, allow_nan=False))


@settings(deadline=None)
@given(ENTRIES)
def test_an_entry_survives_its_tuning_trial(entry: Entry):
    read = convert.entry(written(entry), PROBLEM.space)
    assert read == entry
    assert list(read.trial.configuration) == list(entry.trial.configuration)


@settings(max_examples=200, deadline=None)
@given(st.data(), ENTRIES)
def test_a_damaged_trial_is_answered(data: st.DataObject, entry: Entry):
    document = data.draw(damaged(written(entry)))
    read = read_or_errors(document)
    assert read
    if isinstance(read, Entry):
        assert all(math.isfinite(attempt.seconds) for attempt in read.attempts)


def read_or_errors(document: object) -> Entry | tuple[FieldError, ...]:
    try:
        return convert.entry(document, PROBLEM.space)
    except ApiError as error:
        return error.errors
