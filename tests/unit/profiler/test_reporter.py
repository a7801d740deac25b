from __future__ import annotations

import io
import json
import math
import os
import signal

import pytest

from autoscout_profiler import Reporter, measure
from autoscout_profiler.frames import TERMINATION_LIMIT, Error, FrameError, Progress, Result
from autoscout_profiler.scanner import Scanner

TRIAL = {
    "trial": "job-3",
    "attempt": 1,
    "configuration": {"tile": 64},
    "workload": {"framework": "custom"},
    "warmupIterations": 2,
    "iterations": None,
}


class Desk:
    """A reporter, and what it wrote."""

    def __init__(self, tmp_path) -> None:
        self.stream = io.StringIO()
        self.termination = tmp_path / "termination"
        self.environment = {
            "AUTOSCOUT_TRIAL": json.dumps(TRIAL),
            "AUTOSCOUT_TERMINATION_PATH": str(self.termination),
        }
        self.reporter = Reporter(self.environment, self.stream)

    def frames(self):
        scanner = Scanner("job-3", 1)
        frames = scanner.feed(self.stream.getvalue())
        assert scanner.frames_ignored == 0
        return frames

    def terminal_frames(self):
        scanner = Scanner("job-3", 1)
        return scanner.read_termination_message(self.termination.read_bytes())


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def test_it_knows_what_is_to_be_measured(desk: Desk):
    assert desk.reporter.configuration == {"tile": 64}
    assert desk.reporter.workload == {"framework": "custom"}
    assert desk.reporter.warmup_iterations == 2
    assert desk.reporter.iterations is None


def test_frames_are_numbered_lines_and_the_last_word_is_in_the_termination_message_too(desk: Desk):
    desk.reporter.progress(1, 2, seconds=0.5)
    assert not desk.termination.exists()
    desk.reporter.result({"seconds": 0.4}, samples={"seconds": [0.4, 0.5]}, versions={"bench": "1"}, gpu="A100")
    first, second = desk.frames()
    assert (first.sequence, first.body) == (0, Progress(1, 2, {"seconds": 0.5}))
    assert second.sequence == 1
    assert isinstance(second.body, Result)
    assert second.body.samples == {"seconds": (0.4, 0.5)}
    assert second.body.gpu == "A100"
    assert second.body.versions.keys() == {"python", "bench"}
    assert desk.terminal_frames() == [second]


def test_many_samples_are_in_the_log_and_left_out_of_the_termination_message(desk: Desk):
    desk.reporter.result({"seconds": 0.5}, samples={"seconds": [0.5] * 5000})
    (frame,) = desk.frames()
    assert len(frame.body.samples["seconds"]) == 5000
    assert desk.termination.stat().st_size <= TERMINATION_LIMIT
    (short,) = desk.terminal_frames()
    assert short.body.samples_omitted
    assert short.body.metrics == {"seconds": 0.5}


def test_a_result_too_long_for_a_line_goes_without_its_samples(desk: Desk):
    desk.reporter.result({"seconds": 0.5}, samples={"seconds": [0.123456789] * 200_000})
    (frame,) = desk.frames()
    assert frame.body.samples_omitted


def test_more_metrics_than_a_termination_message_holds_are_in_the_log_alone(desk: Desk, capsys):
    desk.reporter.result({f"metric{number}": 1.0 for number in range(500)})
    (frame,) = desk.frames()
    assert len(frame.body.metrics) == 500
    assert not desk.termination.exists()
    assert "report fewer metrics" in capsys.readouterr().err


def test_a_termination_message_that_can_not_be_written_is_no_failure(desk: Desk, capsys, tmp_path):
    reporter = Reporter(desk.environment | {"AUTOSCOUT_TERMINATION_PATH": str(tmp_path / "no" / "where")}, desk.stream)
    reporter.result({"seconds": 1.0})
    assert len(desk.frames()) == 1
    assert "no termination message" in capsys.readouterr().err


def test_a_number_that_is_not_finite_is_refused_and_nothing_is_written(desk: Desk):
    with pytest.raises(FrameError, match=r"metrics\.seconds"):
        desk.reporter.result({"seconds": math.nan})
    assert desk.stream.getvalue() == ""
    desk.reporter.result({"seconds": 1.0})
    assert desk.frames()[0].sequence == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("tile too large"), "Exception"),
        (MemoryError(), "OutOfMemory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), "OutOfMemory"),
    ],
)
def test_an_exception_becomes_an_error_frame_and_goes_on(desk: Desk, error, reason):
    with pytest.raises(type(error)), desk.reporter:
        raise error
    (frame,) = desk.frames()
    assert frame.body == Error(reason, f"{type(error).__name__}: {error}")


def test_an_exception_after_the_result_does_not_undo_it(desk: Desk):
    desk.reporter.result({"seconds": 1.0})
    with pytest.raises(ValueError, match="teardown"), desk.reporter:
        raise ValueError("teardown")
    assert [type(frame.body) for frame in desk.frames()] == [Result]


def test_by_hand_without_the_environment_it_reports_a_manual_trial():
    stream = io.StringIO()
    reporter = Reporter({"AUTOSCOUT_TERMINATION_PATH": ""}, stream)
    reporter.progress(1, 2)
    assert reporter.configuration == {}
    assert Scanner("manual", 0).feed(stream.getvalue())[0].body == Progress(1, 2)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"trial": "a", "attempt": "x"}'])
def test_an_environment_that_autoscout_did_not_make_is_refused_by_name(text):
    with pytest.raises(ValueError, match="AUTOSCOUT_TRIAL"):
        Reporter({"AUTOSCOUT_TRIAL": text})


def test_measure_times_every_iteration_but_the_warm_up():
    calls, seen = [], []
    samples = measure(
        lambda: calls.append(None),
        warmup=2,
        iterations=3,
        observer=lambda done, total, samples: seen.append((done, total, len(samples))),
    )
    assert len(calls) == 5
    assert len(samples) == 3
    assert all(0 <= sample < 60 for sample in samples)
    assert seen == [(0, 5, 0), (1, 5, 0), (2, 5, 0), (3, 5, 1), (4, 5, 2), (5, 5, 3)]
    with pytest.raises(ValueError, match="iterations"):
        measure(lambda: None, warmup=0, iterations=0)


def test_a_measurement_shows_its_progress_but_not_at_every_iteration(desk: Desk):
    samples = desk.reporter.measure(lambda: None, warmup=1, iterations=2000)
    assert len(samples) == 2000
    frames = desk.frames()
    assert frames[0].body == Progress(0, 2001)
    assert len(frames) < 50


def test_a_measurement_that_is_asked_to_end_returns_what_it_has(desk: Desk):
    calls = []

    def step() -> None:
        calls.append(None)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    samples = desk.reporter.measure(step, warmup=1, iterations=100)
    assert len(samples) == 4
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "afterwards the signal is the program's again"


def test_one_that_has_too_little_ends_at_once_as_any_program_does(desk: Desk):
    with pytest.raises(SystemExit) as ended:
        desk.reporter.measure(lambda: os.kill(os.getpid(), signal.SIGTERM), warmup=1, iterations=100)
    assert ended.value.code == 143


def test_a_program_that_handles_the_signal_itself_goes_on_doing_so(desk: Desk):
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        samples = desk.reporter.measure(lambda: os.kill(os.getpid(), signal.SIGTERM), warmup=0, iterations=5)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (len(samples), len(heard)) == (5, 5)
