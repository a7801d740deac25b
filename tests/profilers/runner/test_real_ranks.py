"""The supervisor over ranks of the real Megatron: on two nodes, dying and hanging in the middle of a collective."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import reserved_port

from autoscout_profiler.frames import Error, Result
from autoscout_profiler.scanner import Scanner

PACKAGE = Path(__file__).parents[3] / "profiler-image"
SECONDS = 600
"""Longest time for what is left of a profile, on a busy machine."""
TRIAL = {
    "configuration": {"tp": 2},
    "workload": {
        "task": "training",
        "model": {
            "architecture": {"layers": 2, "hiddenSize": 64, "ffnHiddenSize": 128, "attentionHeads": 2, "vocabSize": 128}
        },
        "globalBatchSize": 2,
        "sequenceLength": 32,
        "precision": "fp32",
    },
    "trial": "manual",
    "attempt": 0,
}


class Running:
    """A profile that measures."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._scanner = Scanner("manual", 0)

    def await_iterations(self, count: int) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._scanner.feed(line)
            if self._scanner.progress is not None and self._scanner.progress.body.iteration >= count:
                return
        raise AssertionError("it ended before it measured")

    def rank(self, number: int) -> int:
        """Process id of a rank, as the kernel shows its environment."""
        for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
            if f"\0LOCAL_RANK={number}\0".encode() in Path(f"/proc/{child}/environ").read_bytes():
                return int(child)
        raise AssertionError(f"rank {number} does not run")

    def last_word(self) -> Result | Error | None:
        """What it reported in the end."""
        output, _ = self._process.communicate(timeout=SECONDS)
        self._scanner.feed(output)
        frame = self._scanner.last_word
        assert self._process.returncode == (1 if frame is not None and isinstance(frame.body, Error) else 0)
        return frame and frame.body

    def error(self) -> Error:
        body = self.last_word()
        assert isinstance(body, Error)
        return body


@contextmanager
def profile(iterations: int = 100_000, **variables: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "autoscout_profiler", "megatron"],
        bufsize=0,  # what `await_iterations` has not read is left to `last_word`
        env={
            **os.environ,
            "PYTHONPATH": str(PACKAGE),
            "AUTOSCOUT_TRIAL": json.dumps({**TRIAL, "iterations": iterations}),
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def test_a_rank_that_is_killed_is_the_cause_and_not_the_one_that_misses_it():
    with profile() as running:
        running.await_iterations(8)
        os.kill(running.rank(1), signal.SIGKILL)
        error = running.error()
    assert error.reason == "Killed"
    assert error.message.startswith("rank 1: killed by SIGKILL")
    assert "; rank 0: " in error.message


def test_a_rank_that_stands_still_is_a_hang_that_says_where_the_other_one_waits():
    with profile(PROFILER_HANG_SECONDS="15") as running:
        running.await_iterations(8)
        os.kill(running.rank(1), signal.SIGSTOP)
        error = running.error()
    assert error.reason == "Hang"
    assert error.message.startswith("no progress for 15 s (PROFILER_HANG_SECONDS); rank 0 was in ")
    assert "distributed_c10d.py" in error.message


@contextmanager
def two_nodes(iterations: int = 100_000) -> Iterator[tuple[Running, Running]]:
    """Two supervisors with a rank each, as in two pods."""
    with reserved_port() as port:
        common = {"AUTOSCOUT_NODES": "2", "AUTOSCOUT_MASTER_ADDR": "127.0.0.1", "AUTOSCOUT_MASTER_PORT": str(port)}
        with (
            profile(iterations, JOB_COMPLETION_INDEX="0", **common) as first,
            profile(iterations, JOB_COMPLETION_INDEX="1", **common) as second,
        ):
            yield first, second


def test_two_nodes_measure_together_and_the_first_one_reports():
    with two_nodes(iterations=4) as (first, second):
        result = first.last_word()
        assert isinstance(result, Result)
        assert len(result.samples["seconds_per_iteration"]) == 4
        assert second.last_word() is None


def test_the_node_that_knows_the_cause_tells_it_and_the_other_one_that_it_lost_its_peer():
    with two_nodes() as (first, second):
        first.await_iterations(8)
        os.kill(second.rank(0), signal.SIGKILL)
        assert second.error().message.startswith("rank 1: killed by SIGKILL")
        assert first.error().reason == "PeerLost"
