"""TuningJobs whose profiles run over two nodes, in real pods that meet by name; also while the operator is killed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from tests.support.fixtures import StartOperator
from tests.support.kubectl import Kubectl, Object
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import tuning_job

from autoscout.executors.kubernetes.gang import LINGER_SECONDS

pytestmark = pytest.mark.cluster

A40_NODES = {"name": "a40", "gpu": "NVIDIA-A40", "nodes": 2, "gpusPerNode": 1}
KILLS = 8


def gang(*steps: str, values: tuple[int, ...] = (1, 2, 3), pool: Object | None = None, **spec: Any) -> Object:
    """A TuningJob over two nodes whose only parameter is `tile`, the default is its first value."""
    job = tuning_job(
        pool=pool or A40_NODES,
        profile={"command": ["python3", "-m", "autoscout_profiler", "selftest"], "args": list(steps), "env": []},
        **spec,
    )
    parameter = {"name": "tile", "kind": "execution", "values": list(values), "default": values[0]}
    job["spec"]["searchSpace"] = {"parameters": [parameter]}
    return job


def statuses(kubectl: Kubectl) -> dict[int, Object]:
    """The status of each trial, by its value of `tile`."""
    return {trial["spec"]["configuration"]["tile"]: trial["status"] for trial in kubectl.list("tuningtrials")}


def seconds_alone(kubectl: Kubectl, job: str) -> float:
    """How long the others of a failed Job went on after its second pod had failed, however long all took to start."""
    # Its trial ends with its pods, the Job itself a moment later.
    kubectl.wait("condition=Failed", "job", job)
    (failed,) = (
        datetime.fromisoformat(condition["lastTransitionTime"])
        for condition in kubectl.get("job", job)["status"]["conditions"]
        if condition["type"] == "Failed"
    )
    (second,) = kubectl.list("pods", f"job-name={job},batch.kubernetes.io/job-completion-index=1")
    (container,) = second["status"]["containerStatuses"]
    return (failed - datetime.fromisoformat(container["state"]["terminated"]["finishedAt"])).total_seconds()


def test_two_nodes_find_each_other_and_one_of_them_reports(
    kubectl: Kubectl, operator: OperatorProcess, figure: Callable[[str, object], None]
) -> None:
    kubectl.apply(gang("meet", "on=1:parameter=tile:100", "on=0:parameter=tile:1", values=(3, 2, 1)))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert {tile: status["metrics"] for tile, status in statuses(kubectl).items()} == {
        tile: {"seconds": float(tile)} for tile in (1, 2, 3)
    }
    job = kubectl.get("tuningjob", "tune")
    assert job["status"]["best"]["configuration"] == {"tile": 1}
    pods, services = kubectl.list("pods"), kubectl.list("services")
    assert len(pods) == 6
    assert len(services) == 1
    seconds = {tile: status["attempts"][0]["seconds"] for tile, status in statuses(kubectl).items()}
    for tile, status in statuses(kubectl).items():
        assert status["gpuHours"] == pytest.approx(2 * seconds[tile] / 3600), "the GPUs of both pods are counted"
    figure("seconds of a two-node profile that does nothing", sorted(seconds.values()))
    requests = operator.metric("autoscout_api_requests_total")
    writes = sum(requests[labels] for labels in requests if re.search(r'verb="(create|update|patch|delete)"', labels))
    figure("API writes per two-node profile, its share of the TuningJob's included", f"{writes / 3:.2f} (3 profiles)")
    assert requests['{resource="services",verb="create"}'] == 1
    kubectl.delete("tuningjob", "tune")
    kubectl.run("wait", "service", "--all", "--for=delete", "--timeout=120s")


def test_a_rank_that_dies_ends_its_trial_at_once_and_the_search_goes_on(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    steps = ("meet", "on=1:error=OutOfMemory:2 GiB short", "on=1:exit=$(params.tile)", "on=0:wait")
    kubectl.apply(gang(*steps, budget={"maxProfiles": 2}))
    kubectl.wait("condition=Failed", "tuningjob", "tune")
    for status in statuses(kubectl).values():
        assert (status["phase"], status["reason"]) == ("Infeasible", "OutOfMemory")
        assert status["message"] == "pod 1: 2 GiB short"
        assert len(status["attempts"]) == 1
        # Well before the operator would end the others, the Job's controller did.
        assert seconds_alone(kubectl, status["job"]) < LINGER_SECONDS


def test_killing_the_operator_loses_no_profile_of_two_nodes_and_repeats_none(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    moments = random.Random(4)
    kubectl.apply(gang("meet", "sleep=1", "on=0:parameter=tile:1"))
    operator = start_operator()
    operator.kill()
    for _ in range(KILLS):
        operator.start(wait=False)
        time.sleep(moments.uniform(0.5, 4.5))  # the moment itself is what is tested
        operator.kill()
    operator.start()
    kubectl.wait("condition=Complete", "tuningjob", "tune", 600)
    for tile, status in statuses(kubectl).items():
        assert status["metrics"] == {"seconds": float(tile)}
        assert [attempt["reason"] for attempt in status["attempts"]] == ["Measured"]
    jobs, pods = kubectl.list("jobs"), kubectl.list("pods")
    assert (len(jobs), len(pods), len(kubectl.list("services"))) == (3, 6, 1), "each profile was started exactly once"
    assert not any(job["metadata"].get("finalizers") for job in jobs), "every Job was let go"
