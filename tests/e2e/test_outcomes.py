"""Every way in which a measurement can end, in real pods: its trial says what happened and the search goes on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.kubectl import Kubectl, Object, runs
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import A100, NAP_AS_TOLD, nap, tuning_job

pytestmark = pytest.mark.cluster


def trials(kubectl: Kubectl) -> dict[str, Object]:
    """TuningTrials by the behaviour of their measurement."""
    return {t["spec"]["configuration"]["behaviour"]: t for t in kubectl.list("tuningtrials")}


def condition(item: Object, kind: str) -> dict[str, Any]:
    return next(c for c in item["status"]["conditions"] if c["type"] == kind)


def searching(job: Object) -> dict[str, Any]:
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == "Searching"), {})


def test_each_failure_of_the_configuration_is_an_infeasible_outcome_with_its_reason(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    expected = {
        "exit": ("Infeasible", "NonZeroExit", "no such dataset"),
        "memory": ("Infeasible", "HostOutOfMemory", "memory"),
        "hang": ("Infeasible", "DeadlineExceeded", "timeout"),
        "error-frame": ("Infeasible", "CudaOutOfMemory", "20.00 GiB"),
        "silent": ("Infeasible", "NoResult", "frame"),
    }
    limits = {"containers": [{"name": "profile", "resources": {"limits": {"memory": "128Mi"}}}]}
    kubectl.apply(
        tuning_job(
            behaviours=("ok", "garbage", *expected),
            # Only what hangs takes this long; the others have to start and end within it.
            profile={"timeout": "20s", "template": {"spec": limits}},
            budget={"parallelism": 3},
        )
    )
    kubectl.wait("condition=Complete", "tuningjob", "tune", 600)
    found = trials(kubectl)
    for behaviour, (phase, reason, words) in expected.items():
        status = found[behaviour]["status"]
        assert (status["phase"], status["reason"]) == (phase, reason), behaviour
        assert words in status["message"], behaviour
        assert len(status["attempts"]) == 1, "a fault of the configuration is not repeated"
    assert found["ok"]["status"]["metrics"] == {"seconds": 4.0}
    assert found["garbage"]["status"]["metrics"] == {"seconds": 2.0}, "torn, forged and foreign frames are ignored"
    job = kubectl.get("tuningjob", "tune")
    assert job["status"]["best"]["configuration"] == {"behaviour": "garbage"}
    assert job["status"]["best"]["speedup"] == 2.0
    assert job["status"]["progress"]["infeasible"] == len(expected)


def test_an_image_that_cannot_be_pulled_is_shown_at_once_and_fails_the_job_in_the_end(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    missing = {"image": "autoscout.local/no-such-image:1", "attempts": 2, "startTimeout": "15s"}
    kubectl.apply(tuning_job(profile=missing))
    shown = kubectl.until(
        "tuningjob",
        "tune",
        lambda job: searching(job).get("reason") in {"ErrImagePull", "ImagePullBackOff"},
        "waiting for its image",
    )
    assert "no-such-image" in searching(shown)["message"]
    assert shown["status"]["running"][0]["reason"] == searching(shown)["reason"]
    kubectl.wait("condition=Failed", "tuningjob", "tune")
    job, (trial,) = kubectl.get("tuningjob", "tune"), kubectl.list("tuningtrials")
    assert condition(job, "Failed")["reason"] == "TrialsLost"
    assert "no-such-image" in condition(job, "Failed")["message"]
    assert trial["status"]["phase"] == "Lost"
    assert len(trial["status"]["attempts"]) == 2


def test_a_gpu_request_that_no_node_can_meet_waits_visibly_and_is_lost_after_the_start_timeout(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    kubectl.apply(tuning_job(pool={**A100, "gpusPerNode": 64}, profile={"attempts": 1, "startTimeout": "15s"}))
    shown = kubectl.until(
        "tuningjob", "tune", lambda job: searching(job).get("reason") == "Unschedulable", "waiting for GPUs"
    )
    assert "Insufficient nvidia.com/gpu" in shown["status"]["message"]
    kubectl.wait("condition=Failed", "tuningjob", "tune")
    (trial,) = kubectl.list("tuningtrials")
    assert (trial["status"]["phase"], trial["status"]["reason"]) == ("Lost", "Unschedulable")
    assert trial["status"]["gpuHours"] == 0, "waiting holds no GPU"


def test_profiles_run_on_the_nodes_of_their_gpu_with_that_many_gpus(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    kubectl.apply(
        tuning_job("on-a100", nap=2),
        tuning_job("on-a40", nap=2, pool={"name": "a40", "gpu": "NVIDIA-A40", "gpusPerNode": 2}),
    )
    for name, node, gpus in (("on-a100", "a100-0", "1"), ("on-a40", "a40-0", "2")):
        kubectl.wait("condition=Complete", "tuningjob", name)
        pods = kubectl.list("pods", f"autoscout.io/tuning-job={name}")
        assert {pod["spec"]["nodeName"] for pod in pods} == {node}
        assert {pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] for pod in pods} == {gpus}
        assert float(kubectl.get("tuningjob", name)["status"]["progress"]["gpuHours"]) > 0


def test_a_pod_deleted_by_somebody_leads_to_another_attempt_of_the_same_trial(
    kubectl: Kubectl, operator: OperatorProcess
) -> None:
    kubectl.apply(nap(3600), tuning_job(behaviours=("ok",), profile=NAP_AS_TOLD))
    kubectl.until("tuningjob", "tune", runs, "running")
    kubectl.apply(nap(0))
    (pod,) = kubectl.list("pods")
    kubectl.run("delete", "pod", pod["metadata"]["name"], "--grace-period=1")
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    (trial,) = kubectl.list("tuningtrials")
    deleted, measured = (attempt["reason"] for attempt in trial["status"]["attempts"])
    assert deleted in ("PodDeleted", "PodLost"), "as it looks while the pod goes, or afterwards"
    assert measured == "Measured"
    assert kubectl.get("tuningjob", "tune")["status"]["progress"]["profiled"] == 1
