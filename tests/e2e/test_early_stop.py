"""A profile that can no longer win is stopped, in a real pod, and what it measured is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import tuning_job

pytestmark = pytest.mark.cluster

LONG_SECONDS = 240
PROGRAM = f"""
import signal, sys, time
from autoscout_profiler import Reporter

reporter = Reporter()
seconds = {{"quick": 1.0, "slow": 10.0}}[reporter.configuration["pace"]]

def answer(*_):
    reporter.result({{"seconds": seconds}}, samples={{"seconds": [seconds] * 4}})
    sys.exit(0)

signal.signal(signal.SIGTERM, answer)
for iteration in range(4):
    reporter.progress(iteration, 100, seconds=seconds)
if seconds > 1:
    time.sleep({LONG_SECONDS})
reporter.result({{"seconds": seconds}})
"""


def test_a_slow_profile_is_stopped_long_before_its_end_and_counts_as_measured(
    kubectl: Kubectl, operator: OperatorProcess, figure: Callable[[str, object], None]
) -> None:
    job = tuning_job(profile={"command": ["python3", "-c", PROGRAM], "env": [], "timeout": f"{2 * LONG_SECONDS}s"})
    pace = {"name": "pace", "kind": "structural", "values": ["quick", "slow"], "default": "quick"}
    job["spec"]["searchSpace"] = {"parameters": [pace]}
    kubectl.apply(job)
    kubectl.wait("condition=Complete", "tuningjob", "tune", 2 * LONG_SECONDS)
    trials = {each["spec"]["configuration"]["pace"]: each["status"] for each in kubectl.list("tuningtrials")}
    assert [attempt["reason"] for attempt in trials["quick"]["attempts"]] == ["Measured"]
    [attempt] = trials["slow"]["attempts"]
    assert attempt["reason"] == "CannotWin"
    assert "stopped early" in attempt["message"]
    assert attempt["seconds"] < LONG_SECONDS / 2
    assert trials["slow"]["phase"] == "Measured"
    assert trials["slow"]["metrics"] == {"seconds": 10.0}
    assert trials["slow"]["samples"] == {"seconds": [10.0] * 4}
    assert kubectl.get("tuningjob", "tune")["status"]["best"]["configuration"] == {"pace": "quick"}
    figure(f"a profile of {LONG_SECONDS} s that can't win was stopped after", f"{attempt['seconds']:.0f} s")


def test_where_it_is_not_wanted_every_profile_finishes(kubectl: Kubectl, operator: OperatorProcess) -> None:
    program = PROGRAM.replace(f"time.sleep({LONG_SECONDS})", "time.sleep(20)")
    job = tuning_job(profile={"command": ["python3", "-c", program], "env": [], "stopEarly": False})
    pace = {"name": "pace", "kind": "structural", "values": ["quick", "slow"], "default": "quick"}
    job["spec"]["searchSpace"] = {"parameters": [pace]}
    kubectl.apply(job)
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    reasons = [attempt["reason"] for trial in kubectl.list("tuningtrials") for attempt in trial["status"]["attempts"]]
    assert reasons == ["Measured", "Measured"]
