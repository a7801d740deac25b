"""The executor that runs each attempt as a Kubernetes Job. Life of one: docs/architecture.md, "The loop"."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Final

from autoscout.api.names import TRIAL_LABEL, attempt_name, trial_name
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.kubernetes import writes
from autoscout.executors.kubernetes.classify import Limits, classify
from autoscout.executors.kubernetes.client import EVENTS, PODS, ApiError, KubernetesApi, selector
from autoscout.executors.kubernetes.gang import Dismiss, Member, classify_gang
from autoscout.executors.kubernetes.harvest import read, reported
from autoscout.executors.kubernetes.manifests import job_manifest
from autoscout.executors.kubernetes.names import Object, attempt_of, controlled_by
from autoscout.executors.kubernetes.peers import service_manifest
from autoscout.executors.kubernetes.source import ApiSource, Source
from autoscout.executors.kubernetes.views import JobView, PodView, Stop, members, owned_by
from autoscout.executors.kubernetes.writes import release_orphans
from autoscout.executors.protocol import AttemptId, Observation, Running, State, Waiting
from autoscout.search.ledger import Trial
from autoscout.search.settle import CANCELLED

__all__ = ["KubernetesExecutor", "PollingExecutor", "release_orphans"]

LOGS_AT_ONCE: Final = 8
"""After a restart hundreds of attempts may have ended, each with megabytes of log."""
CREATION_SECONDS: Final = 5.0
"""How long a Job may be without a pod before its events are asked why."""


class KubernetesExecutor:
    """Runs the profiles of one TuningJob. It remembers nothing: what it knows is in the cluster.

    Args:
        job: the TuningJob, which has passed `api.check`.
        uid: of the TuningJob.
        source: where its Jobs and pods are seen.
        progress_due: whether `observe` is to read the log of this attempt, which runs for so many seconds, for
            `Running.progress`.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        api: KubernetesApi,
        job: TuningJob,
        uid: str,
        source: Source,
        *,
        progress_due: Callable[[AttemptId, float], bool] = lambda _identity, _age: False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._job = job
        self._uid = uid
        self._namespace = job.metadata.namespace
        self._source = source
        self._progress_due = progress_due
        self._now = now
        self._logs = asyncio.Semaphore(LOGS_AT_ONCE)
        profile = job.spec.profile
        self._limits = Limits(start_timeout=profile.start_timeout.seconds, timeout=profile.timeout.seconds)

    @property
    def gpus(self) -> int:
        """GPUs that one attempt holds."""
        pool = self._job.spec.hardware.pools[0]
        return pool.nodes * pool.gpus_per_node

    def job_name(self, identity: AttemptId) -> str:
        """Name of the Job of an attempt."""
        return attempt_name(self._job.metadata.name, self._uid, identity.number, identity.attempt)

    def starting(self, now: float) -> Waiting:
        """The state of an attempt that `ensure` has just started and no watch has shown yet."""
        return Waiting("Starting", "the Job was created", now)

    async def ensure(self, trial: Trial, attempt: int) -> None:
        """See `Executor.ensure`. No request is made for a Job that the source shows.

        Raises:
            ExecutorError: another object has the Job's name, the API server refuses it, or the spec can't become one.
            ApiError: the API server can't be asked.
        """
        manifest = job_manifest(self._job, self._uid, trial, attempt)
        known = self._known(AttemptId(trial.number, attempt))
        if known is None and self._job.spec.hardware.pools[0].nodes > 1:
            # Before the Job: its pods look for each other from their first moment.
            service = service_manifest(self._job.metadata.name, self._uid, self._namespace)
            await writes.ensure_service(self._api, service, self._uid)
        if known is None:
            self._source.wrote(await writes.create(self._api, manifest, self._uid))
        elif known is not (adopted := await writes.adopt(self._api, known, manifest, self._uid)):
            self._source.wrote(adopted)

    async def observe(self) -> Sequence[Observation]:
        """See `Executor.observe`. It stops what waits in vain, and then reports it until it has ended.

        Raises:
            ApiError: the API server can't be asked.
        """
        jobs = [(self._attempt(job), job) for job in self._source.jobs(self._uid)]
        pods = self._source.pods(self._uid)
        observations = await asyncio.gather(
            *(self._observe(identity, job, owned_by(job, pods)) for identity, job in jobs if identity is not None)
        )
        return sorted((each for each in observations if each is not None), key=lambda each: each.id)

    async def cancel(self, identity: AttemptId) -> None:
        """See `Executor.cancel`. The pod is deleted; what has ended already is left for `observe`.

        Raises:
            ApiError: the API server can't be asked.
        """
        known = self._known(identity)
        if known is not None and _is_stopped(known):
            return
        job = await writes.find(self._api, self._namespace, self.job_name(identity))
        if job is None or self._attempt(job) is None or _is_stopped(job):
            return
        pods = _views(await self._pods_now(identity, job))
        if all(pod is not None and (pod.terminal or pod.terminated is not None) for pod in pods):
            return
        started = [pod for pod in pods if pod is not None and pod.started is not None]
        why = Stop(
            CANCELLED,
            "stopped by AutoScout",
            min((pod.started for pod in started if pod.started is not None), default=None),
            gpus=sum(pod.gpus for pod in started),
        )
        await self._stop(identity, job, pods[0], why)

    async def stop_early(self, identity: AttemptId) -> None:
        """See `Executor.stop_early`. Of several pods the first is stopped; the Job's controller then stops the rest.

        Raises:
            ApiError: the API server can't be asked.
        """
        job = self._known(identity)
        if job is None or self._attempt(job) is None or _is_ending(job):
            return
        [leader, *_] = members(owned_by(job, self._source.pods(self._uid)), JobView.of(job).nodes)
        if leader is None:
            return
        pod, now = PodView.of(leader), self._now()
        shortened = pod.deadline is not None and pod.started is not None and pod.deadline <= now - pod.started
        if pod.started is not None and pod.running and not shortened:
            await writes.hasten(self._api, leader, now - pod.started)

    async def release(self, identity: AttemptId) -> None:
        """See `Executor.release`. A pod that still runs (a sidecar, a lost node) goes with its Job.

        Raises:
            ApiError: the API server can't be asked.
        """
        job = self._known(identity)
        if job is None:
            job = await writes.find(self._api, self._namespace, self.job_name(identity))
        if job is None or self._attempt(job) is None:
            return
        pods = members(owned_by(job, self._source.pods(self._uid)), JobView.of(job).nodes)
        missing = len(pods) > 1 and None in pods and not _is_ending(job)
        running = any(pod is not None and not PodView.of(pod).terminal for pod in pods)
        if (running or missing) and not job["metadata"].get("deletionTimestamp"):
            await writes.discard(self._api, job)
        released = await writes.let_go(self._api, job)
        if released is not None:
            self._source.wrote(released)

    def _known(self, identity: AttemptId) -> Object | None:
        name = self.job_name(identity)
        return next((job for job in self._source.jobs(self._uid) if job["metadata"]["name"] == name), None)

    def _attempt(self, job: Object) -> AttemptId | None:
        """Which attempt of ours a Job is, if it was not released; labels alone can be forged."""
        identity = attempt_of(job)
        if identity is None or job["metadata"]["name"] != self.job_name(identity):
            return None
        return identity if controlled_by(job, self._uid) and writes.held(job) else None

    async def _observe(self, identity: AttemptId, job: Object, pods: Iterable[Object]) -> Observation | None:
        found = members(pods, JobView.of(job).nodes)
        if None in found and _is_ending(job):
            # Watches are not in step: the pods' may be behind, and a result must not be taken for lost.
            found = await self._pods_now(identity, job)
        state = await self._state(identity, job, found)
        if isinstance(state, Dismiss):
            for pod in state.pods:
                await writes.dismiss(self._api, self._namespace, pod.name, pod.uid)
            state = state.state
        if not isinstance(state, Stop):
            return Observation(identity, state)

        # What we saw may be old: look again before anything is stopped.
        current = await writes.find(self._api, self._namespace, self.job_name(identity))
        if current is None or self._attempt(current) is None:
            return None
        found = await self._pods_now(identity, current)
        state = await self._state(identity, current, found)
        if isinstance(state, Dismiss):
            state = state.state
        if isinstance(state, Stop):
            views = _views(found)
            await self._stop(identity, current, views[0], state)
            since = min((view.created for view in views if view is not None), default=JobView.of(current).created)
            running = any(view is not None and view.running for view in views)
            state = Running(since) if running else Waiting("Stopping", state.message, since)
        return Observation(identity, state)

    async def _state(self, identity: AttemptId, job: Object, found: Sequence[Object | None]) -> State | Stop | Dismiss:
        now = self._now()
        trial = trial_name(self._job.metadata.name, identity.number)
        job_view, views = JobView.of(job), _views(found)
        failure = await self._creation_failure(job, now) if None in found else ""
        leader = views[0]
        started = leader.started if leader is not None and leader.running else None
        with_progress = started is not None and self._progress_due(identity, now - started)
        async with self._logs if _worth_reading(views, now, with_progress=with_progress) else nullcontext():
            harvests = await read(
                self._api, self._namespace, views, trial, identity.attempt, now, with_progress=with_progress
            )
        if leader is not None and harvests[0].worth_waiting:
            return Running(leader.started if leader.started is not None else leader.created)
        if job_view.stopped is not None and job_view.stopped.frame:
            harvests[0].scanner.read_termination_message(job_view.stopped.frame)
        if len(views) == 1:
            return classify(
                job_view,
                leader,
                harvests[0].scanner,
                now=now,
                limits=self._limits,
                log_read=harvests[0].log_read,
                creation_failure=failure,
            )
        gang = [
            Member(index, view, harvest.scanner, harvest.log_read)
            for index, (view, harvest) in enumerate(zip(views, harvests, strict=True))
        ]
        return classify_gang(job_view, gang, now=now, limits=self._limits, creation_failure=failure)

    async def _stop(self, identity: AttemptId, job: Object, leader: PodView | None, why: Stop) -> None:
        if leader is not None and (leader.running or leader.terminated is not None) and not why.frame:
            # It may hang after its measurement, or wait for other pods; the log goes with the pod.
            trial = trial_name(self._job.metadata.name, identity.number)
            frame = await reported(self._api, self._namespace, leader, trial, identity.attempt)
            why = replace(why, frame=frame)
        stopped = await writes.stop(self._api, job, why)
        if stopped is not None:
            self._source.wrote(stopped)

    async def _pods_now(self, identity: AttemptId, job: Object) -> list[Object | None]:
        labels = f"{selector(self._uid)},{TRIAL_LABEL}={identity.number}"
        listed = await self._api.list(PODS, self._namespace, label_selector=labels)
        return members(owned_by(job, listed.items), JobView.of(job).nodes)

    async def _creation_failure(self, job: Object, now: float) -> str:
        """Why a Job has no pod, from its events: the Job itself does not say."""
        view = JobView.of(job)
        if view.suspended or view.started is None or now < view.started + CREATION_SECONDS or _is_ending(job):
            return ""
        fields = f"involvedObject.uid={job['metadata']['uid']},reason=FailedCreate"
        try:
            events = (await self._api.list(EVENTS, self._namespace, field_selector=fields)).items
        except ApiError:
            return ""  # it only explains: without it the start timeout decides all the same
        newest = max(events, key=lambda event: event.get("lastTimestamp") or "", default=None)
        return str(newest.get("message") or "") if newest is not None else ""


class PollingExecutor(KubernetesExecutor):
    """An executor that lists its Jobs and pods at each `observe`: for one TuningJob without a controller."""

    def __init__(self, api: KubernetesApi, job: TuningJob, uid: str) -> None:
        self._listed = ApiSource(api, job.metadata.namespace)
        super().__init__(api, job, uid, self._listed, progress_due=lambda _identity, _age: True)

    async def observe(self) -> Sequence[Observation]:
        """See `Executor.observe`."""
        await self._listed.refresh(self._uid)
        return await super().observe()


def _views(pods: Sequence[Object | None]) -> list[PodView | None]:
    return [PodView.of(pod) if pod is not None else None for pod in pods]


def _worth_reading(pods: Sequence[PodView | None], now: float, *, with_progress: bool) -> bool:
    """Whether a look at these pods asks for logs."""
    return with_progress or all(pod is None or pod.over(now) for pod in pods)


def _is_stopped(job: Object) -> bool:
    view = JobView.of(job)
    return view.stopped is not None and view.deletion is not None


def _is_ending(job: Object) -> bool:
    view = JobView.of(job)
    return view.failed is not None or view.complete or view.deletion is not None
