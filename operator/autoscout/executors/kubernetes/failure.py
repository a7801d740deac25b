"""Why an ended attempt has no result. Pure.

The order matters, for one failure shows in many places: what we stopped, the deadline, what the platform or a person
did to the pod, what never started, what was killed for memory; then the profiler's own error frame and the exit code
(`executors.verdict`). Infrastructure loses the attempt (`Lost`), the configuration's fault makes it `Infeasible`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from autoscout.executors.kubernetes.views import JobView, PodView
from autoscout.executors.verdict import deadline_exceeded, judge, so_far
from autoscout.search.outcome import Infeasible, Lost, Outcome
from autoscout_profiler.scanner import Scanner

SLOW_START_SECONDS: Final = 30.0
SLOW_START_FRACTION: Final = 0.1
"""The pod's deadline runs while its image is pulled. A start-up longer than both of these took so much of it that the
configuration wasn't given its time; the next attempt finds the image there."""

_DISRUPTIONS: Final = {
    "PreemptionByScheduler": "Preempted",
    "DeletionByTaintManager": "NodeLost",
    "EvictionByEvictionAPI": "Evicted",
    "DeletionByPodGC": "PodGarbageCollected",
}
_REASONS: Final = {"Terminated": "NodeShutdown", "Shutdown": "NodeShutdown", "Preempting": "Preempted"}
"""Reasons of a pod's status in words that need no explanation; others stand for themselves (`Evicted`, `NodeLost`)."""

_OWN_STORAGE: Final = re.compile(r"exceed(s|ed) (the total limit|its local ephemeral|the limit)")
"""An eviction because the pod broke its own limits, not because the node was short."""

_UNKNOWN_END: Final = frozenset({"ContainerStatusUnknown", "Unknown"})
_NO_START: Final = frozenset({"StartError", "ContainerCannotRun"})


@dataclass(frozen=True)
class Case:
    """What there is to judge by.

    Attributes:
        scanner: has read what there was of the log and the termination message.
        log_read: whether the log could be read.
        timeout: of the profile, in seconds.
        begun: when the container started, the last one where there are several pods; None: it did not.
    """

    job: JobView
    pod: PodView
    scanner: Scanner
    log_read: bool
    timeout: float
    begun: float | None


def failure(case: Case) -> Outcome:
    """The outcome of an attempt that is over and reported no result."""
    for rule in _RULES:
        outcome = rule(case)
        if outcome is not None:
            return outcome
    code = case.pod.terminated.exit_code if case.pod.terminated is not None else 0
    return judge(code, case.scanner)


def _stopped(case: Case) -> Outcome | None:
    stop = case.job.stopped
    if stop is None or not (case.pod.terminated is None or case.pod.deleted_while_running):
        return None
    return Lost(stop.reason, stop.message)


def stopped_early(job: JobView, pod: PodView) -> bool:
    """Whether the pod ended because we shortened its deadline (`writes.hasten`)."""
    shortened = job.deadline is not None and pod.deadline is not None and pod.deadline < job.deadline
    return shortened and pod.reason == "DeadlineExceeded"


def _stopped_early(case: Case) -> Outcome | None:
    return so_far(case.scanner) if stopped_early(case.job, case.pod) else None


def _deadline(case: Case) -> Outcome | None:
    pod, failed = case.pod, case.job.failed
    if pod.reason != "DeadlineExceeded" and (failed is None or failed.reason != "DeadlineExceeded"):
        return None
    start = pod.started if pod.started is not None else pod.created
    if case.begun is not None and case.begun - start <= max(SLOW_START_SECONDS, SLOW_START_FRACTION * case.timeout):
        return deadline_exceeded(case.timeout, case.scanner)
    spent = "all" if case.begun is None else f"{case.begun - start:.0f} s"
    message = f"start-up took {spent} of the pod's deadline (profile.timeout, {case.timeout:g} s)"
    return Lost("SlowStart", f"{message}: pre-pull the image or raise profile.timeout")


def disruption(pod: PodView) -> Lost:
    """What the condition DisruptionTarget of a pod says, in one of our words."""
    cause, message = (pod.disruption.reason, pod.disruption.message) if pod.disruption is not None else ("", "")
    word = _DISRUPTIONS.get(cause) or _REASONS.get(pod.reason, pod.reason) or "Disrupted"
    return Lost(word, pod.message or message or cause)


def _disrupted(case: Case) -> Outcome | None:
    return disruption(case.pod) if case.pod.disruption is not None else None


def _refused(case: Case) -> Outcome | None:
    """Eviction, node shutdown, preemption, refusal by the kubelet (`OutOfcpu`, `UnexpectedAdmissionError`)."""
    pod = case.pod
    if not pod.reason:
        return None
    if pod.reason == "Evicted" and _OWN_STORAGE.search(pod.message):
        return Infeasible("StorageLimitExceeded", pod.message)
    return Lost(_REASONS.get(pod.reason, pod.reason), pod.message or f"the node ended the pod: {pod.reason}")


def _deleted(case: Case) -> Outcome | None:
    if not case.pod.deleted_while_running:
        return None
    if case.job.deletion is not None:
        return Lost("JobDeleted", "the Job was deleted while its pod ran")
    if case.job.suspended:
        return Lost("Suspended", "the Job was suspended while its pod ran")
    if not case.pod.terminal and case.pod.terminated is None:
        return Lost("NodeLost", "the pod was deleted, and its node does not answer")
    return Lost("PodDeleted", "the pod was deleted while it ran")


def _never_started(case: Case) -> Outcome | None:
    end, init = case.pod.terminated, case.pod.init_failure
    if end is not None:
        if end.reason not in _NO_START:
            return None
        return Infeasible("StartError", end.message or f"the container could not start (exit code {end.exit_code})")
    if init is None:
        return Lost("PodFailed", case.pod.message or "the pod ended before its container started")
    why = f"init container {init.container} exited with code {init.exit_code}: {init.message or init.reason}"
    return Lost("InitContainerFailed", why)


def _killed(case: Case) -> Outcome | None:
    end = case.pod.terminated
    if end is None or end.reason != "OOMKilled":
        return None
    return Infeasible("HostOutOfMemory", "the container was killed for memory (OOMKilled): its own limit or its node's")


def _unknown(case: Case) -> Outcome | None:
    """What can't be judged, because the traces are gone."""
    end = case.pod.terminated
    if end is None:
        return None
    if end.reason in _UNKNOWN_END:
        return Lost(end.reason, end.message or "the node lost track of the container, most likely by a restart")
    if end.exit_code == 0 and not case.log_read and case.scanner.last_word is None:
        return Lost("LogLost", "the container ended well, but its log can't be read and it left no termination message")
    return None


_RULES: Final[tuple[Callable[[Case], Outcome | None], ...]] = (
    _stopped,
    _stopped_early,
    _deadline,
    _disrupted,
    _refused,
    _deleted,
    _never_started,
    _killed,
    _unknown,
)
