"""A model that starts in seconds, and profiles of it as the operator starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.support.ports import reserved_port

from autoscout_profiler.frames import Frame, Progress, Result
from autoscout_profiler.scanner import Scanner

ARCHITECTURE = {
    "layers": 4,
    "hiddenSize": 256,
    "ffnHiddenSize": 768,
    "attentionHeads": 4,
    "queryGroups": 2,
    "headDimension": 64,
    "vocabSize": 1000,
}
SECONDS = 900.0
"""Longest time for a profile, on a busy machine: one that goes on is stopped."""
EXPERTS = {"experts": 4, "expertsPerToken": 2, "expertFfnHiddenSize": 256}


@dataclass(frozen=True)
class Profile:
    """What one run of the entry point left.

    Attributes:
        code: its exit code.
        frames: of its standard output.
        seconds: from its start to its end.
        log: its standard error.
    """

    code: int
    frames: list[Frame]
    seconds: float
    log: str

    @property
    def last(self) -> Any:
        return self.frames[-1].body

    @property
    def result(self) -> Result:
        assert isinstance(self.last, Result), f"{self.last}\n{self.log[-4000:]}"
        return self.last

    @property
    def progress(self) -> list[Progress]:
        return [frame.body for frame in self.frames if isinstance(frame.body, Progress)]


def workload(**changes: Any) -> dict[str, Any]:
    """16 prompts of 256 tokens, 32 tokens answered to each."""
    return {
        "framework": "vllm",
        "task": "inference",
        "inputTokens": 256,
        "outputTokens": 32,
        "precision": "bf16",
        "model": {"name": "tiny-llama", "architecture": ARCHITECTURE},
        "load": {"requests": 16},
    } | changes


def profile(
    configuration: dict[str, Any],
    *,
    iterations: int = 5,
    stop_when: Callable[[Progress], bool] | None = None,
    nodes: int = 1,
    environment: Mapping[str, str] = MappingProxyType({}),
    **changes: Any,
) -> Profile:
    """Run `python -m autoscout_profiler vllm` once.

    Args:
        configuration: of the trial.
        iterations: passes that count.
        stop_when: SIGTERM is sent at the first progress frame for which it holds.
        nodes: of the trial.
        environment: variables besides those of this process.
        changes: of the workload.
    """
    trial = {
        "trial": "tiny-1",
        "attempt": 0,
        "configuration": configuration,
        "workload": workload(**changes),
        "hardware": {"gpu": None, "nodes": nodes, "gpusPerNode": 0},
        "warmupIterations": 1,
        "iterations": iterations,
    }
    variables = {"AUTOSCOUT_TRIAL": json.dumps(trial), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    begin = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "autoscout_profiler", "vllm"],
        env={**os.environ, **variables, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        scanner, frames, log = Scanner("tiny-1", 0), [], []
        patience = threading.Timer(SECONDS, process.terminate)
        patience.start()
        for line in process.stdout:
            log.append(line)
            for frame in scanner.feed(line):
                frames.append(frame)
                if stop_when is not None and isinstance(frame.body, Progress) and stop_when(frame.body):
                    stop_when = None
                    process.send_signal(signal.SIGTERM)
        patience.cancel()
    return Profile(process.returncode, frames, time.monotonic() - begin, "".join(log))


def profile_on_nodes(nodes: int, configuration: dict[str, Any], **options: Any) -> list[Profile]:
    """As `profile`, by one supervisor for each node, all on this machine; node 0 first."""

    def run(node: int) -> Profile:
        place = {
            "AUTOSCOUT_NODES": str(nodes),
            "JOB_COMPLETION_INDEX": str(node),
            "AUTOSCOUT_MASTER_ADDR": "127.0.0.1",
            "AUTOSCOUT_MASTER_PORT": str(port),
            "VLLM_HOST_IP": "127.0.0.1",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        return profile(configuration, nodes=nodes, environment=place, **options)

    with reserved_port() as port, ThreadPoolExecutor(nodes) as pool:
        return list(pool.map(run, range(nodes)))
