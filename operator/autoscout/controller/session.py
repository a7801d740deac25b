"""What the operator remembers of one TuningJob between reconciles: parsed forms, and nothing that can't be lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from autoscout.api import convert
from autoscout.api.errors import FieldError
from autoscout.api.tuning_job import TuningJob
from autoscout.controller.planner import Planner
from autoscout.controller.status import Described
from autoscout.controller.store import Key, Object
from autoscout.executors.kubernetes.names import controlled_by
from autoscout.executors.protocol import AttemptId
from autoscout.launch.launch import launch_line
from autoscout.search.incumbent import incumbent
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.problem import Budget, Problem

FIRST_LOOK_SECONDS = 10.0
"""A profile that is shorter isn't worth stopping."""
LOOK_GROWTH = 1.5
"""Of a profile of 30 minutes the progress is read 13 times at most, of one of 3 hours 18 times."""


@dataclass
class Session:
    """One generation of one TuningJob, checked and parsed.

    Attributes:
        document: the TuningJob as JSON without status and without what changes on every write.
    """

    job: TuningJob
    uid: str
    generation: int
    document: dict[str, Any]
    problem: Problem
    budget: Budget
    _entries: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    _looks: dict[AttemptId, float] = field(default_factory=dict)

    def ledger(self, trials: Iterable[Object]) -> Ledger:
        """The ledger from the TuningTrials that this TuningJob controls; a trial is parsed once a version.

        Raises:
            autoscout.api.errors.ApiError: a trial can't be read; the search can't go on without it.
        """
        entries: dict[str, tuple[str, Entry]] = {}
        for trial in trials:
            metadata = trial["metadata"]
            if not controlled_by(trial, self.uid):
                continue
            known = self._entries.get(metadata["uid"])
            if known is None or known[0] != metadata["resourceVersion"]:
                known = (metadata["resourceVersion"], convert.entry(trial, self.problem.space))
            entries[metadata["uid"]] = known
        self._entries = entries
        return Ledger(tuple(sorted((entry for _, entry in entries.values()), key=lambda entry: entry.trial.number)))

    @property
    def stops_early(self) -> bool:
        """Whether profiles that can no longer win are stopped; with several objectives none is known to be lost."""
        return self.job.spec.profile.stop_early and len(self.problem.objectives) == 1

    def look_due(self, identity: AttemptId, age: float) -> bool:
        """Whether to read the progress of an attempt that runs for `age` seconds; if so, that look is taken.

        It is a request for its log, so the looks become rarer as the attempt goes on: each may come once it has run
        half as long again.
        """
        if age < max(FIRST_LOOK_SECONDS, self._looks.get(identity, 0.0) * LOOK_GROWTH):
            return False
        self._looks[identity] = age
        return True

    def forget_looks(self, in_flight: Iterable[AttemptId]) -> None:
        """Only these attempts still run."""
        self._looks = {identity: self._looks[identity] for identity in in_flight if identity in self._looks}

    def described(self, ledger: Ledger) -> Described:
        """What the status says beside the search's own words."""
        best = incumbent(self.problem, ledger)
        pool = self.job.spec.hardware.pools[0]
        return Described(
            command=launch_line(self.job, best.trial.configuration) if best else "",
            price_per_gpu_hour=pool.price_per_gpu_hour.number if pool.price_per_gpu_hour is not None else None,
            max_profiles=self.budget.max_profiles,
        )


class Sessions:
    """The sessions of all TuningJobs."""

    def __init__(self) -> None:
        self._sessions: dict[Key, Session] = {}
        self._refused: dict[Key, tuple[str, int, list[FieldError]]] = {}

    async def open(self, item: Object, planner: Planner) -> Session | list[FieldError]:
        """The session of this object, or what is wrong with it; checked once a generation, in a worker process."""
        metadata = item["metadata"]
        key, uid, generation = Key(metadata["namespace"], metadata["name"]), metadata["uid"], metadata["generation"]
        session = self._sessions.get(key)
        if session is not None and (session.uid, session.generation) == (uid, generation):
            return session
        refused = self._refused.get(key)
        if refused is not None and refused[:2] == (uid, generation):
            return refused[2]
        document = {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "spec": item.get("spec"),
        }
        errors = await planner.check(document)
        if errors:
            self._refused[key] = (uid, generation, errors)
            return errors
        job = convert.job({**document, "metadata": metadata})
        fresh = Session(job, uid, generation, document, convert.problem(job), convert.budget(job))
        if session is not None and session.uid == uid:
            # Only the budget and the like can have changed: the trials read as before.
            fresh._entries = session._entries  # noqa: SLF001 - its own class
        self._sessions[key] = fresh
        return fresh

    def forget(self, key: Key) -> None:
        """The TuningJob is gone."""
        self._sessions.pop(key, None)
        self._refused.pop(key, None)
