"""The status of a TuningJob: derived from the ledger and what is in flight, small (`shown`) however long the search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from autoscout.api.status import TuningJobStatus
from autoscout.controller import shown
from autoscout.executors.protocol import Observation, State, Waiting
from autoscout.search.incumbent import default_entry, incumbent, speedup
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.optimizer import Standing
from autoscout.search.outcome import Measured
from autoscout.search.plan import PROFILING, Phase, Verdict
from autoscout.search.problem import Problem

MOST_RUNNING_SHOWN = 16
PATIENCE_SECONDS = 10.0
"""A start that takes longer than this is worth telling why."""

_USUAL = frozenset({"Starting", "PodPending", "ContainerCreating", "PodInitializing"})

Status = dict[str, Any]


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339, the way Kubernetes writes it: `2026-01-31T08:00:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str | None) -> float | None:
    """The inverse of `timestamp`; None for what is no time, as somebody else may have written it."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Described:
    """How the configurations of this job are shown.

    Attributes:
        command: the command line that realises the incumbent, quoted for a shell; empty where there is none.
        price_per_gpu_hour: None where the pool has no price.
        max_profiles: of the budget.
        standing: what the search works with; None: as before.
    """

    command: str
    price_per_gpu_hour: float | None
    max_profiles: int
    standing: Standing | None = None


def same(written: Status, status: Status) -> bool:
    """Whether a status that the API server gave back, with the schema's defaults filled in, says the same."""
    try:
        return TuningJobStatus.model_validate(written) == TuningJobStatus.model_validate(status)
    except ValidationError:
        return False


def standing_told(previous: Status) -> bool:
    """Whether the status says what the search works with; somebody may have wiped it off."""
    return "fidelity" in (previous.get("progress") or {})


def _standing(previous: Status, standing: Standing | None) -> Status:
    """The members of `progress` that only the search knows; it tells them when it proposes."""
    if standing is None:
        before = previous.get("progress") or {}
        return {name: before[name] for name in ("simulated", "fidelity", "mape") if name in before}
    found: Status = {"simulated": standing.simulated, "fidelity": standing.fidelity.value}
    return found if standing.mape is None else found | {"mape": round(standing.mape, 4)}


def invalid(previous: Status, *, generation: int, now: float, message: str) -> Status:
    """The status of a TuningJob whose spec can't be run; whatever was found before stays."""
    message = shown.text(message)
    conditions = _conditions(
        previous,
        generation=generation,
        now=now,
        states={
            "Validated": (False, "Invalid", message),
            "Searching": (False, "Invalid", "not searching: the spec is invalid"),
        },
    )
    return {
        **previous,
        "observedGeneration": generation,
        "phase": "Invalid",
        "message": message,
        "conditions": conditions,
    }


def troubled(previous: Status, *, generation: int, now: float, reason: str, message: str) -> Status:
    """The status of a TuningJob that can't go on just now; all else stays as it was."""
    message = shown.text(message)
    conditions = _conditions(previous, generation=generation, now=now, states={"Searching": (False, reason, message)})
    return {**previous, "phase": previous.get("phase") or "Pending", "message": message, "conditions": conditions}


def searching(
    previous: Status,
    *,
    generation: int,
    now: float,
    problem: Problem,
    ledger: Ledger,
    verdict: Verdict,
    observations: Sequence[Observation],
    job_names: Mapping[tuple[int, int], str],
    described: Described,
) -> Status:
    """The status of a TuningJob that passed validation.

    Args:
        previous: the status as it stands, from which transition times are carried over.
        now: seconds since the epoch.
        observations: attempts in flight.
        job_names: (number, attempt) to the name of its Job.
    """
    observations = [Observation(each.id, _settled_down(each.state, now)) for each in observations]
    verdict = _with_waiting(verdict, observations)
    phase, message = verdict.phase, shown.text(verdict.message)
    finished = phase in (Phase.COMPLETE, Phase.FAILED)
    best, base = incumbent(problem, ledger), default_entry(ledger)
    ratio = speedup(problem, ledger)
    hours = ledger.gpu_hours
    start = seconds_of(previous.get("startTime"))
    status: Status = {
        "observedGeneration": generation,
        "phase": phase.value,
        "message": message,
        "startTime": timestamp(now if start is None else start),
        "suspendedSeconds": _paused_seconds(previous, now, phase),
        "conditions": _conditions(
            previous,
            generation=generation,
            now=now,
            states={
                "Validated": (True, "Valid", "the spec can be run"),
                **{
                    kind.value: (True, verdict.reason, message) if phase is kind else (False, f"Not{kind.value}", "")
                    for kind in Phase
                },
            },
        ),
        "progress": {
            "profiled": ledger.profiled,
            "maxProfiles": described.max_profiles,
            "inFlight": len(observations),
            "infeasible": ledger.infeasible,
            "lost": ledger.lost,
            "stoppedEarly": ledger.stopped_early,
            **_standing(previous, described.standing),
            "gpuHours": round(hours, 6),
        },
        "running": [_running(each, job_names) for each in observations[:MOST_RUNNING_SHOWN]],
        "summary": {
            "profiled": f"{ledger.profiled}/{described.max_profiles}",
            "gpuHours": f"{hours:.3f}",
            **({"best": _headline(problem, best)} if best else {}),
            **({"speedup": f"{ratio:.2f}x"} if ratio else {}),
        },
    }
    if finished:
        completed = seconds_of(previous.get("completionTime"))
        status["completionTime"] = timestamp(now if completed is None else completed)
    if base is not None and isinstance(base.outcome, Measured):
        status["default"] = _result(problem, base, base.outcome)
    if best is not None and isinstance(best.outcome, Measured):
        status["best"] = _result(problem, best, best.outcome) | {"command": shown.command(described.command, best)}
        if ratio is not None:
            status["best"]["speedup"] = round(ratio, 4)
        if described.price_per_gpu_hour is not None:
            status["best"]["cost"] = f"{hours * described.price_per_gpu_hour:.2f}"
    return status


def started(previous: Status, trials: Iterable[Mapping[str, Any]]) -> Status:
    """The status with the start of the search, from the oldest TuningTrial if somebody wiped it off."""
    if seconds_of(previous.get("startTime")) is not None:
        return previous
    oldest = min((trial["metadata"]["creationTimestamp"] for trial in trials), default=None)
    return previous if oldest is None else {**previous, "startTime": oldest}


def elapsed_seconds(previous: Status, now: float) -> float:
    """Wall time of the search so far: the clock stands still while it is suspended, and while it is finished."""
    start = seconds_of(previous.get("startTime"))
    if start is None:
        return 0.0
    return max(0.0, now - start - _paused_seconds(previous, now, Phase.SEARCHING))


def _paused_seconds(previous: Status, now: float, phase: Phase) -> int:
    """Time spent in all pauses that are over, now that the search is in this phase.

    A finished search pauses too: a larger budget may take it up again, days later.
    """
    total = int(previous.get("suspendedSeconds") or 0)
    pause, since = _pause(previous)
    goes_on = phase is Phase.SUSPENDED if pause is Phase.SUSPENDED else phase in (Phase.COMPLETE, Phase.FAILED)
    return total if since is None or goes_on else total + max(0, int(now - since))


def _pause(previous: Status) -> tuple[Phase | None, float | None]:
    """Which pause the status shows, and since when."""
    for condition in previous.get("conditions") or ():
        if condition["type"] == Phase.SUSPENDED and condition["status"] == "True":
            return Phase.SUSPENDED, seconds_of(condition["lastTransitionTime"])
    return None, seconds_of(previous.get("completionTime"))


def _settled_down(state: State, now: float) -> State:
    """The state as it is shown: the usual stations of a pod that starts are one, or each would be a write."""
    if isinstance(state, Waiting) and state.reason in _USUAL and now < state.since + PATIENCE_SECONDS:
        return Waiting("Starting", "the pod is being started", state.since)
    return state


def _with_waiting(verdict: Verdict, observations: Sequence[Observation]) -> Verdict:
    """Say what the search waits for, when everything in flight waits and nothing else is worth saying."""
    if verdict.reason != PROFILING or not observations:
        return verdict
    waiting = [(each.id, each.state) for each in observations if isinstance(each.state, Waiting)]
    if len(waiting) < len(observations):
        return verdict
    (number, _), state = waiting[0]
    return Verdict(verdict.phase, state.reason, f"{verdict.message}; trial {number} waits: {state.message}")


def _running(observation: Observation, job_names: Mapping[tuple[int, int], str]) -> dict[str, Any]:
    state = observation.state
    running: dict[str, Any] = {
        "trial": observation.id.number,
        "job": job_names.get(observation.id, ""),
        "state": type(state).__name__,
    }
    if isinstance(state, Waiting):
        running |= {"reason": state.reason, "message": shown.text(state.message, shown.WAITING_BYTES)}
    return running


def _result(problem: Problem, entry: Entry, outcome: Measured) -> dict[str, Any]:
    return {
        "trial": entry.trial.number,
        "metrics": shown.metrics(problem, outcome.metrics),
        "configuration": shown.configuration(entry.trial.configuration),
    }


def _headline(problem: Problem, entry: Entry) -> str:
    metric = problem.objectives[0].metric
    value = entry.outcome.metrics[metric] if isinstance(entry.outcome, Measured) else float("nan")
    return f"{value:.4g} {metric}"


def _conditions(
    previous: Status, *, generation: int, now: float, states: Mapping[str, tuple[bool, str, str]]
) -> list[dict[str, Any]]:
    known = {condition["type"]: condition for condition in previous.get("conditions") or ()}
    for kind, (holds, reason, message) in states.items():
        status = "True" if holds else "False"
        old = known.get(kind, {})
        changed = old.get("status") != status
        known[kind] = {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": timestamp(now) if changed else old["lastTransitionTime"],
            "observedGeneration": generation,
        }
    return list(known.values())
