"""Every wrong TuningJob is refused, and the answer names the field."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.invalid_manifests import (
    ALLOWED_UPDATES,
    CASES,
    UPDATES,
    Answer,
    Case,
    Document,
    base,
    changed,
)
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess

from autoscout.api.convert import job
from autoscout.executors.admission import check

kubernetes = pytest.importorskip("kubernetes", reason="the operator extra is not installed")
from kubernetes import client, config  # noqa: E402


def by_name(case: Case) -> str:
    return case.name


def test_the_table_is_long_and_its_base_is_valid():
    assert len(CASES) + len(UPDATES) >= 50
    assert len({case.name for case in (*CASES, *UPDATES)}) == len(CASES) + len(UPDATES)
    assert check(base(), cluster=True) == []


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_without_a_cluster_it_is_refused_with_the_field(case: Case):
    errors = check(case.manifest, cluster=True)
    assert any(case.field in error.field for error in errors), errors
    assert all(error.message for error in errors)


class Server:
    """TuningJobs of one namespace of a real API server, as `kubectl apply` would send them (strict fields)."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._api = client.CustomObjectsApi(config.new_client_from_config(str(kubeconfig)))
        self._where = ("autoscout.io", "v1alpha1", namespace, "tuningjobs")

    def create(self, document: Document, *, dry: bool = True) -> Document:
        options = {"dry_run": "All"} if dry else {}
        return self._api.create_namespaced_custom_object(*self._where, document, field_validation="Strict", **options)

    def replace(self, document: Document) -> Document:
        name = document["metadata"]["name"]
        return self._api.replace_namespaced_custom_object(
            *self._where, name, document, field_validation="Strict", dry_run="All"
        )


@pytest.fixture(scope="module")
def server(admin: Kubectl) -> Iterator[Server]:
    # Its own: a namespace of a former run takes a while to go, and takes nothing new meanwhile.
    namespace = f"autoscout-test-{os.getpid()}-invalid-manifests"
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield Server(admin.kubeconfig, namespace)
    admin.delete("namespace", namespace, wait=False)


def refusal(error: client.ApiException) -> str:
    return json.loads(error.body)["message"]


@pytest.mark.cluster
@pytest.mark.parametrize("case", [case for case in CASES if case.answer is Answer.API_SERVER], ids=by_name)
def test_the_api_server_refuses_it_with_the_field(server: Server, case: Case):
    with pytest.raises(client.ApiException) as refused:
        server.create(case.manifest)
    assert refused.value.status in {400, 422}
    assert case.field in refusal(refused.value)


@pytest.mark.cluster
@pytest.mark.parametrize("case", [case for case in CASES if case.answer is Answer.OPERATOR], ids=by_name)
def test_the_api_server_leaves_it_to_the_operator(server: Server, case: Case):
    accepted = server.create(case.manifest)
    errors = check(accepted, cluster=True)
    assert any(case.field in error.field for error in errors), errors


@pytest.fixture(scope="module")
def existing(server: Server) -> Document:
    """The base, as the API server keeps it."""
    return server.create(base(), dry=False)


@pytest.mark.cluster
@pytest.mark.parametrize("case", UPDATES, ids=by_name)
def test_what_defines_the_search_does_not_change(server: Server, existing: Document, case: Case):
    with pytest.raises(client.ApiException) as refused:
        server.replace(changed(existing, case.changes))
    assert refused.value.status == 422
    assert case.field in refusal(refused.value)
    assert "can't be changed: make a new TuningJob" in refusal(refused.value)


@pytest.mark.cluster
@pytest.mark.parametrize("case", ALLOWED_UPDATES, ids=by_name)
def test_what_bounds_the_search_may_change(server: Server, existing: Document, case: Case):
    assert server.replace(changed(existing, case.changes))["metadata"]["name"] == "matmul"


@pytest.mark.cluster
def test_the_api_server_fills_in_the_same_defaults(server: Server):
    given = changed(base(), {"metadata.name": "defaults"})
    filled = server.create(given)
    ours = job(given).manifest()["spec"]
    theirs = job(filled).manifest()["spec"]
    assert theirs == ours
    assert filled["spec"]["profile"]["attempts"] == 3


@pytest.mark.cluster
def test_the_operator_answers_each_by_a_condition_that_names_the_field(kubectl: Kubectl, operator: OperatorProcess):
    cases = {f"wrong-{number}": case for number, case in enumerate(CASES) if case.answer is Answer.OPERATOR}
    good = changed(base(), {"spec.suspend": True})
    kubectl.apply(*(changed(case.manifest, {"metadata.name": name}) for name, case in cases.items()), good)
    kubectl.wait("condition=Validated=true", "tuningjob", "matmul")
    # All at once: a call for each takes longer than the operator.
    names = [f"tuningjob/{name}" for name in cases]
    kubectl.run("wait", "--for=condition=Validated=false", *names, "--timeout=240s")
    for item in kubectl.list("tuningjobs"):
        if case := cases.get(item["metadata"]["name"]):
            (validated,) = (each for each in item["status"]["conditions"] if each["type"] == "Validated")
            assert case.field in validated["message"], case.name
            assert case.field in item["status"]["message"], case.name
            assert item["status"]["phase"] == "Invalid"
    assert kubectl.list("tuningtrials") == []
    assert operator.running
