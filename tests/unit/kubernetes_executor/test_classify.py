"""Every way in which a Job can go, and what it means. One line a case."""

from __future__ import annotations

import pytest
from tests.unit.kubernetes_executor.objects import (
    ATTEMPT,
    START,
    TRIAL,
    Object,
    disrupted,
    frame,
    job,
    job_condition,
    pod,
    running,
    terminated,
    unscheduled,
    waiting,
)

from autoscout.executors.kubernetes.classify import Limits, classify
from autoscout.executors.kubernetes.harvest import scan
from autoscout.executors.kubernetes.views import JobView, PodView, Stop
from autoscout.executors.protocol import Ended, Running, State, Waiting
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout_profiler.frames import Error, Progress, Result

NOW = 100
LIMITS = Limits(start_timeout=600, timeout=1800)
RESULT = Result({"seconds_per_iteration": 1.5}, {"seconds_per_iteration": (1.4, 1.6)})
MEASURED = Measured({"seconds_per_iteration": 1.5}, {"seconds_per_iteration": (1.4, 1.6)})
FAILED = job_condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
COMPLETE = job_condition("Complete", "CompletionsReached")


def state(
    a_job: Object,
    a_pod: Object | None = None,
    *,
    log: str = "",
    now: float = NOW,
    log_read: bool = True,
    creation_failure: str = "",
) -> State | Stop:
    view = PodView.of(a_pod) if a_pod is not None else None
    end = view.terminated if view is not None else None
    scanner = scan(TRIAL, ATTEMPT, log.encode(), end.message if end is not None else "")
    return classify(
        JobView.of(a_job),
        view,
        scanner,
        now=START + now,
        limits=LIMITS,
        log_read=log_read,
        creation_failure=creation_failure,
    )


CONFIGURATION = {
    "exit code": (job(FAILED), pod("Failed", terminated(3)), "NonZeroExit"),
    "killed for memory": (job(FAILED), pod("Failed", terminated(137, "OOMKilled")), "HostOutOfMemory"),
    "killed for memory, whatever the profiler said last": (
        job(FAILED),
        pod("Failed", terminated(137, "OOMKilled", message=frame(Error("Crashed")))),
        "HostOutOfMemory",
    ),
    "out of GPU memory": (
        job(FAILED),
        pod("Failed", terminated(1, message=frame(Error("CudaOutOfMemory", "CUDA out of memory")))),
        "CudaOutOfMemory",
    ),
    "invalid configuration": (
        job(FAILED),
        pod("Failed", terminated(2, message=frame(Error("InvalidConfiguration", "heads % tp != 0")))),
        "InvalidConfiguration",
    ),
    "no result at all": (job(COMPLETE), pod("Succeeded", terminated(0)), "NoResult"),
    "program not found": (
        job(FAILED),
        pod("Failed", terminated(128, "StartError", message='exec: "/no/such": no such file')),
        "StartError",
    ),
    "deadline of the pod": (job(FAILED), pod("Failed", terminated(137), reason="DeadlineExceeded"), "DeadlineExceeded"),
    "deadline of the pod, container not yet reported": (
        job(FAILED),
        pod("Failed", running(), reason="DeadlineExceeded"),
        "DeadlineExceeded",
    ),
    "deadline of the Job": (
        job(job_condition("Failed", "DeadlineExceeded")),
        pod("Failed", terminated(143), deletion=(95, 5)),
        "DeadlineExceeded",
    ),
    "its own storage limit": (
        job(FAILED),
        pod(
            "Failed",
            terminated(137),
            reason="Evicted",
            message="Pod ephemeral local storage usage exceeds the total limit",
        ),
        "StorageLimitExceeded",
    ),
}

INFRASTRUCTURE = {
    "node under pressure": (
        job(FAILED),
        pod(
            "Failed",
            terminated(137),
            disrupted("TerminationByKubelet", "The node was low on resource: memory."),
            reason="Evicted",
        ),
        "Evicted",
    ),
    "eviction API (kubectl drain)": (
        job(FAILED),
        pod("Failed", terminated(137), disrupted("EvictionByEvictionAPI"), deletion=(90, 5)),
        "Evicted",
    ),
    "preempted by the scheduler": (
        job(FAILED),
        pod("Failed", terminated(143), disrupted("PreemptionByScheduler")),
        "Preempted",
    ),
    "preempted by the kubelet": (
        job(FAILED),
        pod("Failed", terminated(143), disrupted("TerminationByKubelet"), reason="Preempting"),
        "Preempted",
    ),
    "taint": (job(FAILED), pod("Failed", terminated(137), disrupted("DeletionByTaintManager")), "NodeLost"),
    "pod garbage collection": (
        job(FAILED),
        pod("Failed", None, disrupted("DeletionByPodGC", "PodGC: node no longer exists")),
        "PodGarbageCollected",
    ),
    "node shutdown": (
        job(FAILED),
        pod("Failed", terminated(137), disrupted("TerminationByKubelet"), reason="Terminated"),
        "NodeShutdown",
    ),
    "node shutdown, old kubelet": (job(FAILED), pod("Failed", terminated(137), reason="Shutdown"), "NodeShutdown"),
    "a disruption that we don't know": (
        job(FAILED),
        pod("Failed", terminated(137), disrupted("SomethingNew", "a later Kubernetes")),
        "Disrupted",
    ),
    "refused by the kubelet": (
        job(FAILED),
        pod("Failed", None, reason="UnexpectedAdmissionError", message="Allocate failed: no GPU", started=None),
        "UnexpectedAdmissionError",
    ),
    "node does not answer": (
        job(),
        pod("Running", running(), deletion=(65, 5)),
        "NodeLost",
    ),
    "node does not answer, tainted": (
        job(),
        pod("Running", running(), disrupted("DeletionByTaintManager"), deletion=(65, 5)),
        "NodeLost",
    ),
    "node restarted": (
        job(FAILED),
        pod("Failed", terminated(137, "ContainerStatusUnknown", finished=None)),
        "ContainerStatusUnknown",
    ),
    "the pod was deleted": (job(), pod("Failed", terminated(137), deletion=(88, 5)), "PodDeleted"),
    "the pod is gone": (job(FAILED, failed=1), None, "PodLost"),
    "the pod is gone although it succeeded": (job(COMPLETE, succeeded=1), None, "PodLost"),
    "the pod was deleted, and its kubelet has let go of it since": (
        job(),
        pod("Failed", terminated(143), deletion=(93, 0)),
        "PodDeleted",
    ),
    "the Job was deleted": (job(deleted=80), pod("Failed", terminated(137), deletion=(85, 5)), "JobDeleted"),
    "the Job was deleted, the pod is gone": (job(deleted=80), None, "JobDeleted"),
    "suspended by hand, and so failed": (
        job(FAILED, suspend=True),
        pod("Failed", terminated(143), deletion=(85, 5)),
        "Suspended",
    ),
    "an init container": (
        job(FAILED),
        pod(
            "Failed",
            waiting("PodInitializing"),
            init=[{"name": "fetch", "state": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": None}}}],
        ),
        "InitContainerFailed",
    ),
    "the deadline passed before the container began": (
        job(FAILED),
        pod("Failed", waiting("ContainerCreating"), reason="DeadlineExceeded"),
        "SlowStart",
    ),
    "most of the deadline went into pulling the image": (
        job(FAILED),
        pod("Failed", terminated(137, begun=900, finished=1801), reason="DeadlineExceeded"),
        "SlowStart",
    ),
    "the profiler blames the platform": (
        job(FAILED),
        pod("Failed", terminated(1, message=frame(Error("Infrastructure", "NCCL: link down")))),
        "Infrastructure",
    ),
    "SIGTERM from outside": (job(FAILED), pod("Failed", terminated(143)), "Terminated"),
    "cancelled": (
        job(stopped=("Cancelled", "stopped", 1), deleted=80),
        pod("Failed", terminated(137), deletion=(85, 5)),
        "Cancelled",
    ),
    "cancelled, the pod is gone": (job(stopped=("Cancelled", "stopped", 1), deleted=80), None, "Cancelled"),
    "never ran": (job(stopped=("ErrImagePull", "no such image", 1), deleted=80), None, "ErrImagePull"),
}


@pytest.mark.parametrize("name", CONFIGURATION)
def test_a_fault_of_the_configuration_makes_it_infeasible(name: str) -> None:
    a_job, a_pod, reason = CONFIGURATION[name]
    ended = state(a_job, a_pod, now=2000)
    assert isinstance(ended, Ended)
    assert isinstance(ended.result, Infeasible)
    assert ended.result.reason == reason


@pytest.mark.parametrize("name", INFRASTRUCTURE)
def test_a_fault_of_the_infrastructure_loses_the_attempt(name: str) -> None:
    a_job, a_pod, reason = INFRASTRUCTURE[name]
    ended = state(a_job, a_pod, now=2000)
    assert isinstance(ended, Ended)
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == reason
    assert ended.result.message


WITH_A_POD = {name: case for name, case in (CONFIGURATION | INFRASTRUCTURE).items() if case[1] is not None}


@pytest.mark.parametrize("name", WITH_A_POD)
def test_a_result_counts_whatever_happened_afterwards(name: str) -> None:
    a_job, a_pod, _ = WITH_A_POD[name]
    ended = state(a_job, a_pod, log=frame(RESULT, sequence=9), now=2000)
    assert isinstance(ended, Ended)
    assert ended.result == MEASURED


WAITING = {
    "no pod yet": (job(), None, "PodPending"),
    "not seen by the scheduler": (job(), pod("Pending", started=None), "PodPending"),
    "no free node": (
        job(),
        pod("Pending", None, unscheduled("Unschedulable", "0/2 nodes"), started=None),
        "Unschedulable",
    ),
    "image being pulled": (job(), pod("Pending", waiting("ContainerCreating")), "ContainerCreating"),
    "image can't be pulled": (job(), pod("Pending", waiting("ErrImagePull", "not found")), "ErrImagePull"),
    "image can't be pulled, again": (job(), pod("Pending", waiting("ImagePullBackOff")), "ImagePullBackOff"),
    "image not on the node": (job(), pod("Pending", waiting("ErrImageNeverPull")), "ErrImageNeverPull"),
    "a secret is missing": (
        job(),
        pod("Pending", waiting("CreateContainerConfigError", 'secret "x" not found')),
        "CreateContainerConfigError",
    ),
    "container can't be made": (job(), pod("Pending", waiting("CreateContainerError")), "CreateContainerError"),
    "container can't be run": (job(), pod("Pending", waiting("RunContainerError")), "RunContainerError"),
    "image of an init container": (
        job(),
        pod("Pending", waiting("PodInitializing"), init=[{"name": "fetch", "state": waiting("ImagePullBackOff")}]),
        "ImagePullBackOff",
    ),
}


@pytest.mark.parametrize("name", WAITING)
def test_what_has_not_started_waits_for_a_reason(name: str) -> None:
    a_job, a_pod, reason = WAITING[name]
    found = state(a_job, a_pod)
    assert isinstance(found, Waiting)
    assert (found.reason, found.since) == (reason, START)
    assert found.message


@pytest.mark.parametrize("name", WAITING)
def test_what_waits_longer_than_the_start_timeout_is_stopped_with_its_reason(name: str) -> None:
    a_job, a_pod, reason = WAITING[name]
    assert isinstance(state(a_job, a_pod, now=600), Waiting)
    found = state(a_job, a_pod, now=601)
    assert isinstance(found, Stop)
    assert found.reason == reason
    assert "startTimeout of 600 s" in found.message


def test_a_quota_that_keeps_the_pod_from_being_made_is_named() -> None:
    found = state(job(), creation_failure='Error creating: pods "x" is forbidden: exceeded quota: gpus')
    assert found == Waiting("QuotaExceeded", 'Error creating: pods "x" is forbidden: exceeded quota: gpus', START)
    found = state(job(), creation_failure="Error creating: no PriorityClass with name nope was found")
    assert isinstance(found, Waiting)
    assert found.reason == "FailedCreate"


def test_an_image_name_that_is_none_is_not_waited_for() -> None:
    assert state(job(), pod("Pending", waiting("InvalidImageName", "bad:::name"))) == Stop(
        "InvalidImageName", "bad:::name", START + 1
    )


@pytest.mark.parametrize(
    "a_pod",
    [None, pod("Failed", terminated(143), deletion=(85, 5))],
    ids=["not admitted yet", "stopped by its queue while it ran"],
)
def test_a_job_in_a_queue_waits_for_ever(a_pod: Object | None) -> None:
    found = state(job(suspend=True, started=None), a_pod, now=10**6)
    assert isinstance(found, Waiting)
    assert found.reason == "Queued"


def test_time_in_a_queue_does_not_count_for_the_start_timeout() -> None:
    assert isinstance(state(job(started=5000), now=5599), Waiting)
    assert isinstance(state(job(started=5000), now=5601), Stop)


def test_a_scheduling_gate_is_waited_for_without_end() -> None:
    gated = pod("Pending", None, unscheduled("SchedulingGated", "Scheduling is blocked"), started=None)
    found = state(job(), gated, now=10**6)
    assert isinstance(found, Waiting)
    assert found.reason == "SchedulingGated"


def test_a_running_pod_shows_its_progress_since_its_start() -> None:
    found = state(job(active=1), pod("Running", running()), log=frame(Progress(3, 10)))
    assert isinstance(found, Running)
    assert (found.since, found.progress["iteration"], found.progress["iterations"]) == (START + 1, 3, 10)


@pytest.mark.parametrize(
    "a_pod",
    [
        pod("Running", running(), deletion=(110, 30)),
        pod("Running", terminated(0, finished=95)),
    ],
    ids=["being deleted", "container ended, pod not yet reported"],
)
def test_an_attempt_runs_until_its_pod_has_ended(a_pod: Object) -> None:
    assert isinstance(state(job(active=1), a_pod), Running)


def test_a_sidecar_does_not_keep_a_measurement_from_ending() -> None:
    ended = state(job(active=1), pod("Running", terminated(0, finished=80)), log=frame(RESULT))
    assert isinstance(ended, Ended)
    assert ended.result == MEASURED


def test_a_deleted_job_whose_pod_goes_on_is_stopped() -> None:
    found = state(job(deleted=90), pod("Running", running()))
    assert isinstance(found, Stop)
    assert found.reason == "JobDeleted"


def test_a_stop_that_was_not_carried_out_is_repeated() -> None:
    going_on = pod("Running", running())
    cancelled = ("Cancelled", "stopped by AutoScout", 1.0)
    expected = Stop("Cancelled", "stopped by AutoScout", START + 1)
    assert state(job(stopped=cancelled), going_on) == expected, "the operator died before the deletion"
    assert state(job(stopped=cancelled)) == expected
    assert isinstance(state(job(stopped=cancelled, deleted=95), going_on), Running), "garbage collection takes a moment"
    assert state(job(stopped=cancelled, deleted=80), going_on) == expected, "garbage collection forgot the pod"


def test_what_had_ended_by_itself_keeps_its_reason_when_it_is_stopped_too_late() -> None:
    ended = state(
        job(FAILED, stopped=("Cancelled", "", 1), deleted=95),
        pod("Failed", terminated(137, "OOMKilled"), deletion=(95, 0)),
    )
    assert isinstance(ended, Ended)
    assert ended.result == Infeasible("HostOutOfMemory", ended.result.message)  # type: ignore[union-attr]


def test_a_good_end_without_any_trace_is_lost_not_infeasible() -> None:
    ended = state(job(COMPLETE), pod("Succeeded", terminated(0)), log_read=False)
    assert isinstance(ended, Ended)
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == "LogLost"


def test_the_termination_message_is_enough() -> None:
    ended = state(job(COMPLETE), pod("Succeeded", terminated(0, message=frame(RESULT))), log_read=False)
    assert isinstance(ended, Ended)
    assert ended.result == MEASURED


def test_the_log_adds_the_samples_that_the_termination_message_had_no_room_for() -> None:
    short = frame(Result(RESULT.metrics, samples_omitted=True))
    ended = state(job(COMPLETE), pod("Succeeded", terminated(0, message=short)), log=f"noise\n{frame(RESULT)}\n")
    assert isinstance(ended, Ended)
    assert ended.result == MEASURED
    assert ended.frames_ignored == 0


def test_ignored_frames_are_counted() -> None:
    forged = frame(RESULT)[:-1] + "!"
    ended = state(job(COMPLETE), pod("Succeeded", terminated(0)), log=f"{forged}\n{frame(RESULT)}\n")
    assert isinstance(ended, Ended)
    assert (ended.result, ended.frames_ignored) == (MEASURED, 1)


@pytest.mark.parametrize(
    ("a_job", "a_pod", "seconds"),
    [
        (job(FAILED), pod("Failed", terminated(3), gpus=2), 89),
        (job(FAILED), pod("Failed", None, reason="OutOfcpu", started=None, gpus=2), 0),
        (job(), pod("Running", running(), deletion=(65, 5), gpus=2), 64),
        (job(FAILED, failed=1, gpus=2), None, 90),
        (job(stopped=("Cancelled", "", 10), deleted=80, gpus=2), None, 70),
        (job(stopped=("Unschedulable", "", None), deleted=80, gpus=2), None, 0),
    ],
    ids=["pod's start to container's end", "never started", "node lost", "pod gone", "cancelled", "never scheduled"],
)
def test_the_cost_is_the_time_that_the_pod_held_its_gpus(a_job: Object, a_pod: Object | None, seconds: float) -> None:
    ended = state(a_job, a_pod)
    assert isinstance(ended, Ended)
    assert (ended.seconds, ended.gpus) == (seconds, 2)


# What we ended early


def test_a_pod_whose_deadline_we_shortened_is_measured_by_its_reports() -> None:
    reports = [Progress(1, 9, {"seconds_per_iteration": 9.0}), Progress(2, 9, {"seconds_per_iteration": 7.0})]
    log = "".join(frame(report, report.iteration) + "\n" for report in reports)
    found = state(job(FAILED), pod("Failed", terminated(143), reason="DeadlineExceeded", deadline=60), log=log)
    assert isinstance(found, Ended)
    assert found.stopped_early
    assert found.result == Measured({"seconds_per_iteration": 8.0}, {"seconds_per_iteration": (9.0, 7.0)})


def test_its_answer_outweighs_its_reports() -> None:
    shortened = pod("Failed", terminated(0, message=frame(RESULT)), reason="DeadlineExceeded", deadline=60)
    found = state(job(FAILED), shortened)
    assert isinstance(found, Ended)
    assert (found.result, found.stopped_early) == (MEASURED, True)


def test_one_that_ended_before_we_could_stop_it_was_not_stopped_early() -> None:
    found = state(job(FAILED), pod("Failed", terminated(3), deadline=60))
    assert isinstance(found, Ended)
    assert not found.stopped_early
    assert isinstance(found.result, Infeasible)


def test_without_any_report_it_is_lost() -> None:
    found = state(job(FAILED), pod("Failed", terminated(143), reason="DeadlineExceeded", deadline=60), log_read=False)
    assert isinstance(found, Ended)
    assert isinstance(found.result, Lost)
    assert found.result.reason == "CannotWin"
