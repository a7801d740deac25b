"""One turn of the wheel for one TuningJob: observe, settle, plan, commit, apply, report.

Level-triggered: it looks at what is, not at what happened, so it may be run at any time, any number of times. A crash
between any two lines is harmless; `docs/architecture.md` says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from autoscout.api import errors as api_errors
from autoscout.controller import status as statuses
from autoscout.controller.commit import Ledgers
from autoscout.controller.planner import Planner, PlanningError
from autoscout.controller.results import publish
from autoscout.controller.session import Session, Sessions
from autoscout.controller.status import Status
from autoscout.controller.store import Key, Kind, Object, Store
from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import ApiError, KubernetesApi, TransientApiError
from autoscout.executors.kubernetes.executor import KubernetesExecutor, release_orphans
from autoscout.executors.protocol import AttemptId, Ended, ExecutorError, Observation, Running, reports_of
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.optimizer import Standing
from autoscout.search.plan import Phase, Plan, Situation, Verdict
from autoscout.search.settle import give_up, settle

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 15.0
"""While a search goes on: start timeouts, the wall budget and names that are taken need a clock, not an event."""


_FINISHED = (Phase.COMPLETE, Phase.FAILED)


class Reconciler:
    """Knows how to bring one TuningJob forward.

    Args:
        now: seconds since the epoch.
    """

    def __init__(self, api: KubernetesApi, store: Store, planner: Planner, now: Callable[[], float]) -> None:
        self._api = api
        self._store = store
        self._planner = planner
        self._now = now
        self._sessions = Sessions()

    async def reconcile(self, key: Key) -> float | None:
        """Bring the TuningJob one step forward.

        Returns:
            In how many seconds it wants to be looked at again without an event, or None.

        Raises:
            ApiError: the API server refuses or can't be reached; the queue tries again.
        """
        item = self._store.job(key)
        alive = item["metadata"]["uid"] if item and not item["metadata"].get("deletionTimestamp") else None
        for uid in self._store.uids_left_behind(key, alive):
            await release_orphans(self._api, key.namespace, uid)
        if item is None or alive is None:
            self._sessions.forget(key)
            return None
        try:
            session = await self._sessions.open(item, self._planner)
            if isinstance(session, list):
                await self._refuse(item, "; ".join(map(str, session)))
                return None
            return await _Turn(self._api, self._store, self._planner, session, item, self._now()).run()
        except api_errors.ApiError as error:
            await self._refuse(item, f"a TuningTrial of this job can't be read: {error}")
            return None
        except ApiError as error:
            if error.conflict:
                # Somebody wrote in between: read what is there now, then decide again.
                logger.info("%s: %s; looking again", key, error)
                await self._refresh(key, alive)
                return 0.0
            if not isinstance(error, TransientApiError):
                await self._trouble(item, error.reason, error.message)
            raise
        except PlanningError as error:
            await self._trouble(item, "PlanningFailed", str(error))
            raise

    async def _trouble(self, item: Object, reason: str, message: str) -> None:
        """Show on the TuningJob what keeps it from going on; the queue tries again with a backoff."""
        status = statuses.troubled(
            item.get("status") or {},
            generation=item["metadata"]["generation"],
            now=self._now(),
            reason=reason,
            message=message,
        )
        with contextlib.suppress(ApiError):
            await report(self._api, self._store, item, status)

    async def _refuse(self, item: Object, message: str) -> None:
        status = statuses.invalid(
            item.get("status") or {}, generation=item["metadata"]["generation"], now=self._now(), message=message
        )
        await report(self._api, self._store, item, status)

    async def _refresh(self, key: Key, uid: str) -> None:
        try:
            self._store.apply(Kind.TUNING_JOBS, await self._api.get(client.TUNING_JOBS, key.namespace, key.name))
        except ApiError as error:
            if not error.not_found:
                raise
        # Whatever a write was refused for: its next try must not meet the same old version again, at once and for ever.
        for kind, resource in ((Kind.TUNING_TRIALS, client.TUNING_TRIALS), (Kind.JOBS, client.JOBS)):
            listed = await self._api.list(resource, key.namespace, label_selector=client.selector(uid))
            for found in listed.items:
                self._store.apply(kind, found)


async def report(api: KubernetesApi, store: Store, item: Object, status: Status) -> None:
    """Write the status if it says something new, and nobody wrote the TuningJob since we read it."""
    if statuses.same(item.get("status") or {}, status):
        return
    metadata = item["metadata"]
    written = await api.replace(
        client.TUNING_JOBS, metadata["namespace"], metadata["name"], {**item, "status": status}, subresource="status"
    )
    store.apply(Kind.TUNING_JOBS, written)


class _Turn:
    """One reconcile of a valid TuningJob: the state that its steps share."""

    def __init__(
        self, api: KubernetesApi, store: Store, planner: Planner, session: Session, item: Object, now: float
    ) -> None:
        self._api = api
        self._store = store
        self._planner = planner
        self._session = session
        self._item = item
        self._now = now
        self._namespace: str = item["metadata"]["namespace"]
        self._key = Key(self._namespace, item["metadata"]["name"])
        self._executor = KubernetesExecutor(api, session.job, session.uid, store, progress_due=self._progress_due)
        self._ledgers = Ledgers(api, store, session, self._namespace)
        self._ledger = session.ledger(store.trials(session.uid))
        self._previous = statuses.started(item.get("status") or {}, store.trials(session.uid))
        self._in_flight: list[Observation] = []

    async def run(self) -> float | None:
        """The whole turn; returns as `Reconciler.reconcile`."""
        left = self._seconds_to_live(self._previous)
        if left is not None and left <= 0:
            await self._api.delete(
                client.TUNING_JOBS, self._namespace, self._item["metadata"]["name"], uid=self._session.uid
            )
            return None
        await self._settle(await self._executor.observe())
        self._session.forget_looks(observation.id for observation in self._in_flight)
        plan = await self._planner.plan(self._session.document, self._ledger, self._situation())
        verdict = plan.verdict
        try:
            await self._carry_out(plan)
        except ExecutorError as error:
            verdict = Verdict(Phase.SEARCHING, error.reason, str(error))
        if verdict.phase in _FINISHED and self._previous.get("phase") != verdict.phase:
            seconds = statuses.elapsed_seconds(self._previous, self._now)
            await publish(self._api, self._session, self._ledger, verdict, namespace=self._namespace, seconds=seconds)
        # In a thread, for it grows with the samples of all trials: nothing else waits for it.
        status = await asyncio.to_thread(self._status, verdict, plan.standing)
        if self._previous.get("phase") != verdict.phase:
            logger.info("%s: %s (%s): %s", self._key, verdict.phase, verdict.reason, verdict.message)
        await report(self._api, self._store, self._item, status)
        if verdict.phase in _FINISHED:
            return self._seconds_to_live(status)
        return LOOK_AGAIN_SECONDS if verdict.phase is Phase.SEARCHING or self._in_flight else None

    async def _settle(self, observations: Sequence[Observation]) -> None:
        """Commit what ended, release what is committed, keep what is in flight."""
        current = {(entry.trial.number, len(entry.attempts)) for entry in self._ledger.pending}
        for observation in observations:
            if observation.id not in current:
                await self._drop(observation)
            elif isinstance(observation.state, Ended):
                await self._commit_end(observation.id, observation.state)
                await self._executor.release(observation.id)
            else:
                self._in_flight.append(observation)
                if isinstance(observation.state, Running):
                    await self._mark_running(observation.id)

    async def _drop(self, observation: Observation) -> None:
        """Let go of an attempt that the ledger doesn't wait for.

        Its outcome is committed already and only the release got lost, or somebody deleted its trial.
        """
        if observation.id.number not in {entry.trial.number for entry in self._ledger.entries}:
            await self._ledgers.confirm_absent(observation.id.number)
        if not isinstance(observation.state, Ended):
            await self._executor.cancel(observation.id)
        await self._executor.release(observation.id)

    async def _commit_end(self, identity: AttemptId, ended: Ended) -> None:
        entry = settle(
            self._entry(identity.number),
            ended.result,
            seconds=ended.seconds,
            gpus=ended.gpus,
            max_attempts=self._session.job.spec.profile.attempts,
            position=self._ledger.next_position,
            stopped_early=ended.stopped_early,
        )
        await self._commit(entry)
        last = entry.attempts[-1]
        logger.info(
            "%s: trial %d, attempt %d: %s after %.0f s%s",
            *(self._key, identity.number, identity.attempt, last.reason, last.seconds),
            f": {last.message}" if last.message else "",
        )

    async def _mark_running(self, identity: AttemptId) -> None:
        entry = self._entry(identity.number)
        if self._ledgers.phase(entry) != "Running":
            await self._ledgers.commit(entry, now=self._now, running=True)

    async def _commit(self, entry: Entry) -> None:
        await self._ledgers.commit(entry, now=self._now)
        self._replace(entry)

    async def _carry_out(self, plan: Plan) -> None:
        """Apply the plan in its order.

        Raises:
            ExecutorError: the platform refuses a Job for good; all else is done.
        """
        await self._end(plan)
        for trial in plan.append:
            await self._ledgers.append(trial)
            logger.info("%s: trial %d by %s: %s", self._key, trial.number, trial.proposer, dict(trial.configuration))
            self._ledger = Ledger((*self._ledger.entries, Entry(trial)))
        flying = {observation.id for observation in self._in_flight}
        refusals: list[ExecutorError] = []
        for trial, attempt in plan.ensure:
            identity = AttemptId(trial.number, attempt)
            if identity in flying:
                continue
            try:
                await self._executor.ensure(trial, attempt)
            except ExecutorError as error:
                refusals.append(error)
            else:
                self._in_flight.append(Observation(identity, self._executor.starting(self._now)))
        if refusals:
            raise refusals[0]

    async def _end(self, plan: Plan) -> None:
        """Give up what is pending and stop what runs, as far as the plan says so."""
        if plan.give_up is not None:
            for number in plan.give_up.numbers:
                entry = give_up(
                    self._entry(number),
                    reason=plan.give_up.reason,
                    message=plan.give_up.message,
                    position=self._ledger.next_position,
                )
                await self._commit(entry)
        for number, attempt in plan.cancel:
            await self._executor.cancel(AttemptId(number, attempt))
        for number, attempt in plan.stop_early:
            logger.info("%s: trial %d, attempt %d: stopped early, it can't win any more", self._key, number, attempt)
            await self._executor.stop_early(AttemptId(number, attempt))

    def _progress_due(self, identity: AttemptId, age: float) -> bool:
        """Whether the progress of an attempt could lead to a decision, and was not read lately."""
        matters = self._session.stops_early and identity.number > 0 and self._ledger.profiled > 0
        return matters and self._session.look_due(identity, age)

    def _situation(self) -> Situation:
        hours = sum(
            (self._now - observation.state.since) * self._executor.gpus / 3600
            for observation in self._in_flight
            if isinstance(observation.state, Running)
        )
        return Situation(
            budget=self._session.budget,
            suspended=self._session.job.spec.suspend,
            in_flight=frozenset((o.id.number, o.id.attempt) for o in self._in_flight),
            elapsed_seconds=statuses.elapsed_seconds(self._previous, self._now),
            running_gpu_hours=hours,
            reports=(
                reports_of(self._in_flight, self._session.problem.objectives[0].metric)
                if self._session.stops_early
                else {}
            ),
            standing_told=statuses.standing_told(self._previous),
        )

    def _status(self, verdict: Verdict, standing: Standing | None) -> Status:
        return statuses.searching(
            self._previous,
            generation=self._item["metadata"]["generation"],
            now=self._now,
            problem=self._session.problem,
            ledger=self._ledger,
            verdict=verdict,
            observations=sorted(self._in_flight, key=lambda observation: observation.id),
            job_names={each.id: self._executor.job_name(each.id) for each in self._in_flight},
            described=replace(self._session.described(self._ledger), standing=standing),
        )

    def _seconds_to_live(self, status: Status) -> float | None:
        """Until `ttlSecondsAfterFinished` deletes the TuningJob; None: it stays."""
        ttl = self._session.job.spec.ttl_seconds_after_finished
        finished = statuses.seconds_of(status.get("completionTime"))
        if ttl is None or finished is None or status.get("phase") not in _FINISHED:
            return None
        return finished + ttl - self._now

    def _entry(self, number: int) -> Entry:
        return next(entry for entry in self._ledger.entries if entry.trial.number == number)

    def _replace(self, entry: Entry) -> None:
        number = entry.trial.number
        self._ledger = Ledger(tuple(entry if e.trial.number == number else e for e in self._ledger.entries))
