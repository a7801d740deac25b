"""What kopf does for us: it watches. Every event goes into the cache and puts a key into our queue, nothing more.

Only `on.event` handlers: they keep no state in annotations and put no finalizers on the users' objects. No daemons, no
indices, no change handlers; `docs/adr/0002-kopf-watches-we-reconcile.md` says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kopf
from kubernetes.aio.client import Configuration

from autoscout.api.names import GROUP, TUNING_JOB_UID_LABEL, VERSION
from autoscout.controller.queue import WorkQueue
from autoscout.controller.store import Key, Kind, Store, key_of

WATCHED: dict[Kind, tuple[str, str, str]] = {
    Kind.TUNING_JOBS: (GROUP, VERSION, "tuningjobs"),
    Kind.TUNING_TRIALS: (GROUP, VERSION, "tuningtrials"),
    Kind.JOBS: ("batch", "v1", "jobs"),
    Kind.PODS: ("", "v1", "pods"),
}


class _Patiently:
    """Delays between tries of a failed request, without end and afresh for each request.

    kopf ends the process when the delays are used up; a generator would be used up by the first request.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (1, 1, 2, 3, 5, 8, 13)
        while True:
            yield 20


def settings() -> kopf.OperatorSettings:
    """Kopf's settings for this operator."""
    result = kopf.OperatorSettings()
    result.networking.error_backoffs = _Patiently()
    result.posting.enabled = False
    result.watching.chunk_size = 500
    # The server filters: the cluster's other Jobs and pods never reach us.
    for _, _, plural in (WATCHED[Kind.JOBS], WATCHED[Kind.PODS], WATCHED[Kind.TUNING_TRIALS]):
        result.watching.label_selectors[plural] = TUNING_JOB_UID_LABEL
    return result


def register(store: Store, queue: WorkQueue[Key], configuration: Configuration) -> kopf.OperatorRegistry:
    """A registry whose handlers feed this store and this queue.

    Args:
        configuration: of the client: kopf connects to the same API server with the same credentials.
    """
    registry = kopf.OperatorRegistry()
    _login(registry, configuration)
    for kind, resource in WATCHED.items():
        _watch(registry, kind, resource, store, queue)
    return registry


def _login(registry: kopf.OperatorRegistry, configuration: Configuration) -> None:
    @kopf.on.login(id="client-credentials", registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        # Asking for the token renews it: kopf asks again whenever the server answers 401.
        header = await configuration.get_api_key_with_prefix("BearerToken") or ""
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            username=configuration.username or None,
            password=configuration.password or None,
            scheme="Bearer" if header else None,
            token=header.removeprefix("Bearer ") or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )


def _watch(
    registry: kopf.OperatorRegistry,
    kind: Kind,
    resource: tuple[str, str, str],
    store: Store,
    queue: WorkQueue[Key],
) -> None:
    @kopf.on.event(*resource, id=f"cache-{kind}", registry=registry)
    async def cache(event: kopf.RawEvent, **_: Any) -> None:
        item: Any = event["object"]
        store.apply(kind, item, deleted=event["type"] == "DELETED")
        key = key_of(kind, item)
        if key is not None:
            queue.add(key)
