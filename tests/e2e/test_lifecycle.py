"""Suspend, resume, change, delete, expire: what a user does to a TuningJob while it runs."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from tests.support.fixtures import StartOperator
from tests.support.kubectl import Kubectl, Object, runs
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import NAP_AS_TOLD, many_profiles, nap, tuning_job

pytestmark = pytest.mark.cluster


def test_suspending_frees_the_gpus_and_resuming_goes_on_with_the_same_trials(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    kubectl.apply(nap(3600), tuning_job(behaviours=("ok", "good"), profile=NAP_AS_TOLD))
    kubectl.until("tuningjob", "tune", runs, "running")
    kubectl.apply(nap(0))
    kubectl.patch("tuningjob", "tune", {"spec": {"suspend": True}})
    kubectl.wait("condition=Suspended", "tuningjob", "tune")
    kubectl.wait("jsonpath={.status.progress.inFlight}=0", "tuningjob", "tune")
    assert [pod for pod in kubectl.list("pods") if pod["status"]["phase"] == "Running"] == []
    (trial,) = kubectl.list("tuningtrials")
    assert trial["status"]["phase"] == "Pending"
    assert [attempt["counts"] for attempt in trial["status"]["attempts"]] == [False]

    kubectl.patch("tuningjob", "tune", {"spec": {"suspend": False}})
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    first, second = sorted(kubectl.list("tuningtrials"), key=lambda item: item["spec"]["number"])
    assert [attempt["reason"] for attempt in first["status"]["attempts"]] == ["Cancelled", "Measured"]
    assert [attempt["reason"] for attempt in second["status"]["attempts"]] == ["Measured"]
    assert first["metadata"]["uid"] == trial["metadata"]["uid"]


def test_budget_and_parallelism_take_effect_during_the_run_and_after_it(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    kubectl.apply(many_profiles(profiles=2, parallelism=1))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    more = {"spec": {"budget": {"maxProfiles": 5, "parallelism": 3}}}
    seen: list[int] = []

    def three_at_once(job: Object) -> bool:
        if not seen:  # the watch stands, and from here on misses nothing
            kubectl.patch("tuningjob", "tune", more)
        seen.append(job["status"]["progress"]["inFlight"])
        return seen[-1] == 3

    kubectl.until("tuningjob", "tune", three_at_once, "measuring three at once")
    kubectl.wait("jsonpath={.status.progress.profiled}=5", "tuningjob", "tune")
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert len(kubectl.list("tuningtrials")) == 5


def test_a_used_up_wall_time_stops_what_runs_and_completes_with_what_was_found(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    kubectl.apply(tuning_job(behaviours=("ok", "hang")))
    hanging = kubectl.until(
        "tuningjob", "tune", lambda job: runs(job) and job["status"]["running"][0]["trial"] == 1, "in its second trial"
    )
    used = time.time() - datetime.fromisoformat(hanging["status"]["startTime"]).timestamp()
    kubectl.patch("tuningjob", "tune", {"spec": {"budget": {"maxDuration": f"{used + 5:.0f}s"}}})
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    status = kubectl.get("tuningjob", "tune")["status"]
    assert status["best"]["configuration"] == {"behaviour": "ok"}
    hung = next(t for t in kubectl.list("tuningtrials") if t["spec"]["number"] == 1)
    assert (hung["status"]["phase"], hung["status"]["reason"]) == ("Lost", "MaxDuration")


def test_deleting_a_running_job_removes_everything(kubectl: Kubectl, operator: OperatorProcess) -> None:
    kubectl.apply(tuning_job(behaviours=("hang",)))
    kubectl.until("tuningjob", "tune", runs, "running")
    (pod,) = kubectl.list("pods")
    kubectl.delete("tuningjob", "tune")
    kubectl.wait("delete", "pod", pod["metadata"]["name"])
    for resource in ("jobs", "tuningtrials"):
        kubectl.run("wait", resource, "--all", "--for=delete", "--timeout=120s")
        assert kubectl.list(resource) == []


def test_a_job_deleted_while_the_operator_is_down_is_cleaned_up_when_it_is_back(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    operator = start_operator()
    kubectl.apply(tuning_job(behaviours=("hang",)))
    kubectl.until("tuningjob", "tune", runs, "running")
    (job,), (pod,) = kubectl.list("jobs"), kubectl.list("pods")
    operator.kill()
    kubectl.delete("tuningjob", "tune")
    start_operator()
    kubectl.wait("delete", "job", job["metadata"]["name"])
    kubectl.wait("delete", "pod", pod["metadata"]["name"])
    kubectl.run("wait", "tuningtrials", "--all", "--for=delete", "--timeout=120s")
    assert kubectl.list("tuningtrials") == []


def test_a_job_made_again_under_the_same_name_starts_afresh(kubectl: Kubectl, operator: OperatorProcess) -> None:
    kubectl.apply(tuning_job(behaviours=("hang",)))
    kubectl.until("tuningjob", "tune", runs, "running")
    former = kubectl.get("tuningjob", "tune")["metadata"]["uid"]
    kubectl.delete("tuningjob", "tune", wait=False)
    kubectl.wait("delete", "tuningjob", "tune")
    kubectl.apply(tuning_job(behaviours=("good",)))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    (trial,) = kubectl.list("tuningtrials")
    assert trial["spec"]["configuration"] == {"behaviour": "good"}
    assert trial["metadata"]["ownerReferences"][0]["uid"] != former


def test_a_finished_job_is_deleted_after_its_time_to_live(kubectl: Kubectl, operator: OperatorProcess) -> None:
    kubectl.apply(tuning_job(behaviours=("good",), ttlSecondsAfterFinished=3))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    kubectl.wait("delete", "tuningjob", "tune")


def test_an_invalid_job_says_why_and_does_not_hold_up_the_others(kubectl: Kubectl, operator: OperatorProcess) -> None:
    odd = tuning_job("odd")
    odd["spec"]["searchSpace"]["constraints"] = ["behaviour == 'ok' && nonsense > 3"]
    kubectl.apply(odd, tuning_job("fine"))
    kubectl.wait("jsonpath={.status.phase}=Invalid", "tuningjob", "odd")
    validated = next(c for c in kubectl.get("tuningjob", "odd")["status"]["conditions"] if c["type"] == "Validated")
    assert validated["status"] == "False"
    assert "spec.searchSpace.constraints[0]" in validated["message"]
    assert "nonsense" in validated["message"]
    kubectl.wait("condition=Complete", "tuningjob", "fine")


def test_the_operator_ends_in_good_order_on_sigterm(kubectl: Kubectl, operator: OperatorProcess) -> None:
    kubectl.apply(tuning_job(behaviours=("good",)))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert operator.terminate() == 0, operator.tail()
