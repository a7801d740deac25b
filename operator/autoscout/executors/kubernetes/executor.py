"""The executor that runs each attempt as a Kubernetes Job. Life of one: docs/architecture.md, "The loop"."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from autoscout.api.names import TRIAL_LABEL, attempt_name, trial_name
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.kubernetes import writes
from autoscout.executors.kubernetes.classify import Limits, classify
from autoscout.executors.kubernetes.client import EVENTS, PODS, ApiError, KubernetesApi, selector
from autoscout.executors.kubernetes.harvest import harvest, progress, reported
from autoscout.executors.kubernetes.manifests import job_manifest
from autoscout.executors.kubernetes.names import Object, attempt_of, controlled_by
from autoscout.executors.kubernetes.source import ApiSource, Source
from autoscout.executors.kubernetes.views import JobView, PodView, Stop, choose, owned_by
from autoscout.executors.kubernetes.writes import release_orphans
from autoscout.executors.protocol import AttemptId, Observation, Running, State, Waiting
from autoscout.search.ledger import Trial
from autoscout.search.settle import CANCELLED
from autoscout_profiler.scanner import Scanner

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
        with_progress: whether `observe` reads the logs of running pods for `Running.progress`.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        api: KubernetesApi,
        job: TuningJob,
        uid: str,
        source: Source,
        *,
        with_progress: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._job = job
        self._uid = uid
        self._namespace = job.metadata.namespace
        self._source = source
        self._with_progress = with_progress
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
        pod = choose(await self._pods_now(identity, job))
        view = PodView.of(pod) if pod is not None else None
        if view is not None and (view.terminal or view.terminated is not None):
            return
        started = view.started if view is not None else None
        await self._stop(identity, job, view, Stop(CANCELLED, "stopped by AutoScout", started))

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
        running = [pod for pod in owned_by(job, self._source.pods(self._uid)) if not PodView.of(pod).terminal]
        if running and not job["metadata"].get("deletionTimestamp"):
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
        pod = choose(pods)
        if pod is None and _is_ending(job):
            # Watches are not in step: the pod's may be behind, and its result must not be taken for lost.
            pod = choose(await self._pods_now(identity, job))
        state = await self._state(identity, job, pod)
        if not isinstance(state, Stop):
            return Observation(identity, state)

        # What we saw may be old: look again before anything is stopped.
        current = await writes.find(self._api, self._namespace, self.job_name(identity))
        if current is None or self._attempt(current) is None:
            return None
        pod = choose(await self._pods_now(identity, current))
        state = await self._state(identity, current, pod)
        if isinstance(state, Stop):
            view = PodView.of(pod) if pod is not None else None
            await self._stop(identity, current, view, state)
            since = view.created if view is not None else JobView.of(current).created
            running = view is not None and view.running
            state = Running(since) if running else Waiting("Stopping", state.message, since)
        return Observation(identity, state)

    async def _state(self, identity: AttemptId, job: Object, pod: Object | None) -> State | Stop:
        now = self._now()
        trial = trial_name(self._job.metadata.name, identity.number)
        scanner, log_read, failure = Scanner(trial, identity.attempt), True, ""
        job_view, view = JobView.of(job), PodView.of(pod) if pod is not None else None
        if view is None:
            failure = await self._creation_failure(job, now)
        elif view.over(now):
            async with self._logs:
                read = await harvest(self._api, self._namespace, view, trial, identity.attempt, now)
            if read.worth_waiting:
                return Running(view.started if view.started is not None else view.created)
            scanner, log_read = read.scanner, read.log_read
        elif view.running and self._with_progress:
            async with self._logs:
                scanner = await progress(self._api, self._namespace, view, trial, identity.attempt)
        if job_view.stopped is not None and job_view.stopped.frame:
            scanner.read_termination_message(job_view.stopped.frame)
        return classify(
            job_view,
            view,
            scanner,
            now=now,
            limits=self._limits,
            log_read=log_read,
            creation_failure=failure,
        )

    async def _stop(self, identity: AttemptId, job: Object, pod: PodView | None, why: Stop) -> None:
        if pod is not None and pod.running and not why.frame:
            # It may hang after its measurement; the log goes with the pod.
            trial = trial_name(self._job.metadata.name, identity.number)
            frame = await reported(self._api, self._namespace, pod, trial, identity.attempt)
            why = replace(why, frame=frame)
        stopped = await writes.stop(self._api, job, why)
        if stopped is not None:
            self._source.wrote(stopped)

    async def _pods_now(self, identity: AttemptId, job: Object) -> list[Object]:
        labels = f"{selector(self._uid)},{TRIAL_LABEL}={identity.number}"
        listed = await self._api.list(PODS, self._namespace, label_selector=labels)
        return owned_by(job, listed.items)

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

    def __init__(self, api: KubernetesApi, job: TuningJob, uid: str, *, with_progress: bool = True) -> None:
        self._listed = ApiSource(api, job.metadata.namespace)
        super().__init__(api, job, uid, self._listed, with_progress=with_progress)

    async def observe(self) -> Sequence[Observation]:
        """See `Executor.observe`."""
        await self._listed.refresh(self._uid)
        return await super().observe()


def _is_stopped(job: Object) -> bool:
    view = JobView.of(job)
    return view.stopped is not None and view.deletion is not None


def _is_ending(job: Object) -> bool:
    view = JobView.of(job)
    return view.failed is not None or view.complete or view.deletion is not None
