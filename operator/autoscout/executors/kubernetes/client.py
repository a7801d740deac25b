"""A thin, typed wrapper around `kubernetes.aio`: raw JSON in and out, errors in two classes, requests counted.

Objects stay JSON: turning 500 pods into the client's models takes six times as long as `json.loads`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import aiohttp
import yaml
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from autoscout.api.names import API_VERSION, TUNING_JOB_UID_LABEL
from autoscout.executors.kubernetes.names import Object

REQUEST_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0
TRIES: Final = 4
FIRST_BACKOFF_SECONDS: Final = 0.1
LONGEST_RETRY_AFTER_SECONDS: Final = 5.0
PAGE_SIZE: Final = 500
NO_RESPONSE: Final = 0

_TRANSIENT: Final = frozenset({401, 408, 429, 500, 502, 503, 504})
# 401 too: a service account's token is renewed in its file, and the next request reads it again.


@dataclass(frozen=True)
class Resource:
    """One kind of objects of the API.

    Attributes:
        prefix: `/api/v1` or `/apis/GROUP/VERSION`.
        plural: as in the URL.
    """

    prefix: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection or an object; no namespace: the whole cluster, or a kind without namespaces."""
        parts = [] if namespace is None else ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        return "/".join([self.prefix, *(quote(part, safe="") for part in parts)])


TUNING_JOBS: Final = Resource(f"/apis/{API_VERSION}", "tuningjobs")
TUNING_TRIALS: Final = Resource(f"/apis/{API_VERSION}", "tuningtrials")
JOBS: Final = Resource("/apis/batch/v1", "jobs")
PODS: Final = Resource("/api/v1", "pods")
CONFIG_MAPS: Final = Resource("/api/v1", "configmaps")
SERVICES: Final = Resource("/api/v1", "services")
EVENTS: Final = Resource("/api/v1", "events")
NAMESPACES: Final = Resource("/api/v1", "namespaces")
NODES: Final = Resource("/api/v1", "nodes")
LEASES: Final = Resource("/apis/coordination.k8s.io/v1", "leases")
CUSTOM_RESOURCE_DEFINITIONS: Final = Resource("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions")


def selector(uid: str) -> str:
    """Label selector of everything that belongs to the TuningJob with this UID."""
    return f"{TUNING_JOB_UID_LABEL}={uid}"


class ApiError(Exception):
    """The API server refused a request, and would refuse it again.

    Attributes:
        status: HTTP status; `NO_RESPONSE` (0) where there was none.
        reason: the server's word: `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`, `Invalid`, ...
        message: the server's sentence.
        causes: (field, message) of each fault that the server names.
    """

    def __init__(self, status: int, reason: str, message: str, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def already_exists(self) -> bool:
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """Whether a precondition (resourceVersion, UID) didn't hold: read again, then decide again."""
        return self.status == 409 and self.reason != "AlreadyExists"


class TransientApiError(ApiError):
    """No answer, or one that says "later": 429, 5xx, an expired token, a broken connection. Come back with a backoff.

    A write may have been applied all the same.

    Attributes:
        retry_after: seconds that the server asked us to wait; 0 if it did not say.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class ObjectList:
    """All objects of a list, and the resource version that it shows."""

    items: list[Object]
    resource_version: str


class KubernetesApi:
    """Requests to one API server.

    Every call raises `ApiError`, or `TransientApiError` after a few tries with a backoff. Writes are repeated
    too, so a caller must make sure that a second one does no harm: names are deterministic (a repeated create
    answers AlreadyExists), patches carry a precondition.

    Attributes:
        official: the client of the official package, for what is written against it.
        counts: requests sent, by (verb, plural); repeated ones count again.
    """

    def __init__(self, configuration: Any) -> None:
        self.official: Any = kubernetes_client.ApiClient(configuration)
        self.official.user_agent = "autoscout"
        self.counts: Counter[tuple[str, str]] = Counter()

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """The API server of a kubeconfig; without one, of the cluster that we run in, else of $KUBECONFIG.

        Raises:
            kubernetes.aio.config.ConfigException: there is no usable configuration.
        """
        loader: Any = kubernetes_config  # ships no types
        configuration: Any = kubernetes_client.Configuration()
        if kubeconfig is None and context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            loader.load_incluster_config(client_configuration=configuration)
        else:
            try:
                await loader.load_kube_config(
                    config_file=kubeconfig,
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
            except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
                # A file that is no kubeconfig at all, or a certificate that is not where it says.
                raise loader.ConfigException(str(error)) from error
        return cls(configuration)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.official.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """One object."""
        return await self._json("get", resource, resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None, *, label_selector: str = "", field_selector: str = ""
    ) -> ObjectList:
        """All objects of a kind, in pages; one consistent snapshot."""
        query = {"limit": str(PAGE_SIZE), "labelSelector": label_selector, "fieldSelector": field_selector}
        query = {key: value for key, value in query.items() if value}
        items: list[Object] = []
        token = ""
        while True:
            page_query = {**query, "continue": token} if token else query
            try:
                page = await self._json("list", resource, resource.path(namespace), query=page_query)
            except ApiError as error:
                if error.status != 410 or not token:
                    raise
                # The snapshot was compacted away while we read it: begin a new one.
                items, token = [], ""
                continue
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return ObjectList(items, page["metadata"]["resourceVersion"])

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """POST an object, as the server stored it."""
        return await self._json("create", resource, resource.path(namespace), method="POST", body=body)

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """PUT an object; with its resourceVersion in the metadata it is a conditional write."""
        path = resource.path(namespace, name, subresource)
        return await self._json("update", resource, path, method="PUT", body=body)

    async def merge_patch(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """JSON merge patch; a `metadata.resourceVersion` in it is a precondition (409 Conflict)."""
        path = resource.path(namespace, name, subresource)
        kind = "application/merge-patch+json"
        return await self._json("patch", resource, path, method="PATCH", body=body, content_type=kind)

    async def json_patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        subresource: str | None = None,
    ) -> Object:
        """JSON patch; a `test` operation that doesn't hold is answered by 422 Invalid."""
        path = resource.path(namespace, name, subresource)
        kind = "application/json-patch+json"
        return await self._json("patch", resource, path, method="PATCH", body=list(operations), content_type=kind)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        propagation: str = "Background",
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Object:
        """DELETE an object.

        Args:
            propagation: `Foreground`, `Background` or `Orphan`.
            uid: precondition; another object of that name is left alone (409 Conflict).
            grace_seconds: of pods, instead of their own.
        """
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        return await self._json("delete", resource, resource.path(namespace, name), method="DELETE", body=body)

    async def log(
        self, namespace: str, pod: str, *, container: str, tail_lines: int, limit_bytes: int, seconds: float
    ) -> bytes:
        """The end of the newest log file of a container as raw bytes.

        One try, for the caller knows what else to read.

        Args:
            limit_bytes: the rest, which is the end, is left out.
            seconds: how long to wait; the API server itself waits half a minute for a dead node.
        """
        query = {"container": container, "tailLines": str(tail_lines), "limitBytes": str(limit_bytes)}
        path = PODS.path(namespace, pod, "log")
        self.counts["get", "pods/log"] += 1
        return await self._send("GET", f"{path}?{urlencode(query)}", seconds=seconds)

    async def _json(
        self,
        verb: str,
        resource: Resource,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        url = f"{path}?{urlencode(query)}" if query else path
        retries = 0
        while True:
            self.counts[verb, resource.plural] += 1
            try:
                answer: Object = json.loads(await self._send(method, url, body, content_type))
            except TransientApiError as error:
                retries += 1
                if retries == TRIES:
                    raise
                backoff = FIRST_BACKOFF_SECONDS * 2**retries * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                await asyncio.sleep(max(backoff, min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS)))
            else:
                return answer

    async def _send(
        self,
        method: str,
        url: str,
        body: Any = None,
        content_type: str = "application/json",
        seconds: float = REQUEST_SECONDS,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        try:
            # `param_serialize` signs the request (and renews tokens); the body goes past it, for it is JSON already.
            _, address, headers, _, _ = await self.official.param_serialize(
                method,
                url,
                header_params={"Accept": "application/json, */*", "Content-Type": content_type},
                auth_settings=["BearerToken"],
            )
            response = await self.official.call_api(
                method, address, header_params=headers, body=body, _request_timeout=timeout
            )
            content: bytes = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = str(error) or type(error).__name__
            raise TransientApiError(NO_RESPONSE, "Unreachable", message) from error
        if response.status < 400:
            return content
        raise _refusal(response.status, response.reason or "", content, response.getheader("Retry-After"))


def _refusal(status: int, phrase: str, content: bytes, retry_after: str | None) -> ApiError:
    """The error that an answer with this status is."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {"message": content[:500].decode(errors="replace")}
    reason = str(answer.get("reason") or phrase.replace(" ", "") or "Unknown")
    message = str(answer.get("message") or phrase)
    details = answer.get("details") or {}
    if status in _TRANSIENT:
        asked = retry_after if retry_after and retry_after.isdigit() else details.get("retryAfterSeconds", 0)
        return TransientApiError(status, reason, message, float(asked))
    causes = tuple(
        (str(cause.get("field") or cause.get("reason") or ""), str(cause.get("message") or ""))
        for cause in details.get("causes") or ()
    )
    return ApiError(status, reason, message, causes)
