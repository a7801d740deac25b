"""The operator as a process: wiring, start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import kopf

from autoscout import __version__
from autoscout.controller import handlers
from autoscout.controller.health import Health
from autoscout.controller.leader import Leadership
from autoscout.controller.planner import Planner
from autoscout.controller.queue import WorkQueue
from autoscout.controller.reconcile import Reconciler
from autoscout.controller.relist import Relister
from autoscout.controller.store import Key, Store
from autoscout.executors.kubernetes.client import KubernetesApi
from autoscout.telemetry.metrics import JobView, Metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How the operator runs.

    Attributes:
        namespaces: which it serves; none: all.
        kubeconfig: None: in the cluster by its service account, else $KUBECONFIG.
        workers: reconciles at once; one TuningJob never has two.
        planners: worker processes for the search.
        relist_seconds: interval of the authoritative re-list.
        lease_namespace: where the Lease of the leader lies; None: no leader election.
        listen: host and port of /healthz, /readyz and /metrics; None: don't listen.
    """

    namespaces: Sequence[str] = field(default_factory=tuple)
    kubeconfig: str | None = None
    workers: int = 8
    planners: int = 1
    relist_seconds: float = 180.0
    lease_namespace: str | None = None
    listen: tuple[str, int] | None = ("127.0.0.1", 8080)


async def run(options: Options) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        RuntimeError: a part of it ended although nobody asked for it; the process is to be restarted.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(await KubernetesApi.connect(options.kubeconfig))
        store, queue = Store(), WorkQueue[Key]()
        relister = Relister(api, store, queue, options.namespaces, time.monotonic)
        health = await _listen(options, metrics, api, store, queue, relister)
        if health is not None:
            stack.push_async_callback(health.stop)
        if options.lease_namespace is not None:
            leadership = Leadership(api, options.lease_namespace)
            await leadership.acquire()
            stack.push_async_callback(leadership.release)

        planner = Planner(options.planners)
        stack.callback(planner.close)
        reconciler = Reconciler(api, store, planner, time.time)

        async def work(key: Key) -> float | None:
            with metrics.reconcile_seconds.time():
                try:
                    again = await reconciler.reconcile(key)
                except Exception:
                    metrics.reconciles.labels("error").inc()
                    raise
                metrics.reconciles.labels("ok").inc()
                return again

        logger.info("autoscout %s serves %s", __version__, ", ".join(options.namespaces) or "all namespaces")
        # No decision before everything was listed once: a Job whose trial isn't known yet would look like litter.
        tasks = [asyncio.create_task(relister.run(options.relist_seconds), name="relist")]
        stack.push_async_callback(_end, tasks)
        await relister.listed.wait()
        tasks += [asyncio.create_task(queue.work(work), name=f"worker-{n}") for n in range(options.workers)]
        watching = asyncio.create_task(
            kopf.operator(
                registry=handlers.register(store, queue, api.official.configuration),
                settings=handlers.settings(),
                standalone=True,
                clusterwide=not options.namespaces,
                namespaces=options.namespaces,
            ),
            name="kopf",
        )
        # kopf ends in good order on SIGTERM and SIGINT; that anything else ends is a defect, and a restart the cure.
        done, _ = await asyncio.wait([watching, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if watching not in done:
            watching.cancel()
            raise RuntimeError(f"{', '.join(task.get_name() for task in done)} ended: {[t.exception() for t in done]}")
        await watching


async def _listen(
    options: Options,
    metrics: Metrics,
    api: KubernetesApi,
    store: Store,
    queue: WorkQueue[Key],
    relister: Relister,
) -> Health | None:
    def age() -> float | None:
        return None if relister.last_success is None else time.monotonic() - relister.last_success

    def jobs() -> Iterator[JobView]:
        for key in store.known():
            item = store.job(key)
            if item is not None:
                yield JobView(key.namespace, key.name, item.get("status") or {})

    metrics.watch(jobs=jobs, requests=api.counts, queue_length=lambda: len(queue), relist_age=age)
    if options.listen is None:
        return None
    # A standby replica is ready too: it is ready to take over.
    health = Health(metrics.registry, age=age, limit_seconds=3 * options.relist_seconds + 60, ready=lambda: True)
    await health.start(*options.listen)
    return health


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
