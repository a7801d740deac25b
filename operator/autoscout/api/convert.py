"""Between API objects and the core. Nothing is lost: what goes out as an object comes back the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from autoscout import __version__
from autoscout.api import subject
from autoscout.api.errors import ApiError, FieldError
from autoscout.api.fields import MAX_MESSAGE, MAX_REASON
from autoscout.api.frameworks import is_built_in
from autoscout.api.names import API_VERSION, owner_reference, trial_labels, trial_name
from autoscout.api.parse import load, load_trial
from autoscout.api.space import search_space
from autoscout.api.status import MAX_METRICS
from autoscout.api.tuning_job import TuningJob
from autoscout.api.tuning_trial import MAX_SAMPLES, AttemptStatus, TuningTrial
from autoscout.search.ledger import Attempt, Entry, Fidelity, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.problem import Budget, Goal, MetricConstraint, Objective, Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import SpaceError
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

T = TypeVar("T")

MAX_ALL_SAMPLES = 150_000
"""Of all metrics of a trial: a frame has room for more than `plain` reads, and than etcd holds in one object."""


def job(document: object) -> TuningJob:
    """The TuningJob in parsed YAML or JSON.

    Raises:
        ApiError: it is none; use `parse.load` to have the errors as values.
    """
    loaded = load(document)
    if isinstance(loaded, list):
        raise ApiError(loaded)
    return loaded


def problem(tuning_job: TuningJob, *, looked_up: bool = False) -> Problem:
    """What is searched.

    Args:
        looked_up: whether outcomes come from somebody's table, so that a load that is left out is not known.

    Raises:
        ApiError: the search space can't be used; `check.problems` says so beforehand.
    """
    spec = tuning_job.spec
    space = search_space(spec)
    if not isinstance(space, SearchSpace):
        raise ApiError(space)
    return Problem(
        space=space,
        objectives=tuple(Objective(each.metric, Goal(each.goal)) for each in spec.objectives),
        constraints=tuple(
            MetricConstraint(
                each.metric,
                None if each.min is None else each.min.number,
                None if each.max is None else each.max.number,
            )
            for each in spec.constraints
        ),
        algorithm=spec.search.algorithm,
        settings=spec.search.settings,
        seed=spec.search.seed,
        workload=subject.workload(spec.workload, built_in=is_built_in(tuning_job) and not looked_up),
        hardware=subject.hardware(spec.hardware),
    )


def budget(tuning_job: TuningJob) -> Budget:
    """When to stop."""
    limits = tuning_job.spec.budget
    return Budget(
        max_profiles=limits.max_profiles,
        max_seconds=None if limits.max_duration is None else limits.max_duration.seconds,
        max_gpu_hours=None if limits.max_gpu_hours is None else limits.max_gpu_hours.number,
        parallelism=limits.parallelism,
    )


def trial_manifest(trial: Trial, *, job: str, uid: str, namespace: str) -> dict[str, Any]:
    """The TuningTrial that records a decision, without a status.

    Args:
        job: name of the TuningJob that owns it.
        uid: UID of that TuningJob.
        namespace: of both.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": "TuningTrial",
        "metadata": {
            "name": trial_name(job, trial.number),
            "namespace": namespace,
            "labels": trial_labels(job, uid, trial.number),
            "ownerReferences": [owner_reference(job, uid)],
        },
        "spec": {
            "number": trial.number,
            "configuration": dict(trial.configuration),
            "fingerprint": trial.configuration.fingerprint,
            "fidelity": Fidelity.PROFILED.value,
            "proposer": trial.proposer,
            "predicted": {metric: repr(float(value)) for metric, value in _finite(trial.predicted).items()},
            "reason": trial.reason[:MAX_MESSAGE],
            **({} if trial.decided_after is None else {"decidedAfter": trial.decided_after}),
            "engineVersion": __version__,
        },
    }


def trial_status(
    entry: Entry,
    *,
    jobs: Sequence[str] = (),
    wanted: Sequence[str] = (),
    running: bool = False,
    start_time: str | None = None,
    completion_time: str | None = None,
) -> dict[str, Any]:
    """The status of the TuningTrial of an entry.

    Args:
        jobs: names of the Jobs of attempts 0, 1, ..., the running one included; empty without a cluster.
        wanted: the metrics that the job names, its first objective first: that is the printer column. Of more metrics
            than the schema holds these are kept.
        running: whether an attempt measures now; it counts only while there is no outcome.
        start_time: when the first attempt started, RFC 3339.
        completion_time: when the outcome was committed, RFC 3339.
    """
    outcome = entry.outcome
    status: dict[str, Any] = {
        "phase": ("Running" if running else "Pending") if outcome is None else type(outcome).__name__,
        "attempts": [
            _attempt_status(number, attempt, jobs[number] if number < len(jobs) else None)
            for number, attempt in enumerate(entry.attempts)
        ],
        "gpuHours": sum(attempt.gpu_hours for attempt in entry.attempts),
    }
    optional = {
        "position": entry.position,
        "job": jobs[-1] if jobs else None,
        "startTime": start_time,
        "completionTime": completion_time,
    }
    match outcome:
        case Measured(metrics, samples):
            status["metrics"] = _finite(_first(metrics, wanted))
            status["samples"] = _samples(_first(samples, wanted))
            if wanted and wanted[0] in metrics:
                optional["value"] = f"{metrics[wanted[0]]:.6g}"
        case Infeasible(reason, message) | Lost(reason, message):
            status |= {"reason": reason[:MAX_REASON], "message": message[:MAX_MESSAGE]}
    return status | {name: value for name, value in optional.items() if value is not None}


def entry(document: object, space: SearchSpace) -> Entry:
    """The entry that a TuningTrial records.

    Args:
        document: the TuningTrial as parsed JSON.
        space: that of its TuningJob; JSON keeps neither the order of the parameters nor 2.0 apart from 2.

    Raises:
        ApiError: it is no TuningTrial, or its configuration does not belong to the space.
    """
    loaded = load_trial(document)
    if isinstance(loaded, list):
        raise ApiError(loaded)
    spec = loaded.spec
    configuration = _configuration(spec.configuration, space, spec.engine_version)
    if configuration.fingerprint != spec.fingerprint:
        raise ApiError(
            [
                FieldError(
                    "spec.fingerprint",
                    f"is {spec.fingerprint}, but the configuration's is {configuration.fingerprint}: it was changed",
                )
            ]
        )
    return Entry(
        trial=Trial(
            number=spec.number,
            configuration=configuration,
            proposer=spec.proposer,
            predicted={metric: value.number for metric, value in spec.predicted.items()},
            reason=spec.reason,
            decided_after=spec.decided_after,
        ),
        attempts=tuple(_attempt(each) for each in loaded.status.attempts),
        outcome=_outcome(loaded),
        position=loaded.status.position,
    )


def _configuration(recorded: Mapping[str, Value], space: SearchSpace, decided_by: str) -> Configuration:
    items: dict[str, Value] = {}
    # A preset may have become another one since: then it is the version that has to change, not the trial.
    hint = (
        f" (AutoScout {decided_by} decided, this is {__version__}: finish the search with {decided_by}, or make a new "
        "TuningJob)"
        if decided_by not in ("", __version__)
        else ""
    )
    errors: list[FieldError] = []
    for name, value in recorded.items():
        field = f"spec.configuration.{name}"
        parameter = space.by_name.get(name)
        if parameter is None:
            errors.append(FieldError(field, f"is no parameter of the search space of its TuningJob{hint}"))
            continue
        try:
            items[name] = parameter.values[parameter.index(value)]
        except SpaceError as error:
            errors.append(FieldError(field, f"{error.problem}{hint}"))
    if errors:
        raise ApiError(errors)
    return Configuration(tuple((name, items[name]) for name in space.by_name if name in items))


def _outcome(trial: TuningTrial) -> Outcome | None:
    status = trial.status
    match status.phase:
        case "Measured":
            return Measured(status.metrics, status.samples)
        case "Infeasible":
            return Infeasible(status.reason or "", status.message or "")
        case "Lost":
            return Lost(status.reason or "", status.message or "")
    return None


def _attempt(status: AttemptStatus) -> Attempt:
    return Attempt(status.reason, status.message, status.seconds, status.gpu_hours, status.counts)


def _attempt_status(number: int, attempt: Attempt, job_name: str | None) -> dict[str, Any]:
    status = {
        "attempt": number,
        "reason": attempt.reason[:MAX_REASON],
        "message": attempt.message[:MAX_MESSAGE],
        "seconds": attempt.seconds,
        "gpuHours": attempt.gpu_hours,
        "counts": attempt.counts,
    }
    return status if job_name is None else status | {"job": job_name}


def _first(of: Mapping[str, T], wanted: Sequence[str]) -> dict[str, T]:
    """The same, what is wanted before all else."""
    return {name: of[name] for name in dict.fromkeys([*wanted, *of]) if name in of}


def _samples(samples: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """What the CRD and etcd can hold."""
    kept: dict[str, list[float]] = {}
    room = MAX_ALL_SAMPLES
    for metric, values in islice(samples.items(), MAX_METRICS):
        kept[metric] = list(values[: min(MAX_SAMPLES, room)])
        room -= len(kept[metric])
    return kept


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """What JSON and the CRD can hold."""
    finite = [(metric, value) for metric, value in metrics.items() if math.isfinite(value)]
    return dict(finite[:MAX_METRICS])
