"""Writes to the ledger, each with its precondition."""

from __future__ import annotations

from autoscout.api import convert
from autoscout.api.names import attempt_name, trial_name
from autoscout.controller.session import Session
from autoscout.controller.status import timestamp
from autoscout.controller.store import Kind, Object, Store
from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import ApiError, KubernetesApi
from autoscout.executors.kubernetes.names import controlled_by
from autoscout.executors.protocol import ExecutorError
from autoscout.search.ledger import Entry, Trial


class Ledgers:
    """The ledger of one TuningJob in the cluster: its TuningTrials."""

    def __init__(self, api: KubernetesApi, store: Store, session: Session, namespace: str) -> None:
        self._api = api
        self._store = store
        self._session = session
        self._namespace = namespace

    async def append(self, trial: Trial) -> None:
        """Write a new trial down; its name makes the API server refuse a second one of that number.

        Raises:
            ApiError: a conflict: another writer was faster, the plan is to be made anew.
            ExecutorError: a TuningTrial of that name exists that isn't ours.
        """
        body = convert.trial_manifest(
            trial, job=self._session.job.metadata.name, uid=self._session.uid, namespace=self._namespace
        )
        try:
            written = await self._api.create(client.TUNING_TRIALS, self._namespace, body)
        except ApiError as error:
            if not error.already_exists:
                raise
            written = await self._api.get(client.TUNING_TRIALS, self._namespace, body["metadata"]["name"])
            if not controlled_by(written, self._session.uid):
                raise ExecutorError(
                    "NameTaken",
                    f"TuningTrial {body['metadata']['name']} exists but belongs to something else: wait until it is "
                    "collected, or delete it",
                ) from error
            self._store.apply(Kind.TUNING_TRIALS, written)
            if written["spec"] != body["spec"]:
                raise ApiError(409, "Conflict", "another writer appended this trial") from error
        self._store.apply(Kind.TUNING_TRIALS, written)

    async def commit(self, entry: Entry, *, now: float, running: bool = False) -> None:
        """Write what became of a trial, if nobody wrote to it since we read it.

        Args:
            entry: its new state.
            now: seconds since the epoch.
            running: whether an attempt runs now.

        Raises:
            ApiError: a conflict: somebody wrote in between.
        """
        known = self._find(entry)
        metadata, number = self._session.job.metadata, entry.trial.number
        before = known.get("status") or {}
        status = convert.trial_status(
            entry,
            jobs=[
                attempt_name(metadata.name, self._session.uid, number, attempt)
                for attempt in range(len(entry.attempts) + running)
            ],
            wanted=self._session.problem.metrics,
            running=running,
            start_time=before.get("startTime") or (timestamp(now) if running else None),
            completion_time=None if entry.outcome is None else timestamp(now),
        )
        written = await self._api.replace(
            client.TUNING_TRIALS,
            self._namespace,
            known["metadata"]["name"],
            {**known, "status": status},
            subresource="status",
        )
        self._store.apply(Kind.TUNING_TRIALS, written)

    async def confirm_absent(self, number: int) -> None:
        """Make sure that a trial which the cache doesn't know really isn't there.

        Raises:
            ApiError: a conflict: it is there, the cache was stale.
        """
        name = trial_name(self._session.job.metadata.name, number)
        try:
            found = await self._api.get(client.TUNING_TRIALS, self._namespace, name)
        except ApiError as error:
            if error.not_found:
                return
            raise
        if controlled_by(found, self._session.uid):
            self._store.apply(Kind.TUNING_TRIALS, found)
            raise ApiError(409, "Conflict", f"the cache did not know TuningTrial {name}")

    def phase(self, entry: Entry) -> str | None:
        """The phase that the status of the trial shows."""
        phase: str | None = (self._find(entry).get("status") or {}).get("phase")
        return phase

    def _find(self, entry: Entry) -> Object:
        name = trial_name(self._session.job.metadata.name, entry.trial.number)
        for trial in self._store.trials(self._session.uid):
            if trial["metadata"]["name"] == name:
                return trial
        raise ApiError(409, "Conflict", f"TuningTrial {name} is gone")
