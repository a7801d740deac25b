"""Profiles over several nodes on a real cluster: pods that meet by name, and every way in which they end together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.cluster import Cluster
from tests.contract.site import job, states
from tests.contract.test_kubernetes_executor import (
    MEASURED,
    RESULT,
    changed,
    holding,
    listed,
    running,
    start,
    with_start_timeout,
)

from autoscout.executors.kubernetes.client import JOBS, PODS, SERVICES
from autoscout.executors.kubernetes.peers import service_name
from autoscout.executors.protocol import AttemptId, ExecutorError, Running, Waiting
from autoscout.search.outcome import Infeasible, Lost, Measured

__all__ = ["start"]

pytestmark = pytest.mark.cluster

FIRST = AttemptId(0, 0)
CPU_NODES = {"name": "cpu", "nodes": 2}
A40_NODES = {"name": "a40", "gpu": "NVIDIA-A40", "nodes": 2, "gpusPerNode": 1}


async def test_the_nodes_meet_by_name_and_the_first_one_s_result_counts(start: Any) -> None:
    steps = ("progress=0/1", "meet", "on=0:sleep=1", "on=1:result=seconds:99", f"on=0:{RESULT}")
    site = await start(changed(job(*steps), pool=A40_NODES))
    ended = await site.run(await site.executor())
    assert (ended.result, ended.gpus, ended.frames_ignored) == (MEASURED, 2, 1)
    assert ended.seconds >= 1
    names = {pod["spec"]["hostname"] for pod in await listed(site, PODS)}
    assert len(names) == 2


async def test_an_undisturbed_attempt_costs_two_writes_and_its_tuning_job_one_more(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A node that is slow to tell of its pod's end is no disturbance.
    monkeypatch.setattr("autoscout.executors.kubernetes.gang.LINGER_SECONDS", 3600.0)
    site = await start(changed(job("meet", RESULT), pool=CPU_NODES))
    executor = await site.executor()
    before = site.api.counts.copy()
    await site.run(executor, 0)
    await executor.release(FIRST)
    await site.run(executor, 1)
    await executor.release(AttemptId(1, 0))
    writes = {key: count for key, count in (site.api.counts - before).items() if key[0] not in ("get", "list")}
    assert writes == {("create", "services"): 1, ("create", "jobs"): 2, ("patch", "jobs"): 2}


async def test_a_rank_that_dies_ends_the_others_at_once_with_its_reason(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither patience with stragglers nor the timeout ends them: that would take longer than the test waits.
    monkeypatch.setattr("autoscout.executors.kubernetes.gang.LINGER_SECONDS", 3600.0)
    steps = ("meet", "on=1:error=OutOfMemory:2 GiB short", "on=1:exit=1", "progress=1/9", "wait")
    site = await start(changed(job(*steps, timeout="1h"), pool=CPU_NODES))
    ended = await site.run(await site.executor())
    assert isinstance(ended.result, Infeasible)
    assert (ended.result.reason, ended.result.message) == ("OutOfMemory", "pod 1: 2 GiB short")
    assert not await holding(site)


async def test_what_the_others_say_of_it_is_kept_behind_the_root_cause(start: Any) -> None:
    broken = "on=0:error=FrameworkError:connection reset by peer"
    steps = ("meet", broken, "on=1:sleep=0.5", "on=1:error=OutOfMemory:2 GiB short", "exit=1")
    site = await start(changed(job(*steps), pool=CPU_NODES))
    result = (await site.run(await site.executor())).result
    assert result in (
        Infeasible("OutOfMemory", "pod 1: 2 GiB short; pod 0: FrameworkError: connection reset by peer"),
        Infeasible("FrameworkError", "pod 0: connection reset by peer"),  # pod 1 was stopped before
        Infeasible("OutOfMemory", "pod 1: 2 GiB short"),  # pod 0's node told later of its end, which was near the stop
    )


async def test_a_pod_that_somebody_deletes_loses_the_attempt(start: Any) -> None:
    site = await start(changed(job("meet", "progress=0/1", "wait"), pool=CPU_NODES))
    executor = await running(site)
    [second] = [pod for pod in await listed(site, PODS) if pod["spec"]["hostname"].endswith("-1")]
    await site.api.delete(PODS, site.namespace, second["metadata"]["name"])
    lost = (await site.ended(executor)).result
    assert isinstance(lost, Lost)
    assert lost.reason in ("PodDeleted", "PodLost")


async def test_an_attempt_of_which_only_a_part_can_be_placed_waits_and_then_frees_the_gpus(start: Any) -> None:
    pool = A40_NODES | {"gpusPerNode": 3}
    site = await start(changed(job("meet", RESULT), pool=pool))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    state = await site.until(
        executor,
        lambda state: isinstance(state, Waiting) and state.reason == "Unschedulable" and state.message.startswith("1"),
    )
    assert isinstance(state, Waiting)
    assert "1 of 2 pods run; pod " in state.message
    ended = await site.ended(await with_start_timeout(site, "6s"))
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == "Unschedulable"
    assert ended.gpus == 3, "one pod held its GPUs meanwhile"
    assert ended.seconds > 0
    assert not await holding(site), "the GPUs are free before it is reported"


async def test_a_straggler_is_dismissed_and_the_result_stays(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscout.executors.kubernetes.gang.LINGER_SECONDS", 1.0)
    site = await start(changed(job("meet", f"on=0:{RESULT}", "on=1:wait"), pool=CPU_NODES))
    ended = await site.run(await site.executor())
    assert ended.result == MEASURED


async def test_what_is_cancelled_is_lost_with_all_its_pods(start: Any) -> None:
    site = await start(changed(job("meet", "progress=0/1", "wait"), pool=CPU_NODES))
    executor = await running(site)
    await executor.cancel(FIRST)
    lost = (await site.ended(executor)).result
    assert isinstance(lost, Lost)
    assert lost.reason == "Cancelled"
    assert not await holding(site)


async def test_what_is_stopped_early_answers_and_takes_the_others_along(start: Any) -> None:
    steps = ("meet", "on=0:last-word=seconds:6", "report=seconds:9", "wait")
    site = await start(changed(job(*steps), pool=CPU_NODES))
    executor = await running(site)
    await executor.stop_early(FIRST)
    ended = await site.ended(executor)
    assert ended.stopped_early
    assert getattr(ended.result, "metrics", ended.result) == {"seconds": 6.0}


async def test_what_runs_when_the_controller_dies_is_adopted_with_all_its_pods(start: Any) -> None:
    site = await start(changed(job("meet", "on=0:last-word=seconds:6", "progress=0/1", "wait"), pool=CPU_NODES))
    await running(site)
    successor = await site.executor()
    assert isinstance((await states(successor))[FIRST], Running)
    await successor.ensure(site.trial(0), 0)
    await successor.stop_early(FIRST)
    assert (await site.ended(successor)).result == Measured({"seconds": 6.0}, {})
    assert len(await listed(site, JOBS)) == 1


async def test_another_s_service_of_that_name_refuses_the_attempt(start: Any) -> None:
    site = await start(changed(job("wait"), pool=CPU_NODES))
    name = service_name(site.job.metadata.name, site.uid)
    theirs = {"metadata": {"name": name}, "spec": {"clusterIP": "None", "selector": {"app": "theirs"}}}
    await site.api.create(SERVICES, site.namespace, theirs)
    with pytest.raises(ExecutorError, match="this TuningJob does not own") as caught:
        await (await site.executor()).ensure(site.trial(0), 0)
    assert caught.value.reason == "NameTaken"
    assert not await listed(site, JOBS)


async def test_a_node_that_is_lost_loses_the_attempt_whatever_the_others_say(start: Any, cluster: Cluster) -> None:
    if cluster.external:
        pytest.skip("only a node of the test cluster can be stopped")
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"autoscout.io/trial": "0"}},
    }
    on_second_node = {"topologySpreadConstraints": [spread]}
    # The lost node's pod must not end by itself before, and the other one's error comes between two events: after the
    # node is stopped, and before Kubernetes gives up its pods, which takes 40 s.
    steps = ("meet", "progress=0/1", "on=1:wait", "sleep=30", "error=FrameworkError:connection reset by peer", "exit=1")
    site = await start(changed(job(*steps), pool=CPU_NODES, template={"spec": on_second_node}))
    executor = await running(site)
    [second] = [pod for pod in await listed(site, PODS) if pod["spec"]["hostname"].endswith("-1")]
    node = second["spec"]["nodeName"]
    await asyncio.to_thread(cluster.stop_node, node, containers=True)
    try:
        lost = (await site.ended(executor)).result
    finally:
        await asyncio.to_thread(cluster.start_node, node)
    assert isinstance(lost, Lost), lost
    assert lost.reason == "NodeLost"
