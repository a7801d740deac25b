"""A profile as a pod runs it: the entry point of the image, its supervisor and its ranks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscout_profiler.frames import Error, Progress, Result
from autoscout_profiler.scanner import Scanner

CHECKOUT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT / "profiler-image"), "OMP_NUM_THREADS": "1"}
TRIAL = "t-1"


@dataclass(frozen=True)
class Profiled:
    """One profile's end.

    Attributes:
        code: the exit code of the supervisor.
        progress: all progress frames.
        last: the last word.
        log: standard output and standard error.
        seconds: from the start of the supervisor to its end.
        teardown: seconds of these behind the last word.
    """

    code: int
    progress: tuple[Progress, ...]
    last: Result | Error | None
    log: str
    seconds: float
    teardown: float


def profile(
    configuration: dict[str, Any],
    workload: dict[str, Any],
    *,
    gpus: int = 0,
    iterations: int = 4,
    warmup: int | None = None,
    stop_when: Callable[[Progress], bool] = lambda _: False,
) -> Profiled:
    """Measure one trial.

    Args:
        configuration: parameter to value.
        workload: `spec.workload`.
        gpus: of the one node.
        iterations: to be timed.
        warmup: iterations before them; None: as few as the profiler allows.
        stop_when: after which progress the profile is stopped early.
    """
    trial = {
        "trial": TRIAL,
        "attempt": 0,
        "configuration": configuration,
        "workload": workload,
        "hardware": {"gpu": None, "nodes": 1, "gpusPerNode": gpus},
        "warmupIterations": warmup,
        "iterations": iterations,
    }
    begin = said = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "autoscout_profiler", "megatron"],
        env=ENVIRONMENT | {"AUTOSCOUT_TRIAL": json.dumps(trial)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=CHECKOUT,
    )
    assert process.stdout is not None
    scanner, progress, log, stopped = Scanner(TRIAL, 0), [], b"", False
    for line in process.stdout:
        log += line
        for frame in scanner.feed(line):
            said = time.monotonic()
            if isinstance(frame.body, Progress):
                progress.append(frame.body)
                if not stopped and stop_when(frame.body):
                    process.send_signal(signal.SIGTERM)
                    stopped = True
    code = process.wait(timeout=300)
    end = time.monotonic()
    assert scanner.frames_ignored == 0
    last = scanner.last_word.body if scanner.last_word else None
    assert last is None or isinstance(last, Result | Error)
    return Profiled(code, tuple(progress), last, log.decode(), end - begin, end - said)
