"""A namespace of a real Kubernetes as a site."""

from __future__ import annotations

import asyncio
import itertools
import os

from tests.contract.site import Site

from autoscout.api.tuning_job import TuningJob
from autoscout.executors.kubernetes.client import NAMESPACES, TUNING_JOBS, KubernetesApi
from autoscout.executors.kubernetes.executor import PollingExecutor, release_orphans
from autoscout.executors.protocol import Executor

POLL_SECONDS = 0.2

_numbers = itertools.count()


class KubernetesSite(Site):
    """The TuningJob is really there, in a namespace of its own that enforces the restricted Pod Security Standard."""

    def __init__(self, job: TuningJob, uid: str, api: KubernetesApi) -> None:
        super().__init__(job)
        self.uid = uid
        self.api = api
        self.namespace = job.metadata.namespace

    @classmethod
    async def start(cls, api: KubernetesApi, job: TuningJob) -> KubernetesSite:
        namespace = f"autoscout-contract-{os.getpid()}-{next(_numbers)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        await api.create(NAMESPACES, None, {"metadata": {"name": namespace, "labels": labels}})
        metadata = {"name": job.metadata.name, "namespace": namespace}
        created = await api.create(TUNING_JOBS, namespace, {**job.manifest(), "metadata": metadata, "status": {}})
        placed = job.model_copy(update={"metadata": job.metadata.model_copy(update={"namespace": namespace})})
        return cls(placed, created["metadata"]["uid"], api)

    async def executor(self) -> PollingExecutor:
        return PollingExecutor(self.api, self.job, self.uid)

    async def change(self, executor: Executor | None = None) -> None:
        # Progress stands in a log, which no watch reports.
        await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Leave nothing behind that waits for an operator."""
        await self.api.delete(TUNING_JOBS, self.namespace, self.job.metadata.name)
        await release_orphans(self.api, self.namespace, self.uid)
        await self.api.delete(NAMESPACES, None, self.namespace)
