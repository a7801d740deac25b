from __future__ import annotations

import io
import json

import pytest

from autoscout_profiler.frames import Progress, Result
from autoscout_profiler.reporter import Reporter
from autoscout_profiler.runner.launch import Hardware
from autoscout_profiler.scanner import Scanner
from autoscout_profiler.vllm.engine import Started
from autoscout_profiler.vllm.measurement import Measurement
from autoscout_profiler.vllm.requests import Request
from autoscout_profiler.vllm.settings import Settings
from autoscout_profiler.vllm.timeline import Completed, Pass


class FakeEngine:
    """Answers one request of four tokens in the seconds that a test lists, pass by pass."""

    def __init__(self, seconds) -> None:
        self.seconds = list(seconds)
        self.calls: list[str] = []

    def run(self, requests, alive) -> Pass:
        assert [request.output_tokens for request in requests] == [4]
        self.calls.append("run")
        alive()
        seconds = self.seconds.pop(0)
        if isinstance(seconds, Exception):
            raise seconds
        return Pass(seconds, (Completed(2, 4, seconds / 4, 3 * seconds / 4),), (seconds / 4,) * 3)

    def forget(self) -> None:
        self.calls.append("forget")

    def gpu_peak_bytes(self) -> int:
        return 3 * 2**30

    def close(self) -> None:
        self.calls.append("close")


class Desk:
    """A measurement of a fake engine, and the frames that it sends."""

    def __init__(self, seconds, *, passes=3, warmup=1, gpus=0) -> None:
        self.engine = FakeEngine(seconds)
        self.stream = io.StringIO()
        reporter = Reporter({"AUTOSCOUT_TRIAL": json.dumps({"trial": "job-1", "attempt": 0})}, self.stream)
        settings = Settings.read({}, {}, Hardware("H100" if gpus else None, 1, gpus), warmup, passes)
        started = Started(self.engine, [Request((1, 2), 4)], {"vllm": "0"}, "H100" if gpus else "")
        self.measurement = Measurement(reporter, settings, started, startup_seconds=12.5)

    def bodies(self):
        return [frame.body for frame in Scanner("job-1", 0).feed(self.stream.getvalue())]


def test_the_result_is_the_median_of_the_passes_behind_the_warm_up():
    desk = Desk([9.0, 0.4, 0.8, 0.6])
    desk.measurement.run()
    result = desk.bodies()[-1]
    assert isinstance(result, Result)
    assert result.metrics["milliseconds_per_token"] == pytest.approx(150)
    assert result.samples["milliseconds_per_token"] == pytest.approx((100, 200, 150))
    assert result.metrics["startup_seconds"] == 12.5
    assert result.metrics["warmup_seconds"] >= 0
    assert result.versions["vllm"] == "0"


def test_there_is_a_frame_when_it_begins_and_after_every_pass_with_what_is_known():
    desk = Desk([9.0, 0.4, 0.8, 0.6])
    desk.measurement.run()
    progress = [body for body in desk.bodies() if isinstance(body, Progress)]
    assert [(body.iteration, body.iterations) for body in progress] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert [body.metrics.get("milliseconds_per_token") for body in progress] == [
        None,
        None,
        *(pytest.approx(each) for each in (100, 150, 150)),
    ]


def test_a_long_pass_says_that_it_goes_on_but_not_at_every_token(monkeypatch):
    monkeypatch.setattr("autoscout_profiler.vllm.measurement.SECONDS_BETWEEN_HEARTBEATS", 0.0)
    desk = Desk([9.0, 0.4], passes=1)
    desk.measurement.run()
    progress = [(body.iteration, bool(body.metrics)) for body in desk.bodies() if isinstance(body, Progress)]
    # A repeated figure would look like another measurement: there is none in these.
    assert progress == [(0, False), (0, False), (1, False), (1, False), (2, True)]


def test_each_pass_computes_every_prompt_again():
    desk = Desk([1.0, 1.0], passes=1)
    desk.measurement.run()
    assert desk.engine.calls == ["forget", "run"] * 2


def test_memory_is_that_of_the_gpus_or_of_the_processes():
    on_gpu, on_cpu = Desk([1.0], passes=1, warmup=0, gpus=1), Desk([1.0], passes=1, warmup=0)
    for desk in (on_gpu, on_cpu):
        desk.measurement.run()
    assert on_gpu.bodies()[-1].metrics["peak_memory_gib"] == 3
    assert on_gpu.bodies()[-1].gpu == "H100"
    assert 0 < on_cpu.bodies()[-1].metrics["peak_memory_gib"] < 3


@pytest.mark.parametrize(("done", "reported"), [(2, False), (3, True)])
def test_an_early_stop_reports_three_passes_and_more(done, reported):
    desk = Desk([1.0, *[0.4] * done, RuntimeError("stopped here")], passes=5)
    with pytest.raises(RuntimeError, match="stopped here"):
        desk.measurement.run()
    desk.measurement.report_early()
    results = [body for body in desk.bodies() if isinstance(body, Result)]
    assert [len(result.samples["milliseconds_per_token"]) for result in results] == ([3] if reported else [])
