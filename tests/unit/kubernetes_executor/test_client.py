"""The client against a server that answers as it is told: what is tried again, and which error comes out.

Only HTTP is at stake here; the executor is tested against a real API server.
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from tests.unit.kubernetes_executor.server import Answer, Server, hang_up, status

from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import JOBS, PODS, TUNING_JOBS, ApiError, KubernetesApi, TransientApiError

OBJECT = {"kind": "Job", "metadata": {"name": "a"}}


async def test_an_object_is_what_the_server_says(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [(200, OBJECT)]
    assert await api.get(JOBS, "ns", "a") == OBJECT
    assert server[0].requests[0][:2] == ("GET", "/apis/batch/v1/namespaces/ns/jobs/a")


@pytest.mark.parametrize(
    "trouble",
    [
        status(500, "InternalError", "etcd"),
        status(503, "ServiceUnavailable", "x"),
        status(429, "TooManyRequests", "x"),
        status(401, "Unauthorized", "the token is being renewed"),
        (502, "not JSON of Kubernetes"),
        hang_up,
    ],
    ids=["500", "503", "429", "401", "502", "connection broken"],
)
@pytest.mark.parametrize("write", [False, True])
async def test_trouble_that_passes_is_tried_again(
    server: tuple[Server, str], api: KubernetesApi, trouble: Answer, *, write: bool
) -> None:
    server[0].answers = [trouble, trouble, (200, OBJECT)]
    found = await (api.create(JOBS, "ns", OBJECT) if write else api.get(JOBS, "ns", "a"))
    assert found == OBJECT
    assert len(server[0].requests) == 3
    if trouble is not hang_up:  # the HTTP library itself asks again once, unseen, when a connection breaks
        assert api.counts["create" if write else "get", "jobs"] == 3


async def test_trouble_that_stays_is_handed_on_as_transient(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [status(503, "ServiceUnavailable", "not now")] * client.TRIES
    with pytest.raises(TransientApiError, match="503 ServiceUnavailable: not now"):
        await api.get(JOBS, "ns", "a")
    assert not server[0].answers


async def test_no_server_at_all_is_transient(api: KubernetesApi, server: tuple[Server, str]) -> None:
    server[0].answers = [hang_up] * 2 * client.TRIES
    with pytest.raises(TransientApiError) as caught:
        await api.get(JOBS, "ns", "a")
    assert (caught.value.status, caught.value.reason) == (client.NO_RESPONSE, "Unreachable")
    assert caught.value.message


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(404, "NotFound", "gone"), "not_found"),
        (status(409, "AlreadyExists", "there"), "already_exists"),
        (status(409, "Conflict", "changed"), "conflict"),
    ],
)
async def test_a_refusal_is_final_and_says_what_it_is(
    server: tuple[Server, str], api: KubernetesApi, answer: Answer, kind: str
) -> None:
    server[0].answers = [answer]
    with pytest.raises(ApiError) as caught:
        await api.get(JOBS, "ns", "a")
    assert not isinstance(caught.value, TransientApiError)
    assert [name for name in ("not_found", "already_exists", "conflict") if getattr(caught.value, name)] == [kind]


async def test_the_fields_that_the_server_names_are_kept(server: tuple[Server, str], api: KubernetesApi) -> None:
    cause = {"reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.x"}
    server[0].answers = [status(422, "Invalid", "Job is invalid", causes=[cause])]
    with pytest.raises(ApiError, match="422 Invalid: Job is invalid") as caught:
        await api.create(JOBS, "ns", OBJECT)
    assert caught.value.causes == (("spec.x", "must be positive"),)


def page(names: str, version: str, token: str = "") -> tuple[int, Any]:
    metadata = {"resourceVersion": version, "continue": token}
    return 200, {"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]}


async def test_a_list_is_read_to_its_end(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [page("ab", "7", "more"), page("c", "7")]
    found = await api.list(TUNING_JOBS, None, label_selector="a=b")
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b", "c"]
    assert found.resource_version == "7"
    path = "/apis/autoscout.io/v1alpha1/tuningjobs?limit=500&labelSelector=a%3Db"
    assert [request[1] for request in server[0].requests] == [path, f"{path}&continue=more"]


async def test_a_list_whose_snapshot_was_compacted_begins_anew(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [page("ab", "7", "more"), status(410, "Expired", "too old"), page("xyz", "9")]
    found = await api.list(PODS, "ns")
    assert [item["metadata"]["name"] for item in found.items] == ["x", "y", "z"]
    assert found.resource_version == "9"


async def test_patches_say_what_kind_they_are(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [(200, OBJECT), (200, OBJECT)]
    await api.merge_patch(JOBS, "ns", "a", {"x": None}, subresource="status")
    await api.json_patch(JOBS, "ns", "a", [{"op": "test", "path": "/x", "value": 1}])
    assert server[0].requests == [
        ("PATCH", "/apis/batch/v1/namespaces/ns/jobs/a/status", {"x": None}, "application/merge-patch+json"),
        (
            "PATCH",
            "/apis/batch/v1/namespaces/ns/jobs/a",
            [{"op": "test", "path": "/x", "value": 1}],
            "application/json-patch+json",
        ),
    ]


async def test_a_deletion_carries_its_precondition(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [(200, OBJECT)]
    await api.delete(JOBS, "ns", "a", propagation="Foreground", uid="1-2")
    assert server[0].requests[0][2] == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "1-2"},
    }


async def test_a_log_is_bytes_and_is_asked_for_once(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [lambda _: web.Response(body=b"\xff\x00log"), status(500, "InternalError", "dial tcp: refused")]
    limits = {"container": "profile", "tail_lines": 5, "limit_bytes": 100, "seconds": 60.0}
    assert await api.log("ns", "pod", **limits) == b"\xff\x00log"
    with pytest.raises(TransientApiError):
        await api.log("ns", "pod", **limits)
    assert api.counts["get", "pods/log"] == 2


async def test_a_name_can_not_leave_its_place_in_the_path() -> None:
    assert JOBS.path("ns", "../../secrets/x") == "/apis/batch/v1/namespaces/ns/jobs/..%2F..%2Fsecrets%2Fx"
