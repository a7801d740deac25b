"""Reading what an attempt reported: its log through the API, then the termination message, which survives the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autoscout.executors.kubernetes.client import ApiError, KubernetesApi, TransientApiError
from autoscout.executors.kubernetes.names import CONTAINER
from autoscout.executors.kubernetes.views import PodView
from autoscout.executors.verdict import measured
from autoscout_profiler.frames import Result, encode_bounded
from autoscout_profiler.scanner import Ignored, Scanner

LOG_LINES: Final = (2000, 100)
"""Lines from the end to ask for; the second number if the first ones have more than `LOG_BYTES`. The kubelet counts
the runtime's lines, of at most 16 KiB: a frame of 1 MiB spans 64."""
LOG_BYTES: Final = 8 * 1024 * 1024
LOG_SECONDS: Final = 10.0

MOST_LOGS: Final = 8
"""Logs to be read beside that of pod 0 when an attempt over many nodes failed: of those that failed first."""

PROGRESS_LINES: Final = 100
PROGRESS_BYTES: Final = 64 * 1024
PROGRESS_SECONDS: Final = 3.0

ANNOTATION_BYTES: Final = 64 * 1024
"""All annotations of an object together may have 256 KiB."""

PATIENCE_SECONDS: Final = 60.0
"""How long after its end the log of an attempt is asked for again when it can't be read."""


@dataclass(frozen=True)
class Harvest:
    """What was read of an attempt.

    Attributes:
        log_read: whether the log was there.
        worth_waiting: whether the log may be read later and would add something.
    """

    scanner: Scanner
    log_read: bool = True
    worth_waiting: bool = False


def scan(trial: str, attempt: int, log: bytes, message: str) -> Scanner:
    """Read a log and the termination message of one attempt. Pure.

    Args:
        trial: name of the trial, as in its frames.
        message: repeats the last frame of the log, perhaps without its samples.
    """
    scanner = Scanner(trial, attempt)
    scanner.feed(log)
    scanner.close()
    scanner.read_termination_message(message)
    return scanner


async def read(
    api: KubernetesApi,
    namespace: str,
    pods: Sequence[PodView | None],
    trial: str,
    attempt: int,
    now: float,
    *,
    with_progress: bool,
) -> list[Harvest]:
    """Read what the pods of an attempt reported, by index.

    While any of them runs, only termination messages, and the progress of pod 0 if it is asked for. After the end the
    log of pod 0, and if that holds no result the logs of the others that failed.

    Args:
        now: seconds since the epoch.
    """
    over = all(pod is None or pod.over(now) for pod in pods)
    leader = pods[0]
    found = [_told(pod, trial, attempt) for pod in pods]
    if leader is not None and over:
        found[0] = await harvest(api, namespace, leader, trial, attempt, now)
    elif leader is not None and leader.running and with_progress:
        found[0] = Harvest(await progress(api, namespace, leader, trial, attempt))
    if over and len(pods) > 1 and measured(found[0].scanner) is None:
        failed = [pod for pod in pods[1:] if pod is not None and pod.terminated and pod.terminated.exit_code != 0]
        for pod in sorted(failed, key=lambda pod: pod.end(now))[:MOST_LOGS]:
            found[pod.index] = await harvest(api, namespace, pod, trial, attempt, now)
    for each in found[1:]:
        _without_result(each.scanner)
    return found


def _told(pod: PodView | None, trial: str, attempt: int) -> Harvest:
    """What the termination message of a pod says."""
    end = pod.terminated if pod is not None else None
    return Harvest(scan(trial, attempt, b"", end.message if end is not None else ""))


def _without_result(scanner: Scanner) -> None:
    """Only pod 0 measures; what another one calls a result is none."""
    if scanner.last_word is not None and isinstance(scanner.last_word.body, Result):
        scanner.last_word = None
        scanner.ignored[Ignored.FOREIGN] += 1


async def harvest(api: KubernetesApi, namespace: str, pod: PodView, trial: str, attempt: int, now: float) -> Harvest:
    """Read what an ended attempt reported.

    Args:
        now: seconds since the epoch.
    """
    if pod.terminated is None:
        return Harvest(Scanner(trial, attempt))
    try:
        log = await _read_log(api, namespace, pod.name)
    except ApiError as error:
        # The termination message has to do: the pod or its log is gone (4xx), or its node does not answer.
        scanner = scan(trial, attempt, b"", pod.terminated.message)
        recent = now <= pod.end(now) + PATIENCE_SECONDS
        waits = isinstance(error, TransientApiError) and recent and not _whole(scanner)
        return Harvest(scanner, log_read=False, worth_waiting=waits)
    return Harvest(scan(trial, attempt, log, pod.terminated.message))


async def reported(api: KubernetesApi, namespace: str, pod: PodView, trial: str, attempt: int) -> str:
    """The result that an attempt has reported already, as a line for an annotation; empty: none."""
    try:
        log = await _read_log(api, namespace, pod.name)
    except ApiError:
        return ""
    frame = scan(trial, attempt, log, "").last_word
    return encode_bounded(frame, ANNOTATION_BYTES) if frame is not None and isinstance(frame.body, Result) else ""


async def progress(api: KubernetesApi, namespace: str, pod: PodView, trial: str, attempt: int) -> Scanner:
    """Read the last lines of a running attempt; empty if they can't be read now."""
    try:
        log = await api.log(
            namespace,
            pod.name,
            container=CONTAINER,
            tail_lines=PROGRESS_LINES,
            limit_bytes=PROGRESS_BYTES,
            seconds=PROGRESS_SECONDS,
        )
    except ApiError:
        log = b""
    return scan(trial, attempt, log, "")


async def _read_log(api: KubernetesApi, namespace: str, pod: str) -> bytes:
    log = b""
    for lines in LOG_LINES:
        log = await api.log(
            namespace,
            pod,
            container=CONTAINER,
            tail_lines=lines,
            limit_bytes=LOG_BYTES,
            seconds=LOG_SECONDS,
        )
        if len(log) < LOG_BYTES:
            break
    return log


def _whole(scanner: Scanner) -> bool:
    """Whether the termination message alone says all that there is to say."""
    if scanner.last_word is None:
        return False
    body = scanner.last_word.body
    return not (isinstance(body, Result) and body.samples_omitted)
