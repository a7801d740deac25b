from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.layout import ClusterError
from tests.cluster.processes import Processes, start_time


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "run", tmp_path / "logs")
    yield made
    for name in made.names():
        made.stop(name, grace_seconds=0)


def says(processes: Processes, name: str, word: str) -> bool:
    return word in processes.log(name).read_text()


def test_a_process_is_found_again_by_another_harness_and_stopped(processes: Processes, tmp_path: Path):
    processes.spawn("sleeper", ["sleep", "600"])
    another = Processes(tmp_path / "run", tmp_path / "logs")
    assert another.pid("sleeper") is not None
    another.stop("sleeper")
    assert processes.pid("sleeper") is None
    assert processes.names() == []


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(processes: Processes):
    processes.spawn("stubborn", ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 600; done"])
    processes.wait_until("stubborn", lambda: says(processes, "stubborn", "deaf"), 10)
    processes.stop("stubborn", grace_seconds=0.2)
    assert processes.pid("stubborn") is None


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(processes: Processes, tmp_path: Path):
    own = os.getpid()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/reused.json").write_text(json.dumps({"pid": own, "started": start_time(own) - 1}))
    assert processes.pid("reused") is None
    processes.stop("reused")  # had it signalled, there would be no test any more


def test_a_record_cut_short_by_a_crash_counts_as_no_process(processes: Processes, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/cut.json").write_text('{"pid": 1')
    assert processes.pid("cut") is None
    processes.stop("cut")
    assert processes.names() == []


def test_the_dead_child_of_this_process_is_dead_although_it_is_not_buried(processes: Processes):
    pid = processes.spawn("victim", ["sleep", "600"])
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert processes.pid("victim") is None


def test_waiting_for_a_process_that_ends_fails_at_once_and_shows_its_last_words(processes: Processes):
    processes.spawn("failing", [sys.executable, "-c", "raise SystemExit('the port is taken')"])
    with pytest.raises(ClusterError, match="the port is taken"):
        processes.wait_until("failing", lambda: False, 60)


def test_waiting_too_long_names_the_process_and_the_time(processes: Processes):
    processes.spawn("slow", ["sleep", "600"])
    with pytest.raises(ClusterError, match=r"slow was not ready within 0 s; .*slow\.log"):
        processes.wait_until("slow", lambda: False, 0.1)
