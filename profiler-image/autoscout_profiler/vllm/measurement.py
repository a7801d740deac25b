"""The passes of one trial: warm up, measure, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from autoscout_profiler.reporter import Reporter
from autoscout_profiler.spread import LEAST_SAMPLES, uncertainty
from autoscout_profiler.vllm import timeline
from autoscout_profiler.vllm.engine import Started
from autoscout_profiler.vllm.memory import tree_peak_bytes
from autoscout_profiler.vllm.settings import Settings
from autoscout_profiler.vllm.timeline import Pass

SECONDS_BETWEEN_HEARTBEATS = 20.0
"""Well within the supervisor's patience."""

_GIB = 2**30


class Measurement:
    """Passes of an engine that is ready."""

    def __init__(self, reporter: Reporter, settings: Settings, started: Started, startup_seconds: float) -> None:
        """Nothing runs yet.

        Args:
            reporter: takes progress and result.
            settings: how many passes.
            started: the engine and its requests.
            startup_seconds: what it took until now.
        """
        self._reporter = reporter
        self._settings = settings
        self._started = started
        self._passes: list[dict[str, float]] = []
        self._once = {"startup_seconds": startup_seconds}

    def run(self) -> None:
        """Warm up, measure, report."""
        warmup, passes = self._settings.warmup_passes, self._settings.passes
        begin = time.perf_counter()
        self._reporter.progress(0, warmup + passes)
        for done in range(1, warmup + 1):
            self._pass(done)
            self._reporter.progress(done, warmup + passes)
        self._once["warmup_seconds"] = time.perf_counter() - begin
        for done in range(warmup + 1, warmup + passes + 1):
            self._passes.append(timeline.metrics_of(self._pass(done)))
            self._reporter.progress(done, warmup + passes, **self._metrics()[0])
        self._report()

    def report_early(self) -> None:
        """Report what is known, if it is enough. It may be called from another thread than `run`."""
        if len(self._passes) >= LEAST_SAMPLES:
            self._report()

    def _pass(self, number: int) -> Pass:
        engine = self._started.engine
        engine.forget()
        one = engine.run(self._started.requests, self._heartbeat(number - 1))
        peak = engine.gpu_peak_bytes() if self._settings.gpus else tree_peak_bytes(os.getpid())
        self._once["peak_memory_gib"] = peak / _GIB
        return one

    def _heartbeat(self, done: int) -> Callable[[], None]:
        """Says now and then, in a pass that takes long, that it goes on."""
        told = time.monotonic()

        def alive() -> None:
            nonlocal told
            if (now := time.monotonic()) - told >= SECONDS_BETWEEN_HEARTBEATS:
                told = now
                self._reporter.progress(done, self._settings.warmup_passes + self._settings.passes)

        return alive

    def _metrics(self) -> tuple[dict[str, float], dict[str, list[float]]]:
        metrics, samples = timeline.summary(list(self._passes))  # which another thread may be adding to
        metric = "milliseconds_per_token"
        return metrics | uncertainty(metric, samples.get(metric, ())) | self._once, samples

    def _report(self) -> None:
        metrics, samples = self._metrics()
        self._reporter.result(metrics, samples=samples, versions=self._started.versions, gpu=self._started.gpu)
