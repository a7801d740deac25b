"""The API server goes away in the middle of a run: the operator waits for it, and no finished profile is lost."""

from __future__ import annotations

import time

import pytest
from tests.cluster import Cluster
from tests.support.kubectl import Kubectl, runs
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import many_profiles

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PROFILES = 8
OUTAGE_SECONDS = 12.0
"""Longer than a measurement: those in flight end while nobody can be told."""


@pytest.fixture
def own_cluster(cluster: Cluster) -> Cluster:
    """A cluster whose API server may be stopped: nobody else's."""
    if cluster.external:
        pytest.skip("the cluster is external (AUTOSCOUT_TEST_KUBECONFIG): its API server is not ours to stop")
    return cluster


@pytest.mark.parametrize("seconds", [0.0, OUTAGE_SECONDS], ids=["restart", "outage"])
def test_an_outage_of_the_api_server_loses_nothing_and_repeats_nothing(
    own_cluster: Cluster, kubectl: Kubectl, operator: OperatorProcess, seconds: float
) -> None:
    kubectl.apply(many_profiles(profiles=PROFILES, parallelism=2, nap=4))
    kubectl.until("tuningjob", "tune", runs, "running")
    own_cluster.stop_apiserver()
    try:
        time.sleep(seconds)  # the outage itself is what is tested
        assert operator.running, operator.tail()
        assert operator.http("/healthz") == "ok\n"
    finally:
        own_cluster.start_apiserver()
    kubectl.wait("condition=Complete", "tuningjob", "tune", 600)

    trials, jobs, pods = kubectl.list("tuningtrials"), kubectl.list("jobs"), kubectl.list("pods")
    assert sorted(trial["spec"]["number"] for trial in trials) == list(range(PROFILES))
    assert len({trial["spec"]["fingerprint"] for trial in trials}) == PROFILES
    assert [[a["reason"] for a in trial["status"]["attempts"]] for trial in trials] == [["Measured"]] * PROFILES
    assert len(jobs) == len(pods) == PROFILES, "each profile was started exactly once"
    assert not any(job["metadata"].get("finalizers") for job in jobs)
    assert operator.running, "it never had to be restarted"
