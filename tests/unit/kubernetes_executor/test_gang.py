"""Several pods, one attempt: what their ends mean together. One line a case."""

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
)

from autoscout.executors.kubernetes.classify import Limits
from autoscout.executors.kubernetes.gang import LINGER_SECONDS, Dismiss, Member, classify_gang
from autoscout.executors.kubernetes.harvest import scan
from autoscout.executors.kubernetes.views import JobView, PodView, Stop
from autoscout.executors.protocol import Ended, Running, State, Waiting
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout_profiler.frames import Error, Result

NOW = 100.0
LIMITS = Limits(start_timeout=600, timeout=1800)
RESULT = frame(Result({"seconds": 1.5}))
FAILED = job_condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
COMPLETE = job_condition("Complete", "CompletionsReached")
TWO = job(nodes=2)


def over(index: int, code: int = 0, message: str = "", *, at: float = 60, reason: str = "", **fields: object) -> Object:
    phase = "Failed" if code else "Succeeded"
    state = terminated(code, reason or "Error", message=message, finished=at)
    return pod(phase, state, index=index, **fields)  # type: ignore[arg-type]


def goes_on(index: int, **fields: object) -> Object:
    return pod("Running", running(), index=index, **fields)  # type: ignore[arg-type]


def state(a_job: Object, *pods: Object | None, now: float = NOW) -> State | Stop | Dismiss:
    gang = []
    for index, each in enumerate(pods):
        view = PodView.of(each) if each is not None else None
        end = view.terminated if view is not None else None
        gang.append(Member(index, view, scan(TRIAL, ATTEMPT, b"", end.message if end is not None else "")))
    return classify_gang(JobView.of(a_job), gang, now=START + now, limits=LIMITS)


def ended(a_job: Object, *pods: Object | None, now: float = NOW) -> Outcome:
    found = state(a_job, *pods, now=now)
    assert isinstance(found, Ended), found
    return found.result


OUT_OF_MEMORY = frame(Error("OutOfMemory", "2 GiB short"))
RESET = frame(Error("FrameworkError", "connection reset by peer"))

CAUSES: dict[str, tuple[Object, list[Object | None], Outcome]] = {
    "a rank that died, the other one was stopped and is gone": (
        job(FAILED, nodes=2),
        [None, over(1, 1, OUT_OF_MEMORY)],
        Infeasible("OutOfMemory", "pod 1: 2 GiB short"),
    ),
    "the root cause, although its echo came first": (
        job(FAILED, nodes=2),
        [over(0, 1, RESET, at=58), over(1, 1, OUT_OF_MEMORY, at=60)],
        Infeasible("OutOfMemory", "pod 1: 2 GiB short; pod 0: FrameworkError: connection reset by peer"),
    ),
    "of two alike the earlier one": (
        job(FAILED, nodes=2),
        [over(0, 1, RESET, at=60), over(1, 1, frame(Error("FrameworkError", "no such file")), at=58)],
        Infeasible("FrameworkError", "pod 1: no such file; pod 0: FrameworkError: connection reset by peer"),
    ),
    "one that only misses the other gives way to whatever that one says": (
        job(FAILED, nodes=2),
        [
            over(0, 1, frame(Error("PeerLost", "node 1 is gone")), at=50),
            over(1, 1, frame(Error("FrameworkError", "x"))),
        ],
        Infeasible("FrameworkError", "pod 1: x; pod 0: PeerLost: node 1 is gone"),
    ),
    "one that only misses the other, which is gone": (
        job(FAILED, nodes=2),
        [over(0, 1, frame(Error("PeerLost", "node 1 is gone"))), None],
        Lost("PeerLost", "pod 0: node 1 is gone"),
    ),
    "an eviction outweighs what the others say of it": (
        job(FAILED, nodes=2),
        [
            over(0, 1, RESET),
            pod("Failed", terminated(143), disrupted("EvictionByEvictionAPI", "drained"), index=1, deletion=(57, 5)),
        ],
        Lost("Evicted", "pod 1: drained; pod 0: FrameworkError: connection reset by peer"),
    ),
    "a node that does not answer outweighs a hang": (
        job(FAILED, nodes=2),
        [over(0, 1, frame(Error("Hang", "no progress for 300 s"))), goes_on(1, deletion=(65, 5))],
        Lost("NodeLost", "pod 1: the pod was deleted, and its node does not answer; pod 0: Hang: no progress for"),
    ),
    "what the configuration did itself outweighs a node that does not answer": (
        job(FAILED, nodes=2),
        [over(0, 1, OUT_OF_MEMORY), goes_on(1, deletion=(65, 5))],
        Infeasible(
            "OutOfMemory", "pod 0: 2 GiB short; pod 1: NodeLost: the pod was deleted, and its node does not answer"
        ),
    ),
    "a pod that the Job's controller deleted is no cause": (
        job(FAILED, nodes=2),
        [over(0, 3, at=60), pod("Failed", terminated(143, finished=66), index=1, deletion=(66, 5))],
        Infeasible("NonZeroExit", "pod 0: exited with code 3"),
    ),
    "a pod that somebody deleted is one": (
        job(FAILED, nodes=2),
        [over(0, 1, RESET, at=60), pod("Failed", terminated(143, finished=58), index=1, deletion=(61, 5))],
        Lost("PodDeleted", "pod 1: the pod was deleted while it ran; pod 0: FrameworkError: connection reset by peer"),
    ),
    "the Job says that the platform was to blame, the pod is gone": (
        job(job_condition("Failed", "PodFailurePolicy", "Pod ml/x-1 has condition DisruptionTarget"), nodes=2),
        [over(0, 1, RESET), None],
        Lost("Disrupted", "Pod ml/x-1 has condition DisruptionTarget"),
    ),
    "all pods are gone": (
        job(FAILED, nodes=2, failed=2),
        [None, None],
        Lost(
            "PodLost",
            "pods disappeared before they were read: BackoffLimitExceeded: Job has reached the specified backoff limit",
        ),
    ),
    "the first one ended without a result": (
        job(COMPLETE, nodes=2),
        [over(0), over(1)],
        Infeasible("NoResult", "pod 0: "),
    ),
    "stopped by us, all pods are gone": (
        job(nodes=2, stopped=("Cancelled", "stopped by AutoScout", 1.0), deleted=50),
        [None, None],
        Lost("Cancelled", "pod 0: stopped by AutoScout; pod 1: Cancelled: stopped by AutoScout"),
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_the_root_cause_ends_the_attempt_and_the_others_stand_behind_it(case: str) -> None:
    a_job, pods, expected = CAUSES[case]
    found = ended(a_job, *pods)
    assert not isinstance(found, Measured)
    assert not isinstance(expected, Measured)
    assert type(found) is type(expected)
    assert found.reason == expected.reason
    assert found.message.startswith(expected.message), found.message


def test_only_the_first_pod_measures() -> None:
    assert ended(job(COMPLETE, nodes=2), over(0, message=RESULT), over(1)) == Measured({"seconds": 1.5}, {})


@pytest.mark.parametrize("second", [over(1, 1, RESET, at=62), None], ids=["failed", "gone"])
def test_a_result_outweighs_what_happened_to_the_others(second: Object | None) -> None:
    assert ended(job(FAILED, nodes=2), over(0, message=RESULT), second) == Measured({"seconds": 1.5}, {})


def test_what_the_first_pod_had_when_it_was_stopped_for_another_s_fault_is_no_result() -> None:
    stopped = pod("Failed", terminated(0, message=RESULT, finished=66), index=0, deletion=(66, 5))
    assert ended(job(FAILED, nodes=2), stopped, over(1, 1, OUT_OF_MEMORY, at=60)) == Infeasible(
        "OutOfMemory", "pod 1: 2 GiB short"
    )
    torn_down = ended(job(FAILED, nodes=2), stopped, over(1, 1, RESET, at=60))
    assert isinstance(torn_down, Measured), "it may be that pod 1 only missed the first one's farewell"


def test_it_has_ended_only_when_the_last_pod_has() -> None:
    found = state(job(FAILED, nodes=2), over(0, 1, OUT_OF_MEMORY), goes_on(1, deletion=(103, 5)))
    assert isinstance(found, Running), "its GPUs are not free yet"


def test_pods_that_go_on_after_the_end_of_the_first_one_are_dismissed() -> None:
    pods = over(0, message=RESULT, at=60), goes_on(1)
    assert isinstance(state(TWO, *pods, now=60 + LINGER_SECONDS - 1), Running)
    found = state(TWO, *pods, now=60 + LINGER_SECONDS + 1)
    assert isinstance(found, Dismiss)
    assert [each.index for each in found.pods] == [1]


def test_a_pod_that_ended_well_before_the_first_one_is_no_reason_to_end() -> None:
    found = state(TWO, goes_on(0), over(1, at=10), now=NOW)
    assert isinstance(found, Running)


def test_while_one_of_them_waits_all_do() -> None:
    waits = pod("Pending", None, unscheduled("Unschedulable", "0/2 nodes"), started=None, index=1)
    found = state(TWO, goes_on(0), waits)
    assert found == Waiting("Unschedulable", "1 of 2 pods run; pod 1: 0/2 nodes", START)


def test_after_the_start_timeout_the_whole_attempt_is_stopped_and_what_it_held_is_written_down() -> None:
    waits = pod("Pending", None, unscheduled("Unschedulable", "0/2 nodes"), started=None, index=1, gpus=4)
    found = state(job(nodes=2, gpus=4), goes_on(0, gpus=4), waits, now=601)
    assert isinstance(found, Stop)
    assert (found.reason, found.started, found.gpus) == ("Unschedulable", START + 1, 4)


def test_what_it_held_is_counted_when_it_was_stopped() -> None:
    stopped = job(nodes=2, gpus=4, stopped=("Unschedulable", "0/2 nodes", 1.0), stopped_gpus=4, deleted=50)
    found = state(stopped, None, None)
    assert isinstance(found, Ended)
    assert (found.seconds, found.gpus) == (49.0, 4)


def test_a_pod_that_is_taken_away_ends_the_attempt_at_once() -> None:
    evicted = goes_on(1, deletion=(104, 5))
    evicted["status"]["conditions"] = [disrupted("EvictionByEvictionAPI", "drained")]
    found = state(TWO, goes_on(0), evicted)
    assert isinstance(found, Stop), "soon its pod will be gone, and nobody could tell any more"
    assert (found.reason, found.message) == ("Evicted", "pod 1: drained")


def test_a_queue_that_takes_the_job_back_ends_nothing() -> None:
    suspended = job(nodes=2, suspend=True, started=None)
    found = state(suspended, goes_on(0, deletion=(104, 5)), goes_on(1, deletion=(104, 5)))
    assert isinstance(found, Running)
    found = state(suspended, None, None)
    assert isinstance(found, Waiting)
    assert found.reason == "Queued"


def test_all_pods_are_paid_for_from_the_first_start_to_the_last_end() -> None:
    first = over(0, message=RESULT, at=60, gpus=8, started=5.0)
    found = state(job(COMPLETE, nodes=2, gpus=8), first, over(1, at=70, gpus=8, started=1.0))
    assert isinstance(found, Ended)
    assert (found.seconds, found.gpus) == (69.0, 16)


def test_a_deadline_that_came_before_the_last_pod_had_begun_says_nothing_of_the_configuration() -> None:
    late = pod("Failed", terminated(137), reason="DeadlineExceeded", index=0)
    never = pod("Failed", reason="NodeAffinity", message="no room", index=1)
    found = ended(job(FAILED, nodes=2), late, never, now=1900)
    assert isinstance(found, Lost)
    assert found.reason == "SlowStart"
    last = pod("Failed", terminated(137), reason="DeadlineExceeded", index=1)
    assert isinstance(ended(job(FAILED, nodes=2), late, last, now=1900), Infeasible), "both had their time"
