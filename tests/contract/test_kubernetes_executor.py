"""What only Jobs can go through, on a real cluster. What holds for every executor: test_executor.py."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.cluster import Cluster
from tests.contract.kubernetes_site import KubernetesSite
from tests.contract.site import job, states

from autoscout.api import convert
from autoscout.api.names import TRIAL_LABEL
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.kubernetes.client import CONFIG_MAPS, JOBS, PODS, ApiError, KubernetesApi, Resource
from autoscout.executors.kubernetes.executor import KubernetesExecutor, release_orphans
from autoscout.executors.protocol import AttemptId, Ended, ExecutorError, Running, State, Waiting
from autoscout.search.outcome import Infeasible, Lost, Measured

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
FIRST = AttemptId(0, 0)
RESULT = "result=seconds:0.5,0.4,0.6"
MEASURED = Measured({"seconds": 0.5}, {"seconds": (0.5, 0.4, 0.6)})
A100 = {"name": "a100", "gpu": "NVIDIA-A100-SXM4-80GB", "gpusPerNode": 1}
QUOTAS = Resource("/api/v1", "resourcequotas")


def changed(base: TuningJob, pool: Object | None = None, **profile: Any) -> TuningJob:
    document = base.manifest() | {"status": {}}
    document["spec"]["profile"].update(profile)
    if pool is not None:
        document["spec"]["hardware"] = {"pools": [pool]}
    return convert.job(document)


def container(**changes: Any) -> Object:
    return {"spec": {"containers": [{"name": "profile", **changes}]}}


@pytest.fixture
async def start(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Makes a namespace with the TuningJob in it."""
    admin = request.getfixturevalue("admin")
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(await KubernetesApi.connect(str(admin.kubeconfig)))

        async def site(a_job: TuningJob) -> KubernetesSite:
            made = await KubernetesSite.start(api, a_job)
            stack.push_async_callback(made.close)
            return made

        yield site


async def running(site: KubernetesSite) -> KubernetesExecutor:
    """An executor whose first attempt runs."""
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await site.until(executor, lambda state: isinstance(state, Running) and bool(state.progress))
    return executor


async def only(site: KubernetesSite, resource: Resource) -> Object:
    [item] = await listed(site, resource)
    return item


async def listed(site: KubernetesSite, resource: Resource) -> list[Object]:
    return (await site.api.list(resource, site.namespace)).items


async def holding(site: KubernetesSite) -> list[str]:
    """The pods that still hold something; one that has ended may be listed for a while."""
    pods = await listed(site, PODS)
    return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] not in ("Succeeded", "Failed")]


async def with_start_timeout(site: KubernetesSite, duration: str) -> KubernetesExecutor:
    """An executor that gives up sooner, or later, what waits to start already."""
    site.job = changed(site.job, startTimeout=duration)
    return await site.executor()


async def limited(site: KubernetesSite, name: str, hard: Object) -> None:
    """A quota that is in force: the API server learns of it some time after it was made."""
    quota = {"metadata": {"name": name}, "spec": {"hard": {**hard, "count/configmaps": "1"}}}
    await site.api.create(QUOTAS, site.namespace, quota)
    async with asyncio.timeout(site.patience):
        for number in itertools.count():
            try:
                await site.api.create(CONFIG_MAPS, site.namespace, {"metadata": {"name": f"probe-{number}"}})
            except ApiError as error:
                if "exceeded quota" in error.message:
                    return
            await site.change()


async def waiting_for(site: KubernetesSite, *reasons: str) -> Waiting:
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    state = await site.until(executor, lambda state: isinstance(state, Waiting) and state.reason in reasons)
    assert isinstance(state, Waiting)
    return state


# What ends an attempt


async def test_the_gpus_of_the_pool_are_taken_on_its_nodes(start: Any) -> None:
    site = await start(changed(job(RESULT), pool=A100))
    ended = await site.run(await site.executor())
    assert (ended.result, ended.gpus) == (MEASURED, 1)
    node = (await only(site, PODS))["spec"]["nodeName"]
    assert node.startswith("a100"), node


async def test_a_container_killed_for_memory_is_infeasible(start: Any) -> None:
    limit = container(resources={"limits": {"memory": "64Mi"}})
    site = await start(changed(job("allocate=512", "wait"), template=limit))
    ended = await site.run(await site.executor())
    assert isinstance(ended.result, Infeasible)
    assert ended.result.reason == "HostOutOfMemory"


async def test_a_program_that_is_not_there_is_infeasible(start: Any) -> None:
    site = await start(changed(job(), command=["/no/such/program"]))
    ended = await site.run(await site.executor())
    assert isinstance(ended.result, Infeasible)
    assert ended.result.reason == "StartError"
    assert "/no/such/program" in ended.result.message


async def test_a_pod_that_somebody_deletes_is_lost(start: Any) -> None:
    site = await start(job("progress=0/1", "wait"))
    executor = await running(site)
    await site.api.delete(PODS, site.namespace, (await only(site, PODS))["metadata"]["name"])
    lost = (await site.ended(executor)).result
    assert isinstance(lost, Lost)
    assert lost.reason in ("PodDeleted", "PodLost")


async def test_an_evicted_pod_is_lost(start: Any) -> None:
    site = await start(job("progress=0/1", "stubborn", "wait"))
    executor = await running(site)
    pod = (await only(site, PODS))["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": site.namespace}}
    await site.api.create(Resource("/api/v1", f"pods/{pod}/eviction"), site.namespace, eviction)
    lost = (await site.ended(executor)).result
    assert isinstance(lost, Lost)
    assert lost.reason in ("Evicted", "PodLost")


async def test_a_job_that_somebody_deletes_is_lost_and_its_pod_is_stopped(start: Any) -> None:
    site = await start(job("progress=0/1", "wait"))
    executor = await running(site)
    await site.api.delete(JOBS, site.namespace, executor.job_name(FIRST))
    assert (await site.ended(executor)).result == Lost("JobDeleted", "the Job was deleted while its pod ran")


async def test_a_job_that_is_deleted_after_its_end_keeps_its_result(start: Any) -> None:
    site = await start(job(RESULT))
    executor = await site.executor()
    await site.run(executor)
    await site.api.delete(JOBS, site.namespace, executor.job_name(FIRST))
    assert (await site.ended(executor)).result == MEASURED


async def test_a_result_survives_its_node_and_what_ran_there_is_lost(start: Any, cluster: Cluster) -> None:
    if cluster.external:
        pytest.skip("only a node of the test cluster can be stopped")
    a40 = {"name": "a40", "gpu": "NVIDIA-A40", "gpusPerNode": 1}
    site = await start(changed(job(RESULT, "progress=1/1", "parameter=tile:1"), pool=a40))
    executor = await site.executor()
    await site.run(executor, 0)
    node = (await only(site, PODS))["spec"]["nodeName"]
    site.job = changed(site.job, args=["progress=0/1", "wait"])
    other = await site.executor()
    await other.ensure(site.trial(1), 0)
    await site.until(other, lambda state: isinstance(state, Running) and bool(state.progress), 1)
    jobs, pods = await listed(site, JOBS), await listed(site, PODS)
    await asyncio.to_thread(cluster.stop_node, node)
    try:
        finished, _ = await behind(site, jobs, pods).observe()
        running_pod = next(pod for pod in pods if pod["metadata"]["labels"][TRIAL_LABEL] == "1")
        await site.api.delete(PODS, site.namespace, running_pod["metadata"]["name"])
        pods = await listed(site, PODS)
        _, gone = await behind(site, jobs, pods, late=120).observe()
    finally:
        await asyncio.to_thread(cluster.start_node, node)
    assert isinstance(finished.state, Ended)
    assert isinstance(finished.state.result, Measured)
    assert isinstance(gone.state, Ended)
    assert isinstance(gone.state.result, Lost)
    assert (gone.state.result.reason, gone.state.gpus) == ("NodeLost", 1)


# What keeps one from starting


async def test_an_image_that_can_not_be_pulled_is_lost_after_the_start_timeout(start: Any) -> None:
    site = await start(changed(job(), image="autoscout.local/none:test"))
    state = await waiting_for(site, "ErrImagePull", "ImagePullBackOff")
    assert "autoscout.local/none:test" in state.message
    lost = (await site.ended(await with_start_timeout(site, "4s"))).result
    assert isinstance(lost, Lost)
    assert lost.reason in ("ErrImagePull", "ImagePullBackOff")
    assert "profile.startTimeout of 4 s" in lost.message
    assert not await holding(site), "the GPUs are free before it is reported"


async def test_a_node_that_is_not_there_is_lost_after_the_start_timeout(start: Any) -> None:
    site = await start(changed(job(), pool=A100 | {"nodeSelector": {"no": "such-node"}}))
    assert "nodes are available" in (await waiting_for(site, "Unschedulable")).message
    ended = await site.ended(await with_start_timeout(site, "3s"))
    assert isinstance(ended.result, Lost)
    assert (ended.result.reason, ended.seconds) == ("Unschedulable", 0)


async def test_a_missing_secret_is_what_the_attempt_waits_for(start: Any) -> None:
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "none", "key": "token"}}}
    site = await start(changed(job(), template=container(env=[secret])))
    assert 'secret "none" not found' in (await waiting_for(site, "CreateContainerConfigError")).message


async def test_a_quota_is_what_the_attempt_waits_for(start: Any) -> None:
    site = await start(job())
    await limited(site, "none", {"pods": "0"})
    assert "exceeded quota: none" in (await waiting_for(site, "QuotaExceeded")).message


async def test_a_quota_on_jobs_refuses_the_attempt(start: Any) -> None:
    site = await start(job())
    await limited(site, "some", {"count/jobs.batch": "1"})
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    with pytest.raises(ExecutorError, match="exceeded quota: some") as caught:
        await executor.ensure(site.trial(0), 1)
    assert caught.value.reason == "QuotaExceeded"


async def test_a_template_that_the_server_does_not_understand_is_refused_in_its_words(start: Any) -> None:
    site = await start(changed(job(), template={"spec": {"volumes": [{"name": "x", "emptyDir": []}]}}))
    await _refused(site, "JobInvalid", "emptyDir")


async def test_a_value_that_the_server_does_not_allow_is_refused_with_its_field(start: Any) -> None:
    site = await start(changed(job(), template={"spec": {"priority": "high"}}))
    await _refused(site, "JobInvalid", "priority")


async def _refused(site: KubernetesSite, reason: str, says: str) -> None:
    executor = await site.executor()
    with pytest.raises(ExecutorError, match=says) as caught:
        await executor.ensure(site.trial(0), 0)
    assert caught.value.reason == reason
    assert await states(executor) == {}


async def test_a_queue_holds_a_job_without_end_and_may_take_it_back(start: Any) -> None:
    site = await start(changed(job("report=seconds:0.5", "wait"), queueName="gpus", startTimeout="1s"))
    await waiting_for(site, "Queued")
    executor = await site.executor()

    async def admit(*, admitted: bool) -> None:
        patch = {"spec": {"suspend": not admitted}}
        await site.api.merge_patch(JOBS, site.namespace, executor.job_name(FIRST), patch)

    await asyncio.sleep(1.5)  # longer than the start timeout: the passing of time is what is tested
    assert isinstance((await states(executor))[FIRST], Waiting)
    executor = await with_start_timeout(site, "10m")
    await admit(admitted=True)
    await site.until(executor, lambda state: isinstance(state, Running))
    await admit(admitted=False)
    await site.until(executor, lambda state: isinstance(state, Waiting) and state.reason == "Queued")
    await admit(admitted=True)
    await site.until(executor, lambda state: isinstance(state, Running) and bool(state.reports))
    await executor.stop_early(FIRST)
    assert (await site.ended(executor)).result == Measured({"seconds": 0.5}, {"seconds": (0.5,)})


# Whose Job it is


async def test_another_s_job_of_that_name_is_left_alone(start: Any) -> None:
    site = await start(job(RESULT))
    executor = await site.executor()
    spec = {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}
    theirs = {"metadata": {"name": executor.job_name(FIRST)}, "spec": {"suspend": True, "template": {"spec": spec}}}
    await site.api.create(JOBS, site.namespace, theirs)
    with pytest.raises(ExecutorError, match="this TuningJob does not own") as caught:
        await executor.ensure(site.trial(0), 0)
    assert caught.value.reason == "NameTaken"
    await executor.cancel(FIRST)
    await executor.release(FIRST)
    assert await states(executor) == {}
    assert "deletionTimestamp" not in (await only(site, JOBS))["metadata"]


async def test_a_job_of_another_spec_is_not_taken_for_ours(start: Any) -> None:
    site = await start(job("wait"))
    await (await site.executor()).ensure(site.trial(0), 0)
    site.job = changed(site.job, iterations=7)
    with pytest.raises(ExecutorError, match="has another spec") as caught:
        await (await site.executor()).ensure(site.trial(0), 0)
    assert caught.value.reason == "NameTaken"


async def test_a_finalizer_that_somebody_took_away_is_put_back(start: Any) -> None:
    site = await start(job(RESULT, "progress=1/1", "wait"))
    executor = await running(site)
    name = executor.job_name(FIRST)
    await site.api.merge_patch(JOBS, site.namespace, name, {"metadata": {"finalizers": None}})
    assert await states(executor) == {}
    await _ensured(site)
    await executor.cancel(FIRST)
    assert (await site.ended(executor)).result == MEASURED


async def _ensured(site: KubernetesSite) -> None:
    """As the controller does it: where somebody wrote in between, such as the Job's own controller, it looks again."""
    while True:
        try:
            return await (await site.executor()).ensure(site.trial(0), 0)
        except ApiError as error:
            if not error.conflict:
                raise


async def test_to_release_what_still_runs_takes_its_pod_along(start: Any) -> None:
    sidecar = {"name": "sidecar", "image": "autoscout.local/profiler:test", "command": ["sleep", "600"]}
    sidecar["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    site = await start(changed(job(RESULT), template={"spec": {"containers": [sidecar]}}))
    executor = await site.executor()
    assert (await site.run(executor)).result == MEASURED
    await executor.release(FIRST)
    assert await states(executor) == {}
    await _gone(site)


async def test_what_a_deleted_tuning_job_left_behind_goes_away(start: Any) -> None:
    site = await start(job("parameter=tile:1", "progress=1/1"))
    executor = await site.executor()
    await site.run(executor, 0)
    await executor.ensure(site.trial(1), 0)
    await release_orphans(site.api, site.namespace, site.uid)
    await release_orphans(site.api, site.namespace, site.uid)
    assert not await listed(site, JOBS)
    await _gone(site)


async def test_the_jobs_of_another_tuning_job_are_no_orphans_of_this_one(start: Any) -> None:
    site = await start(job(RESULT))
    await site.run(await site.executor())
    await release_orphans(site.api, site.namespace, "00000000-0000-0000-0000-000000000000")
    assert (await states(await site.executor())).keys() == {FIRST}


async def _gone(site: KubernetesSite) -> None:
    async with asyncio.timeout(site.patience):
        while await listed(site, PODS):
            await site.change()


# What an old view of the cluster must not lead to


class Frozen:
    """What somebody saw a while ago."""

    def __init__(self, jobs: Sequence[Object], pods: Sequence[Object]) -> None:
        self._jobs = jobs
        self._pods = pods

    def jobs(self, uid: str) -> Sequence[Object]:
        return self._jobs

    def pods(self, uid: str) -> Sequence[Object]:
        return self._pods

    def wrote(self, job: Object) -> None:
        self._jobs = [job if job["metadata"]["uid"] == each["metadata"]["uid"] else each for each in self._jobs]


def behind(site: KubernetesSite, jobs: Sequence[Object], pods: Sequence[Object], late: float = 0) -> KubernetesExecutor:
    """An executor with an old view, perhaps with a clock that is ahead."""
    return KubernetesExecutor(site.api, site.job, site.uid, Frozen(jobs, pods), now=lambda: time.time() + late)


async def _state(executor: KubernetesExecutor) -> State:
    [observation] = await executor.observe()
    return observation.state


async def test_a_pod_that_no_watch_has_shown_yet_is_not_lost(start: Any) -> None:
    site = await start(job(RESULT))
    executor = await site.executor()
    await site.run(executor)
    async with asyncio.timeout(site.patience):
        while not (await only(site, JOBS))["status"].get("conditions"):
            await site.change()
    state = await _state(behind(site, [await only(site, JOBS)], []))
    assert isinstance(state, Ended)
    assert state.result == MEASURED


async def test_what_seems_to_wait_in_vain_is_looked_at_again_before_it_is_stopped(start: Any) -> None:
    site = await start(changed(job(RESULT, "progress=1/1", "wait"), startTimeout="10m"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    seen = await only(site, JOBS)
    await site.until(executor, lambda state: isinstance(state, Running) and bool(state.progress))
    assert isinstance(await _state(behind(site, [seen], [], late=660)), Running)
    await executor.cancel(FIRST)
    assert (await site.ended(executor)).result == MEASURED


async def test_what_was_released_is_not_seen_again_in_an_old_view(start: Any) -> None:
    site = await start(job(RESULT))
    await site.run(await site.executor())
    executor = behind(site, [await only(site, JOBS)], [await only(site, PODS)])
    assert isinstance(await _state(executor), Ended)
    await executor.release(FIRST)
    assert await executor.observe() == []


async def test_what_the_source_shows_costs_no_request(start: Any) -> None:
    site = await start(job("progress=0/1", "wait"))
    await running(site)
    executor = behind(site, [await only(site, JOBS)], [await only(site, PODS)])
    before = site.api.counts.copy()
    await executor.ensure(site.trial(0), 0)
    assert isinstance(await _state(executor), Running)
    assert site.api.counts == before


async def test_an_undisturbed_attempt_costs_two_writes(start: Any) -> None:
    site = await start(job(RESULT))
    executor = await site.executor()
    before = site.api.counts.copy()
    await site.run(executor)
    await executor.release(FIRST)
    sent = site.api.counts - before
    writes = {key: count for key, count in sent.items() if key[0] not in ("get", "list")}
    assert writes == {("create", "jobs"): 1, ("patch", "jobs"): 1}


async def test_preconditions_hold_on_the_server(start: Any) -> None:
    site = await start(job("wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    name = executor.job_name(FIRST)
    other = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(ApiError) as patched:
        await site.api.merge_patch(JOBS, site.namespace, name, {"metadata": {"resourceVersion": "1"}})
    with pytest.raises(ApiError) as deleted:
        await site.api.delete(JOBS, site.namespace, name, uid=other)
    test = {"op": "test", "path": "/metadata/uid", "value": other}
    with pytest.raises(ApiError) as tested:
        await site.api.json_patch(JOBS, site.namespace, name, [test])
    assert patched.value.conflict
    assert deleted.value.conflict
    assert tested.value.status == 422
