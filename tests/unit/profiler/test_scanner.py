from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.profiler.strategies import BODIES

from autoscout_profiler.frames import LINE_LIMIT, MARKER, Error, Frame, Progress, Result, digest, encode, encode_bounded
from autoscout_profiler.scanner import Ignored, Scanner

RESULT = Frame("job-3", 1, 5, Result({"seconds": 0.5}, {"seconds": (0.4, 0.5, 0.6)}))


def scan(text: str | bytes, trial: str = "job-3", attempt: int = 1) -> tuple[list[Frame], Scanner]:
    scanner = Scanner(trial, attempt)
    return scanner.feed(text) + scanner.close(), scanner


def guarded(text: str) -> str:
    return f"{MARKER}{text} {digest(text)}\n"


@st.composite
def logs(draw) -> tuple[str, list[Frame]]:
    """A log with frames of job-3, attempt 1 between lines that only look like it."""
    frames, text = [], ""
    for sequence in range(draw(st.integers(0, 6))):
        frame = Frame("job-3", 1, sequence, draw(BODIES))
        line = encode(frame)
        noise = draw(
            st.sampled_from(
                ["", "epoch 1\n", "50%\r", "no end: ", "é\n", "@@AUTOSCOUT", "@@AUTOSCOUT1 ", "\n\n", '{"\n']
            )
        )
        fate = draw(st.sampled_from(["good", "good", "good", "torn", "wrong digest", "foreign", "repeated"]))
        if fate == "torn":
            text += noise + line[: draw(st.integers(len(MARKER), len(line) - 1))] + "\n"
            continue
        if fate == "wrong digest":
            text += noise + line[:-1] + ("0" if line[-1] != "0" else "1") + "\n"
            continue
        if fate == "foreign":
            text += noise + encode(Frame("job-4", 1, sequence, frame.body)) + "\n"
            text += encode(Frame("job-3", 0, sequence, frame.body)) + "\n"
            continue
        text += noise + line + draw(st.sampled_from(["\n", "\r\n", "behind it\n"]))
        if fate == "repeated":
            text += line + "\n"
        frames.append(frame)
    return text, frames


@given(logs(), st.data())
def test_the_frames_of_the_attempt_are_found_however_the_log_is_torn_into_chunks(log, data):
    text, expected = log
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    scanner = Scanner("job-3", 1)
    found: list[Frame] = []
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += scanner.feed(raw[begin:end])
    found += scanner.close()
    assert found == expected
    whole, reference = scan(text)
    assert whole == expected
    assert scanner.ignored == reference.ignored


@given(st.text())
def test_no_log_makes_it_fail_or_invent_a_frame(text):
    frames, _ = scan(text)
    assert frames == []


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (encode(RESULT)[:-1], Ignored.TORN),
        (encode(RESULT)[:40], Ignored.TORN),
        (encode(RESULT).replace('"metrics"', 'Epoch 3 done"metrics"'), Ignored.TORN),
        (MARKER, Ignored.TORN),
        (MARKER + "[" * 100_000, Ignored.TORN),
        (encode(RESULT).replace("0.5", "0.1"), Ignored.DIGEST),
        (guarded('{"type":"result"}'), Ignored.MALFORMED),
        (guarded('["type"]'), Ignored.MALFORMED),
        (
            guarded('{"type":"result","trial":"job-3","attempt":1,"sequence":0,"metrics":{"a":NaN}}'),
            Ignored.MALFORMED,
        ),
        (
            guarded('{"type":"result","trial":"job-3","attempt":1,"sequence":0,"metrics":{"a":1e999}}'),
            Ignored.MALFORMED,
        ),
        (encode(Frame("job-4", 1, 5, RESULT.body)), Ignored.FOREIGN),
        (encode(Frame("job-3", 0, 5, RESULT.body)), Ignored.FOREIGN),
    ],
)
def test_what_is_ignored_is_counted_by_cause(line, cause):
    frames, scanner = scan(line)
    assert frames == []
    assert scanner.ignored == {cause: 1}
    assert scanner.frames_ignored == 1


def test_frames_come_in_sequence_and_once():
    lines = [encode(Frame("job-3", 1, number, Progress(number, 9))) for number in (0, 1, 0, 1, 2)]
    frames, scanner = scan("\n".join(lines))
    assert [frame.sequence for frame in frames] == [0, 1, 2]
    assert scanner.ignored == {Ignored.REPEATED: 2}
    assert scanner.progress == frames[-1]


def test_a_frame_behind_other_output_and_one_behind_another_are_found():
    error = Frame("job-3", 1, 6, Error("OutOfMemory"))
    frames, scanner = scan("loss 0.3 " + encode(RESULT) + encode(error) + "Traceback\n")
    assert frames == [RESULT, error]
    assert scanner.last_word == error


def test_a_message_that_quotes_frames_holds_none():
    quoting = Frame("job-3", 1, 7, Error("Crashed", "log: " + encode(RESULT) + " @@@@AUTOSCOUT1 {"))
    frames, scanner = scan(encode(quoting))
    assert frames == [quoting]
    assert scanner.frames_ignored == 0


def test_a_frame_is_seen_as_soon_as_its_line_ends_and_no_sooner():
    scanner = Scanner("job-3", 1)
    assert scanner.feed(encode(RESULT)) == []
    assert scanner.feed("\n") == [RESULT]


def test_the_termination_message_repeats_the_log_without_fault_and_fills_in_for_it():
    result = Frame("job-3", 1, 5, Result({"seconds": 0.5}, {"seconds": (0.5,) * 99}))
    short = encode_bounded(result, 200)
    scanner = Scanner("job-3", 1)
    scanner.feed(encode(result) + "\n")
    scanner.close()
    assert scanner.read_termination_message(short) == []
    assert scanner.last_word == result
    assert scanner.frames_ignored == 0

    rotated = Scanner("job-3", 1)
    rotated.close()
    (frame,) = rotated.read_termination_message(short)
    assert frame.body == Result({"seconds": 0.5}, samples_omitted=True)


def test_the_tail_is_the_last_output_without_frames():
    _, scanner = scan(f"first\n{encode(RESULT)}\n  Traceback:\nValueError: no\n")
    assert scanner.tail == "first\nTraceback:\nValueError: no"
    _, long = scan("\n".join(str(number) for number in range(1000)))
    assert long.tail.splitlines()[-1] == "999"
    assert len(long.tail) < 10_000


def test_frames_are_found_in_a_line_without_end():
    scanner = Scanner("job-3", 1)
    found = scanner.feed("." * 3 * LINE_LIMIT + encode(RESULT) + " ")
    for _ in range(20):
        found += scanner.feed("." * 100_000)
    assert found == [RESULT]


def test_a_hostile_log_takes_linear_time_and_bounded_memory():
    scanner = Scanner("job-3", 1)
    began = time.process_time()
    for chunk in (MARKER * 10_000, MARKER + "{" * 200_000, '"' * 500_000, MARKER + '{"a":"' * 50_000):
        for _ in range(3):
            scanner.feed(chunk)
    for _ in range(50_000):  # a tiny chunk at a time into one long would-be frame
        scanner.feed("xxxxxxxx")
    scanner.close()
    assert time.process_time() - began < 5
    assert scanner.ignored[Ignored.TORN] > 30_000


def test_what_progress_frames_report_is_kept_in_order() -> None:
    values = [{"seconds": 3.0}, {}, {"seconds": 2.0, "loss": 1.0}]
    frames = [Frame("job-3", 1, number, Progress(number, 9, metrics)) for number, metrics in enumerate(values)]
    _, scanner = scan("".join(encode(frame) + "\n" for frame in frames))
    assert list(scanner.reports) == [values[0], values[2]]
