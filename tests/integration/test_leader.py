"""Two operators and one Lease: one works, the other takes over, and whoever lost it is gone before it does harm."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

import pytest
from tests.support.fixtures import SYSTEM, StartOperator
from tests.support.kubectl import PATIENCE_SECONDS, Kubectl, Object, runs
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import many_profiles

from autoscout.controller.leader import LEASE_SECONDS, RETRY_SECONDS

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

LEASE = "autoscout-operator"
PROFILES = 8
SLACK_SECONDS = 20.0
"""What a busy machine may need on top: to start kubectl, to wake a process."""


@pytest.fixture
def leases(admin: Kubectl, operator_kubeconfig: object) -> Kubectl:
    """kubectl where the Lease is, without one of a former test."""
    kubectl = admin.within(SYSTEM)
    kubectl.delete("lease", LEASE)
    return kubectl


@pytest.fixture
def replicas(start_operator: StartOperator, leases: Kubectl) -> tuple[OperatorProcess, OperatorProcess]:
    """The leader and the one that waits."""
    options = ("--lease-namespace", SYSTEM)
    leader = start_operator(*options)
    until_held(leases)
    return leader, start_operator(*options)


def holder(lease: Object) -> str:
    held: str = (lease.get("spec") or {}).get("holderIdentity") or ""
    return held


def until_held(leases: Kubectl, other_than: str = "") -> str:
    """Wait until somebody (else) holds the Lease."""
    leases.run("wait", "--for=create", f"lease/{LEASE}", "--timeout=60s")
    return holder(leases.until("lease", LEASE, lambda lease: holder(lease) not in ("", other_than), "held"))


def works(operator: OperatorProcess) -> bool:
    """Whether it looks at TuningJobs at all."""
    return bool(operator.metric("autoscout_relist_age_seconds"))


def requested(operator: OperatorProcess) -> set[str]:
    """What it has asked the API server for."""
    return set(re.findall(r'resource="(\w+)"', " ".join(operator.metric("autoscout_api_requests_total"))))


def measured_once(kubectl: Kubectl) -> None:
    """Every profile of the budget was started once, and its result kept."""
    trials, jobs, pods = kubectl.list("tuningtrials"), kubectl.list("jobs"), kubectl.list("pods")
    assert [[a["reason"] for a in trial["status"]["attempts"]] for trial in trials] == [["Measured"]] * PROFILES
    assert len({trial["spec"]["fingerprint"] for trial in trials}) == PROFILES
    assert len(jobs) == len(pods) == PROFILES
    assert not any(job["metadata"].get("finalizers") for job in jobs)
    assert kubectl.get("tuningjob", "tune")["status"]["progress"]["profiled"] == PROFILES


def test_one_works_and_the_other_takes_over_when_it_is_killed(
    kubectl: Kubectl,
    leases: Kubectl,
    replicas: tuple[OperatorProcess, OperatorProcess],
    figure: Callable[[str, object], None],
) -> None:
    leader, standby = replicas
    kubectl.apply(many_profiles(profiles=PROFILES, parallelism=2, nap=3))
    kubectl.until("tuningjob", "tune", runs, "running")
    assert works(leader)
    assert not works(standby)
    assert requested(standby) == {"leases"}

    former = holder(leases.get("lease", LEASE))
    leader.kill()
    killed = time.monotonic()
    until_held(leases, other_than=former)
    taken_over = time.monotonic() - killed
    figure("leader killed: the other one leads after", f"{taken_over:.1f} s (Lease of {LEASE_SECONDS} s)")
    assert taken_over <= LEASE_SECONDS + 2 * RETRY_SECONDS + SLACK_SECONDS
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert works(standby)
    measured_once(kubectl)


def test_a_leader_that_ends_in_good_order_hands_over_at_once(
    kubectl: Kubectl, leases: Kubectl, replicas: tuple[OperatorProcess, OperatorProcess]
) -> None:
    leader, standby = replicas
    former = holder(leases.get("lease", LEASE))
    assert leader.terminate() == 0, leader.tail()
    ended = time.monotonic()
    given_back = leases.get("lease", LEASE)
    assert holder(given_back) != former
    until_held(leases, other_than=former)
    assert time.monotonic() - ended <= RETRY_SECONDS + SLACK_SECONDS
    kubectl.apply(many_profiles(profiles=2))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert works(standby)


def test_a_leader_that_slept_past_its_lease_ends_and_nothing_is_measured_twice(
    kubectl: Kubectl, leases: Kubectl, replicas: tuple[OperatorProcess, OperatorProcess]
) -> None:
    leader, standby = replicas
    kubectl.apply(many_profiles(profiles=PROFILES, parallelism=2, nap=3))
    kubectl.until("tuningjob", "tune", runs, "running")
    former = holder(leases.get("lease", LEASE))
    leader.signal(signal.SIGSTOP)
    until_held(leases, other_than=former)
    # The new leader is at work, and the old one wakes up with all that it had in mind.
    kubectl.until("tuningjob", "tune", lambda job: job["status"]["progress"]["profiled"] >= PROFILES // 2, "half done")
    leader.signal(signal.SIGCONT)
    assert leader.wait(PATIENCE_SECONDS) == 1, leader.tail()
    assert "could not renew the lease in time; exiting" in leader.tail()
    assert standby.running
    assert holder(leases.get("lease", LEASE)) != former
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    measured_once(kubectl)
