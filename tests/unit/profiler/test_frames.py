from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.profiler.strategies import FRAMES

import autoscout_profiler
from autoscout_profiler.frames import (
    LINE_LIMIT,
    MARKER,
    TERMINATION_LIMIT,
    Error,
    Frame,
    FrameError,
    Progress,
    Result,
    digest,
    encode,
    encode_bounded,
    parse,
    shorten,
)
from autoscout_profiler.scanner import Scanner


def content(line: str) -> dict:
    assert line.startswith(MARKER)
    return json.loads(line[len(MARKER) : -17])


def test_the_line_is_marker_json_and_the_first_16_digits_of_its_sha_256():
    line = encode(Frame("job-3", 1, 4, Error("OutOfMemory", "2 GiB")))
    text = '{"type":"error","trial":"job-3","attempt":1,"sequence":4,"reason":"OutOfMemory","message":"2 GiB"}'
    assert line == f"@@AUTOSCOUT1 {text} 16e46b529badedad"
    assert digest(text) == "16e46b529badedad"


def test_the_frame_of_the_reference_is_one():
    text = (Path(__file__).parents[3] / "docs" / "reference" / "frames.md").read_text()
    (frame,) = Scanner("quickstart-3", 0).feed(text)
    assert frame == Frame("quickstart-3", 0, 7, Result({"seconds_per_call": 0.0129}))


def test_the_program_of_the_reference_reports():
    text = (Path(__file__).parents[3] / "docs" / "reference" / "frames.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    environment = os.environ | {"PYTHONPATH": str(Path(autoscout_profiler.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    scanner = Scanner("manual", 0)
    scanner.feed(done.stdout)
    assert scanner.last_word.body.metrics.keys() == {"seconds_per_iteration"}


@given(FRAMES)
def test_what_is_written_reads_back_the_same_and_is_one_ascii_line(frame: Frame):
    line = encode(frame)
    assert line.isascii()
    assert line.isprintable()
    assert line.count(MARKER) == 1
    assert parse(content(line)) == frame


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float32("nan"), 10**400])
@pytest.mark.parametrize(
    "body",
    [
        lambda x: Result({"seconds": x}),
        lambda x: Result({"seconds": 1.0}, {"seconds": (1.0, x)}),
        lambda x: Progress(1, 2, {"seconds": x}),
    ],
)
def test_a_number_that_is_not_finite_is_refused_and_its_field_named(body, number):
    with pytest.raises(FrameError, match=r"seconds: a finite number"):
        encode(Frame("t", 0, 0, body(number)))


def test_numbers_of_numpy_are_numbers():
    line = encode(Frame("t", 0, 0, Result({"a": np.float32(0.5), "b": np.int64(3)})))
    assert content(line)["metrics"] == {"a": 0.5, "b": 3.0}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "verdict"}, "type"),
        ({"type": ["result"]}, "type"),
        ({"trial": ""}, "trial"),
        ({"trial": 3}, "trial"),
        ({"attempt": -1}, "attempt"),
        ({"attempt": True}, "attempt"),
        ({"sequence": 1.5}, "sequence"),
        ({"sequence": None}, "sequence"),
        ({"metrics": {}}, "metrics"),
        ({"metrics": [1]}, "metrics"),
        ({"metrics": {"": 1}}, "metrics"),
        ({"metrics": {"a": "1"}}, "metrics.a"),
        ({"metrics": {"a": True}}, "metrics.a"),
        ({"samples": {"a": 1}}, "samples.a"),
        ({"samples": {"a": [None]}}, "samples.a"),
        ({"versions": {"torch": 2}}, "torch"),
        ({"gpu": None}, "gpu"),
        ({"samplesOmitted": 1}, "samplesOmitted"),
        ({"type": "progress", "iteration": "1", "iterations": 2}, "iteration"),
        ({"type": "progress", "iteration": 1}, "iterations"),
        ({"type": "error", "reason": "out of memory"}, "reason"),
        ({"type": "error", "reason": "A" * 65}, "reason"),
        ({"type": "error", "reason": "A", "message": 1}, "message"),
    ],
)
def test_a_payload_that_breaks_the_contract_is_refused_by_field(change, field):
    good = {"type": "result", "trial": "t", "attempt": 0, "sequence": 0, "metrics": {"a": 1.0}}
    assert parse(good).body == Result({"a": 1.0})
    with pytest.raises(FrameError, match=rf"^{field}:"):
        parse(good | change)


def test_fields_of_a_later_version_are_skipped():
    payload = {"type": "error", "trial": "t", "attempt": 0, "sequence": 0, "reason": "A", "colour": "red"}
    assert parse(payload) == Frame("t", 0, 0, Error("A"))


def test_a_frame_longer_than_a_log_line_may_be_is_refused():
    with pytest.raises(FrameError, match=f"{LINE_LIMIT} are allowed"):
        encode(Frame("t", 0, 0, Error("A", "x" * LINE_LIMIT)))


def test_a_bounded_result_gives_up_samples_then_versions_and_says_so():
    samples = {"seconds": tuple(float(i) for i in range(2000))}
    versions = {f"package{i}": "1.0" for i in range(300)}
    one = Frame("t", 0, 0, Result({"seconds": 1.0}, samples, {"numpy": "2"}))
    body = parse(content(encode_bounded(one, TERMINATION_LIMIT))).body
    assert body == Result({"seconds": 1.0}, versions={"numpy": "2"}, samples_omitted=True)
    two = Frame("t", 0, 0, Result({"seconds": 1.0}, samples, versions))
    body = parse(content(encode_bounded(two, TERMINATION_LIMIT))).body
    assert body == Result({"seconds": 1.0}, samples_omitted=True)


def test_a_bounded_result_keeps_its_samples_where_they_fit():
    frame = Frame("t", 0, 0, Result({"seconds": 1.0}, {"seconds": (1.0, 2.0)}))
    assert encode_bounded(frame, TERMINATION_LIMIT) == encode(frame)


def test_metrics_are_never_left_out_of_a_result():
    with pytest.raises(FrameError, match="report fewer metrics"):
        encode_bounded(Frame("t", 0, 0, Result({f"metric{i}": 1.0 for i in range(500)})), TERMINATION_LIMIT)


@given(
    st.one_of(st.text(min_size=3000, max_size=6000), st.sampled_from(["\U0001f600" * 9000, "\0" * 9000])),
    st.integers(200, 5000),
)
def test_a_bounded_error_keeps_both_ends_of_its_message(message, limit):
    line = encode_bounded(Frame("t", 0, 0, Error("A", message)), limit)
    assert len(line) <= limit
    kept = parse(content(line)).body.message
    assert kept == message or (message.endswith(kept.split(" ... ")[-1]) and " ... " in kept)


@given(st.text(), st.integers(0, 100))
def test_shorten_never_exceeds_its_size(text, size):
    assert len(shorten(text, size)) <= size
