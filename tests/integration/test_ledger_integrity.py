"""Somebody forges, deletes, takes names, overwrites: the ledger stays, and the user learns the way out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.fixtures import StartOperator
from tests.support.kubectl import Kubectl, Object, runs
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import NAP_AS_TOLD, many_profiles, nap, tuning_job

from autoscout.api.names import API_VERSION, attempt_name, trial_labels

pytestmark = pytest.mark.cluster

FOR_EVER = 3600
"""Seconds: whatever the test does while a pod runs, it has not ended meanwhile."""
NOBODYS_JOB: Object = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {
        "suspend": True,
        "template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "autoscout.local/none:1"}]}
        },
    },
}


def condition(job: Object, kind: str) -> dict[str, Any]:
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def forged_trial(kubectl: Kubectl, job: Object, name: str, number: int) -> Object:
    """A TuningTrial with all labels of the TuningJob, a marvellous result, and another owner."""
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}})
    owner = kubectl.get("configmap", "owner")["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": "TuningTrial",
        "metadata": {
            "name": name,
            "labels": trial_labels(job["metadata"]["name"], job["metadata"]["uid"], number),
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"], "controller": True}
            ],
        },
        "spec": {"number": number, "configuration": {"behaviour": "ok"}, "fingerprint": "0" * 16, "proposer": "me"},
    }


def put_status(kubectl: Kubectl, resource: str, name: str, status: object) -> None:
    kubectl.run("patch", resource, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def suspended(kubectl: Kubectl, document: Object) -> Object:
    """A TuningJob that is there, but does not begin yet: its UID is needed first."""
    kubectl.apply({**document, "spec": {**document["spec"], "suspend": True}})
    return kubectl.get("tuningjob", document["metadata"]["name"])


def test_a_trial_with_our_labels_but_another_owner_is_ignored(kubectl: Kubectl, start_operator: StartOperator) -> None:
    job = suspended(kubectl, tuning_job())
    kubectl.apply(forged_trial(kubectl, job, "forged", 1))
    put_status(kubectl, "tuningtrial", "forged", {"phase": "Measured", "position": 0, "metrics": {"seconds": 1e-9}})
    forged = kubectl.get("tuningtrial", "forged")
    start_operator()
    kubectl.patch("tuningjob", "tune", {"spec": {"suspend": False}})
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    status = kubectl.get("tuningjob", "tune")["status"]
    assert status["best"]["metrics"] == {"seconds": 1.0}
    assert status["progress"]["profiled"] == 2
    assert kubectl.get("tuningtrial", "forged") == forged


def test_a_taken_name_of_a_trial_is_reported_and_the_search_goes_on_when_it_is_free(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    job = suspended(kubectl, tuning_job())
    kubectl.apply(forged_trial(kubectl, job, "tune-1", 1))
    start_operator()
    kubectl.patch("tuningjob", "tune", {"spec": {"suspend": False}})
    shown = kubectl.until(
        "tuningjob", "tune", lambda job: condition(job, "Searching").get("reason") == "NameTaken", "NameTaken"
    )
    assert "TuningTrial tune-1" in condition(shown, "Searching")["message"]
    assert "delete it" in condition(shown, "Searching")["message"]
    kubectl.delete("tuningtrial", "tune-1")
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert kubectl.get("tuningjob", "tune")["status"]["progress"]["profiled"] == 2


def test_a_job_of_our_name_made_by_somebody_else_is_reported_and_never_touched(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    job = suspended(kubectl, tuning_job())
    name = attempt_name("tune", job["metadata"]["uid"], 0, 0)
    kubectl.apply({**NOBODYS_JOB, "metadata": {"name": name}})
    kubectl.wait("condition=Suspended", "job", name)
    theirs = kubectl.get("job", name)
    start_operator()
    kubectl.patch("tuningjob", "tune", {"spec": {"suspend": False}})
    shown = kubectl.until(
        "tuningjob", "tune", lambda job: condition(job, "Searching").get("reason") == "NameTaken", "NameTaken"
    )
    assert f"kubectl delete job {name}" in condition(shown, "Searching")["message"]
    assert shown["status"]["message"] == condition(shown, "Searching")["message"]
    assert kubectl.get("job", name) == theirs, "never touched"
    kubectl.delete("job", name)
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert kubectl.get("tuningjob", "tune")["status"]["progress"]["profiled"] == 2


def test_deleting_the_trial_of_a_running_profile_stops_it_and_the_search_goes_on(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    job = many_profiles(profiles=4, parallelism=1)
    job["spec"]["profile"] |= NAP_AS_TOLD
    kubectl.apply(nap(FOR_EVER), job)
    stopped = kubectl.until("tuningjob", "tune", runs, "running")["status"]["running"][0]
    assert stopped["trial"] == 0
    kubectl.apply(nap(0))
    kubectl.patch("tuningjob", "tune", {"spec": {"budget": {"parallelism": 2}}})
    kubectl.wait("jsonpath={.status.progress.profiled}=3", "tuningjob", "tune")
    (pod,) = kubectl.list("pods", "autoscout.io/trial=0")
    kubectl.delete("tuningtrial", "tune-0")
    kubectl.wait("delete", "pod", pod["metadata"]["name"])
    kubectl.wait("delete", "job", stopped["job"])
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    numbers = [trial["spec"]["number"] for trial in kubectl.list("tuningtrials")]
    assert sorted(numbers) == [1, 2, 3, 4], "the number is not used again"
    assert len(kubectl.list("jobs")) == 4


def test_deleting_the_newest_trial_measures_its_configuration_anew(kubectl: Kubectl, operator: OperatorProcess) -> None:
    kubectl.apply(nap(FOR_EVER), tuning_job(behaviours=("ok",), profile=NAP_AS_TOLD))
    kubectl.until("tuningjob", "tune", runs, "running")
    former, (pod,) = kubectl.get("tuningtrial", "tune-0"), kubectl.list("pods")
    kubectl.apply(nap(0))
    kubectl.delete("tuningtrial", "tune-0")
    kubectl.wait("delete", "pod", pod["metadata"]["name"])
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    (trial,) = kubectl.list("tuningtrials")
    assert trial["metadata"]["uid"] != former["metadata"]["uid"]
    assert [attempt["reason"] for attempt in trial["status"]["attempts"]] == ["Measured"]


@pytest.mark.parametrize(
    "forged",
    [
        {"phase": "Failed", "message": "nothing works", "best": {"trial": 7, "metrics": {"seconds": 1e-9}}},
        {"conditions": [], "progress": {"profiled": 1000}, "summary": None, "running": [{"trial": 3}]},
        {"startTime": "2001-01-01T00:00:00z", "completionTime": None, "suspendedSeconds": 1e9},
        None,
    ],
    ids=["phase", "conditions", "times", "everything"],
)
def test_a_status_that_somebody_overwrites_is_restored(
    kubectl: Kubectl, operator: OperatorProcess, forged: dict[str, Any] | None
) -> None:
    kubectl.apply(tuning_job(budget={"maxDuration": "1h"}))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    before = kubectl.get("tuningjob", "tune")["status"]
    put_status(kubectl, "tuningjob", "tune", forged)
    kubectl.until("tuningjob", "tune", lambda job: findings(job.get("status") or {}) == findings(before), "restored")
    assert len(kubectl.list("jobs")) == 2, "nothing was measured again"


def findings(status: dict[str, Any]) -> dict[str, Any]:
    """A status without its times: when somebody wiped it off, they are those of the repair."""
    kept = {name: value for name, value in status.items() if not name.endswith(("Time", "Seconds"))}
    conditions = status.get("conditions") or []
    return kept | {"conditions": {each["type"]: (each["status"], each["message"]) for each in conditions}}
