from __future__ import annotations

import pytest

from autoscout.executors.verdict import deadline_exceeded, judge, last_word, measured
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout_profiler.frames import Error, Frame, Progress, Result, encode
from autoscout_profiler.scanner import Scanner

MEASURED = Measured({"seconds": 0.5}, {"seconds": (0.4, 0.6)})
RESULT = Result({"seconds": 0.5}, {"seconds": (0.4, 0.6)})
OUT_OF_MEMORY = Error("OutOfMemory", "CUDA out of memory")


def scanned(*content: Progress | Result | Error | str) -> Scanner:
    scanner = Scanner("job-3", 0)
    for sequence, item in enumerate(content):
        line = item if isinstance(item, str) else encode(Frame("job-3", 0, sequence, item))
        scanner.feed(line + "\n")
    scanner.close()
    return scanner


@pytest.mark.parametrize("exit_code", [0, 1, 134, 137, 143])
def test_a_result_is_the_measurement_however_the_program_ended(exit_code):
    assert judge(exit_code, scanned(Progress(1, 2), RESULT, "Segmentation fault")) == MEASURED


@pytest.mark.parametrize("exit_code", [0, 1, 137])
def test_an_error_frame_says_why_better_than_the_exit_code(exit_code):
    assert judge(exit_code, scanned(OUT_OF_MEMORY, "bye")) == Infeasible("OutOfMemory", "CUDA out of memory")


def test_the_last_word_counts():
    assert judge(0, scanned(OUT_OF_MEMORY, RESULT)) == MEASURED
    assert judge(0, scanned(RESULT, OUT_OF_MEMORY)) == Infeasible("OutOfMemory", "CUDA out of memory")


@pytest.mark.parametrize("reason", ["Infrastructure", "PeerLost", "Preempted"])
def test_an_error_frame_can_blame_the_infrastructure(reason):
    assert judge(1, scanned(Error(reason, "GPU fell off the bus"))) == Lost(reason, "GPU fell off the bus")


@pytest.mark.parametrize(
    ("exit_code", "expected", "says"),
    [
        (0, "NoResult", "autoscout_profiler.Reporter"),
        (1, "NonZeroExit", "exited with code 1"),
        (255, "NonZeroExit", "exited with code 255"),
        (128, "NonZeroExit", "exited with code 128"),
        (137, "Killed", "out of memory"),
        (139, "Killed", "SIGSEGV"),
    ],
)
def test_without_a_frame_the_exit_code_decides_and_the_message_shows_the_last_output(exit_code, expected, says):
    outcome = judge(exit_code, scanned("loading", Progress(1, 2), "ValueError: no such tile"))
    assert isinstance(outcome, Infeasible)
    assert outcome.reason == expected
    assert says in outcome.message
    assert outcome.message.endswith("last output: loading\nValueError: no such tile")


def test_a_sigterm_that_we_did_not_send_says_nothing_of_the_configuration():
    outcome = judge(143, scanned())
    assert isinstance(outcome, Lost)
    assert outcome.reason == "Terminated"


def test_messages_are_short_and_keep_the_end_of_the_log():
    outcome = judge(1, scanned(*(f"line {number} " + "x" * 300 for number in range(100)), "the cause"))
    assert isinstance(outcome, Infeasible)
    assert len(outcome.message) <= 1020
    assert outcome.message.endswith("the cause")
    assert len(judge(1, scanned(Error("A", "x" * 9000))).message) <= 1000


def test_a_deadline_leaves_what_the_program_reported():
    assert deadline_exceeded(90, scanned(RESULT)) == MEASURED
    assert deadline_exceeded(90, scanned(OUT_OF_MEMORY)) == Infeasible("OutOfMemory", "CUDA out of memory")
    outcome = deadline_exceeded(90, scanned("step 1"))
    assert isinstance(outcome, Infeasible)
    assert outcome.reason == "DeadlineExceeded"
    assert "within 90 s" in outcome.message
    assert "profile.timeout" in outcome.message


def test_only_a_result_outweighs_that_the_attempt_was_stopped():
    assert measured(scanned(RESULT)) == MEASURED
    assert measured(scanned(OUT_OF_MEMORY)) is None
    assert measured(scanned(Progress(1, 2))) is None
    assert last_word(scanned("noise")) is None
