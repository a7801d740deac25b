"""From the pods of an attempt over several nodes to its state. Pure.

Each pod is judged as if it were alone (`classify`); here their states become one. Pod 0 speaks for the measurement:
only its result counts. One pod that fails ends the attempt, for the Job's controller then stops the others
(`backoffLimit: 0`); the attempt has ended when the last of them has, because only then the GPUs are free and all that
can be known is known. Then the root cause is chosen among what the pods say: when one dies, the others fail too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from autoscout.executors.kubernetes.classify import Limits, classify
from autoscout.executors.kubernetes.failure import disruption
from autoscout.executors.kubernetes.views import RESOLUTION_SECONDS, JobView, PodView, Stop
from autoscout.executors.protocol import Ended, Running, State, Waiting
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout_profiler.frames import shorten
from autoscout_profiler.scanner import Scanner

LINGER_SECONDS: Final = 30.0
"""How long the other pods may go on after pod 0 has ended, or any pod has failed, before they are deleted."""

_ECHOES: Final = frozenset({"FrameworkError", "Exception", "NonZeroExit", "Killed", "Hang", "NoResult"})
"""What a healthy rank also says when another one is gone: a connection was reset, a collective never came back."""
_BEREFT: Final = "PeerLost"
"""Reason of a profiler that knows of no fault but that another node's part is gone."""

_MESSAGE_LIMIT: Final = 1000
_ROOT_LIMIT: Final = 600


@dataclass(frozen=True)
class Member:
    """One node's part of an attempt.

    Attributes:
        pod: None: there is none (yet, or any more).
        scanner: has read what there is of its log and its termination message.
        log_read: whether the log of an ended pod could be read.
    """

    index: int
    pod: PodView | None
    scanner: Scanner
    log_read: bool = True

    @property
    def fulfilled(self) -> bool:
        """Whether it ended well and had nothing to say, as all but pod 0 should."""
        end = self.pod.terminated if self.pod is not None else None
        return end is not None and end.exit_code == 0 and self.scanner.last_word is None


@dataclass(frozen=True)
class Dismiss:
    """The attempt is decided, but these pods go on: they are to be deleted, and the others kept to be read.

    Attributes:
        state: to be reported meanwhile.
    """

    pods: tuple[PodView, ...]
    state: Running


def classify_gang(
    job: JobView, members: Sequence[Member], *, now: float, limits: Limits, creation_failure: str = ""
) -> State | Stop | Dismiss:
    """The state of an attempt over several nodes, or what has to be stopped; arguments as of `classify`.

    Args:
        members: one for each node, by index.
    """
    pods = [member.pod for member in members if member.pod is not None]
    states = [
        classify(
            job,
            member.pod,
            member.scanner,
            now=now,
            limits=limits,
            log_read=member.log_read,
            creation_failure=creation_failure,
            all_begun=[pod.begun for pod in pods],
        )
        for member in members
    ]
    left = [pod for pod in pods if not pod.over(now)]
    result = _measured(members, states)
    if not left and (result is not None or all(isinstance(state, Ended) for state in states)):
        return _ended(job, members, states, result, now)
    stopping = job.stopped is not None or job.deletion is not None
    stop = next((state for state in states if isinstance(state, Stop)), None)
    if stopping:
        return _stop(stop, pods) if stop is not None else _together(states, members)
    decisive = [
        member.pod.end(now)
        for member, state in zip(members, states, strict=True)
        if member.pod is not None and isinstance(state, Ended) and (member.index == 0 or not member.fulfilled)
    ]
    if decisive and left:
        going = tuple(pod for pod in left if pod.deletion is None)
        state = Running(min(pod.started or pod.created for pod in pods))
        return Dismiss(going, state) if going and now > min(decisive) + LINGER_SECONDS else state
    stop = stop or _disrupted(job, left)
    return _stop(stop, pods) if stop is not None else _together(states, members)


def _measured(members: Sequence[Member], states: Sequence[State | Stop]) -> Measured | None:
    """The result of pod 0, unless it is only what pod 0 had by the time that it was stopped for another pod's fault."""
    leader = states[0]
    if not isinstance(leader, Ended) or not isinstance(leader.result, Measured):
        return None
    faults = [state.result for state in states[1:] if isinstance(state, Ended)]
    faulty = any(isinstance(fault, Infeasible) and fault.reason not in _ECHOES for fault in faults)
    return None if faulty and _failed_before(members[0], members) else leader.result


def _disrupted(job: JobView, left: Sequence[PodView]) -> Stop | None:
    """The end of an attempt that loses a pod: written down at once, for soon the pod and all traces are gone."""
    if job.suspended or job.failed is not None or job.complete:
        return None
    for pod in left:
        if pod.disruption is not None:
            lost = disruption(pod)
            return Stop(lost.reason, _of(pod.index, lost.message))
        if pod.deletion is not None:
            return Stop("PodDeleted", _of(pod.index, "the pod was deleted while it ran"))
    return None


def _stop(stop: Stop, pods: Sequence[PodView]) -> Stop:
    started = [pod.started for pod in pods if pod.started is not None]
    held = sum(pod.gpus for pod in pods if pod.started is not None)
    return replace(stop, started=min(started, default=None), gpus=held)


def _together(states: Sequence[State | Stop], members: Sequence[Member]) -> State:
    """One state for pods that are all in order."""
    runs = [state for state in states if isinstance(state, Running)]
    for member, state in zip(members, states, strict=True):
        if isinstance(state, Waiting):
            where = f"{len(runs)} of {len(states)} pods run; pod {member.index}: "
            return replace(state, message=where + state.message)
    leader = states[0] if isinstance(states[0], Running) else Running(0.0)
    # Until the last pod has gone the GPUs of all are taken.
    return replace(leader, since=min((state.since for state in runs), default=leader.since))


def _ended(
    job: JobView, members: Sequence[Member], states: Sequence[State | Stop], result: Measured | None, now: float
) -> Ended:
    ended = {member.index: state for member, state in zip(members, states, strict=True) if isinstance(state, Ended)}
    seen = [member.pod for member in members if member.pod is not None]
    ran = [(pod, pod.started) for pod in seen if pod.started is not None]
    gone = [state for member in members if member.pod is None and (state := ended.get(member.index)) is not None]
    told = job.stopped.gpus if job.stopped is not None else None
    if ran:
        seconds = max(RESOLUTION_SECONDS, max(pod.end(now) for pod, _ in ran) - min(start for _, start in ran))
    else:
        seconds = max((state.seconds for state in gone), default=0.0)
    # A pod that is gone may never have started; only when we stopped it ourselves we know.
    held = told if told is not None else sum(pod.gpus for pod, _ in ran) + sum(state.gpus for state in gone)
    return Ended(
        result or _root_cause(job, members, ended),
        seconds,
        held,
        sum(state.frames_ignored for state in ended.values()),
        stopped_early=any(state.stopped_early for state in ended.values()),
    )


def _root_cause(job: JobView, members: Sequence[Member], ended: dict[int, Ended]) -> Outcome:
    """What ended the attempt, and in its message what the other pods said."""
    faults = sorted(
        (_rank(job, member, ended[member.index].result, members), member.index)
        for member in members
        if member.index in ended and not (member.fulfilled and member.index != 0)
    )
    (rank, _), root = faults[0]
    outcome = ended[root].result
    if isinstance(outcome, Measured) or (rank == _CONSEQUENCE and job.failed is not None):
        why = f"{job.failed.reason}: {job.failed.message}" if job.failed is not None else ""
        return Lost("PodLost", f"pods disappeared before they were read: {why}")
    if rank in (_ECHO, _LEFT_ALONE) and job.failed is not None and job.failed.reason == "PodFailurePolicy":
        return Lost("Disrupted", shorten(job.failed.message, _MESSAGE_LIMIT))
    message = shorten(_of(root, outcome.message), _ROOT_LIMIT)
    for (other_rank, _), index in faults[1:]:
        other = ended[index].result
        if other_rank != _CONSEQUENCE and not isinstance(other, Measured):
            message += f"; {_of(index, f'{other.reason}: {other.message}')}"
    return replace(outcome, message=shorten(message, _MESSAGE_LIMIT))


_OWN_FAULT, _PLATFORM, _ECHO, _LEFT_ALONE, _CONSEQUENCE = range(5)


def _rank(job: JobView, member: Member, outcome: Outcome, members: Sequence[Member]) -> tuple[int, float]:
    """What comes first is the root cause: (kind, when the container ended)."""
    end = member.pod.terminated if member.pod is not None else None
    when = end.finished if end is not None and end.finished is not None else float("inf")
    if isinstance(outcome, Infeasible):
        return (_ECHO if outcome.reason in _ECHOES else _OWN_FAULT), when
    if isinstance(outcome, Lost) and outcome.reason == _BEREFT:
        return _LEFT_ALONE, when
    deleted = isinstance(outcome, Lost) and outcome.reason == "PodDeleted" and _failed_before(member, members)
    gone = member.pod is None and job.stopped is None
    return (_CONSEQUENCE if gone or deleted or isinstance(outcome, Measured) else _PLATFORM), when


def _failed_before(member: Member, members: Sequence[Member]) -> bool:
    """Whether another pod had failed when this one was deleted: then the Job's controller did it."""
    asked = member.pod.deletion_asked if member.pod is not None else None
    if asked is None:
        return False
    ends = [each.pod.terminated for each in members if each.index != member.index and each.pod is not None]
    return any(end.exit_code != 0 and end.finished <= asked for end in ends if end is not None and end.finished)


def _of(index: int, message: str) -> str:
    return f"pod {index}: {message}"
