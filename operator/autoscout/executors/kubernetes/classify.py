"""From a Job, its pod and the frames that were read to the state of the attempt. Pure.

A result is a measurement, whatever happened to the pod afterwards; `failure` says what it means if there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autoscout.executors.kubernetes.failure import Case, failure, stopped_early
from autoscout.executors.kubernetes.views import JobView, PodView, Stop
from autoscout.executors.protocol import Ended, Running, State, Waiting
from autoscout.executors.verdict import measured
from autoscout.search.outcome import Lost, Outcome
from autoscout_profiler.scanner import Scanner

DELETION_SECONDS: Final = 10.0
"""How long garbage collection may take to delete the pod of a deleted Job before it is asked again."""

_HOPELESS: Final = frozenset({"InvalidImageName"})
"""Waiting reasons that no waiting can cure."""


@dataclass(frozen=True)
class Limits:
    """The profile's patience, in seconds."""

    start_timeout: float
    timeout: float


def classify(
    job: JobView,
    pod: PodView | None,
    scanner: Scanner,
    *,
    now: float,
    limits: Limits,
    log_read: bool = True,
    creation_failure: str = "",
    all_begun: Sequence[float | None] = (),
) -> State | Stop:
    """The state of an attempt on one node, or that it has to be stopped.

    Args:
        pod: that speaks for the attempt (`views.choose`).
        scanner: has read what there is of the log, the termination message and `JobView.stopped`.
        now: seconds since the epoch.
        log_read: whether the log of an ended attempt could be read.
        creation_failure: why the Job's pod can't be created, in the words of an event.
        all_begun: when the containers of several nodes started, None for one that did not; empty: only this pod's
            counts.
    """
    if pod is None:
        return _without_pod(job, scanner, now, limits, creation_failure)
    if not pod.over(now):
        return _in_flight(job, pod, scanner, now, limits)
    outcome: Outcome | None = measured(scanner)
    if outcome is None and job.suspended and job.failed is None and job.stopped is None and job.deletion is None:
        return _queued(job)
    if outcome is None:
        starts = all_begun or (pod.begun,)
        begun = [start for start in starts if start is not None]
        last = max(begun) if len(begun) == len(starts) else None
        outcome = failure(Case(job, pod, scanner, log_read, limits.timeout, last))
    return Ended(outcome, pod.seconds(now), pod.gpus, scanner.frames_ignored, stopped_early=stopped_early(job, pod))


def _in_flight(job: JobView, pod: PodView, scanner: Scanner, now: float, limits: Limits) -> State | Stop:
    if job.stopped is not None or job.deletion is not None:
        return _stopping(job, pod, scanner, now)
    if pod.running or pod.terminated is not None:
        return _running(pod, scanner)
    if job.suspended:
        return _queued(job)
    reason, message = _waiting_for(pod)
    if reason in _HOPELESS:
        return Stop(reason, message, pod.started)
    if reason != "SchedulingGated" and now > pod.created + limits.start_timeout:
        return _too_late(reason, message, limits, pod.started)
    return Waiting(reason, message, pod.created)


def _stopping(job: JobView, pod: PodView, scanner: Scanner, now: float) -> State | Stop:
    """A pod that goes on although its Job is to be, or is being, deleted."""
    stop = job.stopped or Stop("JobDeleted", "the Job was deleted while its pod ran", pod.started)
    if job.deletion is None:
        return stop
    asked_for = job.stopped is not None and now <= job.deletion + DELETION_SECONDS
    if pod.deletion is None and not asked_for:
        # The finalizer keeps a Job that somebody deleted, and so its pod: we have to ask for the pod's end.
        return stop
    if pod.running or pod.terminated is not None:
        return _running(pod, scanner)
    return Waiting("Stopping", stop.message, pod.created)


def _running(pod: PodView, scanner: Scanner) -> Running:
    progress = scanner.progress.payload if scanner.progress is not None else {}
    since = pod.started if pod.started is not None else pod.created
    return Running(since, progress, tuple(scanner.reports))


def _queued(job: JobView) -> Waiting:
    return Waiting("Queued", "the Job is suspended until its queue admits it", job.created)


def _without_pod(job: JobView, scanner: Scanner, now: float, limits: Limits, creation_failure: str) -> State | Stop:
    if job.stopped is not None and job.deletion is None:
        return job.stopped
    if job.deletion is not None or job.failed is not None or job.complete:
        return _vanished(job, scanner, now)
    if job.suspended:
        return _queued(job)
    since = job.started if job.started is not None else job.created
    quota = "exceeded quota" in creation_failure
    reason = "QuotaExceeded" if quota else "FailedCreate" if creation_failure else "PodPending"
    message = creation_failure or "the Job controller has not created the pod yet"
    if now > since + limits.start_timeout:
        return _too_late(reason, message, limits, None)
    return Waiting(reason, message, since)


def _vanished(job: JobView, scanner: Scanner, now: float) -> Ended:
    # Without the pod its times are unknown; the Job's are those of a pod that started at once.
    started = job.started if job.had_pod else None
    if job.stopped is not None:
        started = job.stopped.started
        lost = Lost(job.stopped.reason, job.stopped.message)
    elif job.deletion is not None:
        lost = Lost("JobDeleted", "the Job was deleted before its result was read")
    else:
        why = f": {job.failed.reason}: {job.failed.message}" if job.failed is not None else ""
        lost = Lost("PodLost", f"the pod disappeared before its result was read{why}")
    end = min(time for time in (job.deletion, job.finished, now) if time is not None)
    spent = 0.0 if started is None else max(0.0, end - started)
    return Ended(measured(scanner) or lost, spent, job.gpus, scanner.frames_ignored)


def _too_late(reason: str, message: str, limits: Limits, started: float | None) -> Stop:
    return Stop(reason, f"not running after profile.startTimeout of {limits.start_timeout:g} s: {message}", started)


def _waiting_for(pod: PodView) -> tuple[str, str]:
    """(reason, message) of what a pod waits for."""
    if pod.unscheduled is not None:
        return pod.unscheduled.reason or "Unschedulable", pod.unscheduled.message or "no node was found"
    if pod.waiting is not None:
        reason, message = pod.waiting
        return reason, message or "the node prepares the container"
    return pod.reason or "PodPending", pod.message or "waits for a node"
