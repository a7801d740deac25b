"""What a Job and a pod say about an attempt, without the spelling of the API. Times are seconds since the epoch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from autoscout.executors.kubernetes.names import (
    CONTAINER,
    GPU_RESOURCE,
    INDEX_ANNOTATION,
    STOPPED_ANNOTATION,
    Object,
)

SIDECAR_SECONDS = 10.0
"""How long after the measurement a pod may go on (another container, the kubelet's last report)."""
RESOLUTION_SECONDS = 1.0
"""Of the API's times: what ran took no less."""
_DELETION_CODES = (143, 137)
"""SIGTERM, and SIGKILL when the grace is over."""
UNREACHABLE_SECONDS = 30.0
"""How long after the end of its grace a deleted pod may still be there before its node counts as lost."""


@dataclass(frozen=True)
class Condition:
    """A condition that is true, or for `PodScheduled` one that is false."""

    kind: str
    reason: str
    message: str
    since: float | None


@dataclass(frozen=True)
class Stop:
    """This attempt is to be stopped; once it has, it ends as `Lost(reason, message)`.

    Attributes:
        started: when its first pod started; None if none did.
        frame: the result that it had reported by then, as a line; empty: none.
        gpus: that its started pods held; None: what all its pods hold.
    """

    reason: str
    message: str
    started: float | None = None
    frame: str = ""
    gpus: int | None = None

    @property
    def annotation(self) -> str:
        """As the value of an annotation, which `of` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, annotation: str) -> Self:
        """Read an annotation; whoever damages it gets a reason that says so."""
        try:
            content = json.loads(annotation)
            started, gpus = content["started"], content.get("gpus")
            return cls(
                str(content["reason"]),
                str(content["message"]),
                None if started is None else float(started),
                str(content.get("frame", "")),
                None if gpus is None else int(gpus),
            )
        except (ValueError, TypeError, KeyError):
            return cls("Stopped", f"the annotation {STOPPED_ANNOTATION} was changed: {annotation}")


@dataclass(frozen=True)
class JobView:
    """A Job.

    Attributes:
        started: when it was last admitted; None while it is suspended or unseen by its controller.
        deletion: when its deletion was asked for.
        failed: the condition that says why it failed or is about to.
        complete: whether it succeeded or is about to.
        finished: when; None while it is not.
        had_pod: whether it ever had one.
        stopped: why we stopped it.
        nodes: how many pods it runs side by side.
        gpus: that each of them holds.
        deadline: seconds that its pods have from their start; None: no limit.
    """

    name: str
    created: float
    started: float | None
    deletion: float | None
    suspended: bool
    failed: Condition | None
    complete: bool
    finished: float | None
    had_pod: bool
    stopped: Stop | None
    nodes: int
    gpus: int
    deadline: int | None

    @classmethod
    def of(cls, job: Object) -> Self:
        """Read a Job as the API server gives it."""
        metadata, spec, status = job["metadata"], job["spec"], job.get("status") or {}
        annotation = (metadata.get("annotations") or {}).get(STOPPED_ANNOTATION)
        conditions = {condition.kind: condition for condition in _conditions(status, "True")}
        failed = conditions.get("Failed") or conditions.get("FailureTarget")
        complete = conditions.get("Complete") or conditions.get("SuccessCriteriaMet")
        end = failed or complete
        counts = ("active", "ready", "succeeded", "failed", "terminating")
        return cls(
            name=metadata["name"],
            created=seconds(metadata["creationTimestamp"]) or 0.0,
            started=seconds(status.get("startTime")),
            deletion=seconds(metadata.get("deletionTimestamp")),
            suspended=bool(spec.get("suspend")),
            failed=failed,
            complete=complete is not None,
            finished=end.since if end is not None else None,
            had_pod=any(status.get(count) for count in counts),
            stopped=Stop.of(annotation) if annotation is not None else None,
            nodes=spec.get("completions") or 1,
            gpus=_gpus(spec["template"]["spec"]),
            deadline=spec["template"]["spec"].get("activeDeadlineSeconds"),
        )


@dataclass(frozen=True)
class Termination:
    """How a container ended.

    Attributes:
        message: the termination message: for `profile` the last frame.
    """

    container: str
    reason: str
    message: str
    exit_code: int
    finished: float | None


@dataclass(frozen=True)
class PodView:
    """A pod.

    Attributes:
        started: when the kubelet took it; None before that.
        deletion: when its grace ends, if its deletion was asked for.
        deletion_asked: when it was asked for; with its deletion, if the kubelet has let go of it.
        reason: of the status: `Evicted`, `DeadlineExceeded`, ...
        running: whether the measurement runs.
        begun: when its container started; None if it did not.
        waiting: (reason, message) of a container that waits, init containers first.
        terminated: how the measurement ended.
        init_failure: an init container that failed.
        disruption: the condition DisruptionTarget.
        unscheduled: the condition PodScheduled while it is false.
        index: which node of the profile it is, from 0.
        deadline: seconds that it has from its start; None: no limit.
    """

    name: str
    uid: str
    created: float
    started: float | None
    deletion: float | None
    deletion_asked: float | None
    phase: str
    reason: str
    message: str
    running: bool
    begun: float | None
    waiting: tuple[str, str] | None
    terminated: Termination | None
    init_failure: Termination | None
    disruption: Condition | None
    unscheduled: Condition | None
    gpus: int
    index: int
    deadline: int | None

    @classmethod
    def of(cls, pod: Object) -> Self:
        """Read a pod as the API server gives it."""
        metadata, status = pod["metadata"], pod.get("status") or {}
        init = status.get("initContainerStatuses") or []
        ours = [each for each in status.get("containerStatuses") or [] if each["name"] == CONTAINER]
        state = (ours[0].get("state") or {}) if ours else {}
        deletion = seconds(metadata.get("deletionTimestamp"))
        disruptions = [each for each in _conditions(status, "True") if each.kind == "DisruptionTarget"]
        unscheduled = [each for each in _conditions(status, "False") if each.kind == "PodScheduled"]
        failures = [end for each in init if (end := _termination(each)) is not None and end.exit_code != 0]
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            created=seconds(metadata["creationTimestamp"]) or 0.0,
            started=seconds(status.get("startTime")),
            deletion=deletion,
            deletion_asked=(
                deletion - (metadata.get("deletionGracePeriodSeconds") or 0) if deletion is not None else None
            ),
            phase=status.get("phase", "Pending"),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            running="running" in state,
            begun=seconds((state.get("running") or state.get("terminated") or {}).get("startedAt")),
            waiting=_waiting([*init, *ours]),
            terminated=_termination(ours[0]) if ours else None,
            init_failure=failures[0] if failures else None,
            disruption=disruptions[0] if disruptions else None,
            unscheduled=unscheduled[0] if unscheduled else None,
            gpus=_gpus(pod["spec"]),
            index=index_of(pod),
            deadline=pod["spec"].get("activeDeadlineSeconds"),
        )

    @property
    def terminal(self) -> bool:
        """Whether nothing of the pod runs any more."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def deleted_while_running(self) -> bool:
        """Whether it ended because its deletion was asked for."""
        if self.deletion_asked is None:
            return False
        end = self.terminated
        if end is None or end.finished is None:
            return True
        # The kubelet's last request, without grace, overwrites the time of the first one; then the signal has to tell.
        signalled = end.exit_code in _DELETION_CODES and end.reason != "OOMKilled"
        overwritten = SIDECAR_SECONDS if signalled and self.deletion_asked == self.deletion else 0.0
        return end.finished >= self.deletion_asked - overwritten - RESOLUTION_SECONDS

    def unreachable(self, now: float) -> bool:
        """Whether it should be gone, but nobody has confirmed that."""
        return not self.terminal and self.deletion is not None and now > self.deletion + UNREACHABLE_SECONDS

    def over(self, now: float) -> bool:
        """Whether the attempt has ended, as far as this pod goes."""
        end = self.terminated.finished if self.terminated is not None else None
        return self.terminal or self.unreachable(now) or (end is not None and now > end + SIDECAR_SECONDS)

    def end(self, now: float) -> float:
        """When it ended, as well as is known; `now` if it has not."""
        if self.terminated is not None and self.terminated.finished is not None:
            return self.terminated.finished
        known = [self.disruption.since if self.disruption is not None else None, self.deletion]
        return min([now, *(time for time in known if time is not None)])

    def seconds(self, now: float) -> float:
        """Wall time from the pod's start to its end; 0 if it never started."""
        return max(RESOLUTION_SECONDS, self.end(now) - self.started) if self.started is not None else 0.0


def members(pods: Iterable[Object], nodes: int) -> list[Object | None]:
    """The pod of each node of an attempt, by index; None where there is none."""
    known = list(pods)
    return [choose(pod for pod in known if index_of(pod) == index) for index in range(nodes)]


def index_of(pod: Object) -> int:
    """Which node of the profile a pod is; 0 where there is only one."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX_ANNOTATION, "0")
    return int(text) if text.isdecimal() else 0


def choose(pods: Iterable[Object]) -> Object | None:
    """The pod that speaks for a node: one that succeeded, else the newest. A Job may start a pod twice."""
    return max(
        pods,
        key=lambda pod: (
            (pod.get("status") or {}).get("phase") == "Succeeded",
            pod["metadata"]["creationTimestamp"],
            pod["metadata"]["name"],
        ),
        default=None,
    )


def owned_by(job: Object, pods: Iterable[Object]) -> list[Object]:
    """The pods that this Job controls."""
    uid = job["metadata"]["uid"]
    return [
        pod
        for pod in pods
        if any(
            owner.get("controller") and owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or ()
        )
    ]


def seconds(text: str | None) -> float | None:
    """A time of the API (`2026-01-31T08:00:00Z`) as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp() if text else None


def _conditions(status: Mapping[str, Any], value: str) -> list[Condition]:
    return [
        Condition(
            each["type"],
            each.get("reason") or "",
            each.get("message") or "",
            seconds(each.get("lastTransitionTime")),
        )
        for each in status.get("conditions") or []
        if each["status"] == value
    ]


def _termination(status: Mapping[str, Any]) -> Termination | None:
    end = (status.get("state") or {}).get("terminated")
    if end is None:
        return None
    return Termination(
        container=status["name"],
        reason=end.get("reason") or "",
        message=end.get("message") or "",
        exit_code=end.get("exitCode", 0),
        finished=seconds(end.get("finishedAt")),
    )


def _waiting(statuses: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    for status in statuses:
        waiting = (status.get("state") or {}).get("waiting")
        if waiting:
            return waiting.get("reason") or "Waiting", waiting.get("message") or ""
    return None


def _gpus(spec: Mapping[str, Any]) -> int:
    """GPUs that a pod of this spec holds."""
    total = 0
    for container in spec.get("containers") or ():
        resources = container.get("resources") or {}
        held = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        total += int(held.get(GPU_RESOURCE, 0))
    return total
