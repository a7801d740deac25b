from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.contract.kubernetes_site import KubernetesSite
from tests.contract.process_site import ProcessSite
from tests.contract.site import Site, StartSite
from tests.support.fixtures import admin

import autoscout_profiler
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.kubernetes.client import KubernetesApi

__all__ = ["admin"]

IMPLEMENTATIONS = ["process", pytest.param("kubernetes", marks=pytest.mark.cluster)]


@pytest.fixture
def profiler_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python3 -m autoscout_profiler` works in every process, also where the checkout is not installed."""
    package = Path(autoscout_profiler.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", str(package), prepend=os.pathsep)


@pytest.fixture(params=IMPLEMENTATIONS)
async def start(request: pytest.FixtureRequest, tmp_path: Path, profiler_on_path: None) -> AsyncIterator[StartSite]:
    """Makes a site for a TuningJob; each implementation of `Executor` has one."""
    async with AsyncExitStack() as stack:

        async def process(job: TuningJob) -> Site:
            site = ProcessSite(job, tmp_path)
            stack.push_async_callback(site.close)
            return site

        async def kubernetes(job: TuningJob) -> Site:
            admin = request.getfixturevalue("admin")
            api = await stack.enter_async_context(await KubernetesApi.connect(str(admin.kubeconfig)))
            site = await KubernetesSite.start(api, job)
            stack.push_async_callback(site.close)
            return site

        yield {"process": process, "kubernetes": kubernetes}[request.param]
