"""The CRDs on a real API server: what kubectl shows, what a TuningTrial keeps, what can't be changed."""

from __future__ import annotations

import json

import pytest
from tests.integration.invalid_manifests import base
from tests.support.kubectl import Kubectl, Object

from autoscout.api import convert
from autoscout.search.ledger import Attempt, Entry, Trial
from autoscout.search.outcome import Measured

pytestmark = pytest.mark.cluster

PROBLEM = convert.problem(convert.job(base()))
TRIAL = Trial(0, PROBLEM.space.default(), "default", {"seconds_per_iteration": 1.25e-7})
MEASURED = Entry(
    TRIAL,
    (Attempt("Evicted", "the node went away", 1.5, 0.1 + 0.2), Attempt("Measured", "", 60.0, 0.5)),
    Measured({"seconds_per_iteration": 3.0, "peak_memory_gib": 1e-9}, {"seconds_per_iteration": (3.0, 2.5, 1 / 3)}),
    0,
)


def row(kubectl: Kubectl, resource: str, *options: str) -> dict[str, str]:
    """The only line of `kubectl get`, by column; columns are aligned."""
    head, line = kubectl.run("get", resource, *options).stdout.splitlines()
    starts = [
        index for index in range(len(head)) if head[index] != " " and head[max(0, index - 3) : index].strip() == ""
    ]
    ends = [*starts[1:], None]
    return {head[start:end].strip(): line[start:end].strip() for start, end in zip(starts, ends, strict=True)}


def put_status(kubectl: Kubectl, resource: str, name: str, status: Object) -> None:
    kubectl.run("patch", resource, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


@pytest.fixture
def job(kubectl: Kubectl) -> Object:
    kubectl.apply(base())
    return kubectl.get("tuningjob", "matmul")


@pytest.fixture
def trial(kubectl: Kubectl, job: Object) -> str:
    metadata = job["metadata"]
    kubectl.apply(convert.trial_manifest(TRIAL, job="matmul", uid=metadata["uid"], namespace=metadata["namespace"]))
    return "matmul-0"


def test_an_entry_survives_the_api_server(kubectl: Kubectl, trial: str):
    assert convert.entry(kubectl.get("tt", trial), PROBLEM.space) == Entry(TRIAL)
    put_status(kubectl, "tt", trial, convert.trial_status(MEASURED, jobs=["matmul-0-0-abcde", "matmul-0-1-abcde"]))
    assert convert.entry(kubectl.get("tt", trial), PROBLEM.space) == MEASURED


def test_the_decision_in_a_trial_can_not_be_changed(kubectl: Kubectl, trial: str):
    for change in (
        {"configuration": {"tile": 64}},
        {"configuration": {"x": 1}},
        {"proposer": "me"},
        {"predicted": None},
    ):
        patch = json.dumps({"spec": change})
        refused = kubectl.run("patch", "tt", trial, "--type=merge", "-p", patch, check=False)
        assert refused.returncode != 0, change
        assert "spec records a decision and can't be changed" in refused.stderr


def test_a_trial_is_a_line_of_the_ledger(kubectl: Kubectl, trial: str):
    status = convert.trial_status(MEASURED, wanted=["seconds_per_iteration"], jobs=["a", "b"])
    put_status(kubectl, "tt", trial, status)
    columns = row(kubectl, "tt")
    assert list(columns) == ["NAME", "PHASE", "PROPOSER", "VALUE", "REASON", "AGE"]
    assert (columns["PHASE"], columns["PROPOSER"], columns["VALUE"]) == ("Measured", "default", "3")


def test_a_job_is_a_line_that_says_what_was_found(kubectl: Kubectl, job: Object):
    summary = {"best": "0.5 seconds_per_iteration", "speedup": "2.00x", "profiled": "12/20", "gpuHours": "1.250"}
    put_status(kubectl, "tj", "matmul", {"phase": "Searching", "summary": summary})
    columns = row(kubectl, "tj")
    assert list(columns) == ["NAME", "PHASE", "BEST", "SPEED-UP", "PROFILED", "GPU-HOURS", "AGE"]
    assert columns["PHASE"] == "Searching"
    assert [columns[name] for name in ("BEST", "SPEED-UP", "PROFILED", "GPU-HOURS")] == list(summary.values())
    assert "ALGORITHM" in kubectl.run("get", "tj", "-o", "wide").stdout
    assert "matmul" in kubectl.run("get", "autoscout").stdout


def test_the_status_has_its_own_door(kubectl: Kubectl, job: Object):
    kubectl.patch("tj", "matmul", {"status": {"phase": "Complete"}, "spec": {"suspend": True}})
    found = kubectl.get("tj", "matmul")
    assert found["spec"]["suspend"] is True
    assert "phase" not in found.get("status", {})
    put_status(kubectl, "tj", "matmul", {"phase": "Suspended"})
    assert kubectl.get("tj", "matmul")["metadata"]["generation"] == found["metadata"]["generation"]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("tuningjob.spec.budget.maxGpuHours", "GPU-hours of all attempts"),
        ("tuningjob.spec.searchSpace.parameters.activeWhen", "tp > 1"),
        ("tuningjob.spec.profile.timeout", "90s, 15m, 2h30m"),
        ("tuningjob.status.best", "best accepted measurement"),
        ("tuningtrial.spec.fingerprint", "equal ones have equal fingerprints"),
    ],
)
def test_kubectl_explains(admin: Kubectl, field: str, words: str):
    explained = " ".join(admin.run("explain", field, "--api-version=autoscout.io/v1alpha1").stdout.split())
    assert words in explained
