"""The status of a TuningJob: derived from the ledger and what is in flight, small however long the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from autoscout.executors.protocol import Observation, Waiting
from autoscout.search.incumbent import default_entry, incumbent, speedup
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.outcome import Measured
from autoscout.search.plan import Phase, Verdict
from autoscout.search.problem import Problem

MOST_RUNNING_SHOWN = 16
LONGEST_MESSAGE = 1024

Status = dict[str, Any]


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339, the way Kubernetes writes it: `2026-01-31T08:00:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """The inverse of `timestamp`."""
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True)
class Described:
    """How the configurations of this job are shown.

    Attributes:
        command: the command line that realises the incumbent, quoted for a shell; empty where there is none.
        price_per_gpu_hour: None where the pool has no price.
        max_profiles: of the budget.
    """

    command: str
    price_per_gpu_hour: float | None
    max_profiles: int


def invalid(previous: Status, *, generation: int, now: float, message: str) -> Status:
    """The status of a TuningJob whose spec can't be run; whatever was found before stays."""
    message = message[:LONGEST_MESSAGE]
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
    message = message[:LONGEST_MESSAGE]
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
    verdict = _with_waiting(verdict, observations)
    phase = verdict.phase
    finished = phase in (Phase.COMPLETE, Phase.FAILED)
    best, base = incumbent(problem, ledger), default_entry(ledger)
    ratio = speedup(problem, ledger)
    hours = ledger.gpu_hours
    status: Status = {
        "observedGeneration": generation,
        "phase": phase.value,
        "message": verdict.message[:LONGEST_MESSAGE],
        "startTime": previous.get("startTime") or timestamp(now),
        "suspendedSeconds": suspended_seconds(previous, now, suspended=phase is Phase.SUSPENDED),
        "conditions": _conditions(
            previous,
            generation=generation,
            now=now,
            states={
                "Validated": (True, "Valid", "the spec can be run"),
                **{
                    kind.value: (phase is kind, verdict.reason, verdict.message[:LONGEST_MESSAGE])
                    for kind in (Phase.SEARCHING, Phase.SUSPENDED, Phase.COMPLETE, Phase.FAILED)
                },
            },
        ),
        "progress": {
            "profiled": ledger.profiled,
            "maxProfiles": described.max_profiles,
            "simulated": 0,
            "inFlight": len(observations),
            "infeasible": ledger.infeasible,
            "lost": ledger.lost,
            "gpuHours": round(hours, 6),
            "fidelity": "profiled",
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
        status["completionTime"] = previous.get("completionTime") or timestamp(now)
    if base is not None and isinstance(base.outcome, Measured):
        status["default"] = _result(base, base.outcome)
    if best is not None and isinstance(best.outcome, Measured):
        status["best"] = _result(best, best.outcome) | {"command": described.command}
        if ratio is not None:
            status["best"]["speedup"] = round(ratio, 4)
        if described.price_per_gpu_hour is not None:
            status["best"]["cost"] = f"{hours * described.price_per_gpu_hour:.2f}"
    return status


def suspended_seconds(previous: Status, now: float, *, suspended: bool) -> int:
    """Time spent suspended in all finished suspensions; the budget's clock stands still meanwhile."""
    total = int(previous.get("suspendedSeconds") or 0)
    since = _suspended_since(previous)
    return total if suspended or since is None else total + int(now - since)


def elapsed_seconds(previous: Status, now: float) -> float:
    """Wall time of the search so far, all suspended time excluded."""
    start = previous.get("startTime")
    if not start:
        return 0.0
    return max(0.0, now - seconds_of(start) - suspended_seconds(previous, now, suspended=False))


def _suspended_since(previous: Status) -> float | None:
    for condition in previous.get("conditions") or ():
        if condition["type"] == "Suspended" and condition["status"] == "True":
            return seconds_of(condition["lastTransitionTime"])
    return None


def _with_waiting(verdict: Verdict, observations: Sequence[Observation]) -> Verdict:
    """Say what the search waits for, when everything in flight waits."""
    if verdict.phase is not Phase.SEARCHING or not observations:
        return verdict
    waiting = [(each.id, each.state) for each in observations if isinstance(each.state, Waiting)]
    if len(waiting) < len(observations):
        return verdict
    (number, _), state = waiting[0]
    return Verdict(verdict.phase, state.reason, f"{verdict.message}; trial {number} waits: {state.message}")


def _running(observation: Observation, job_names: Mapping[tuple[int, int], str]) -> dict[str, Any]:
    state = observation.state
    shown: dict[str, Any] = {
        "trial": observation.id.number,
        "job": job_names.get(observation.id, ""),
        "state": type(state).__name__,
    }
    if isinstance(state, Waiting):
        shown |= {"reason": state.reason, "message": state.message[:LONGEST_MESSAGE]}
    return shown


def _result(entry: Entry, outcome: Measured) -> dict[str, Any]:
    return {
        "trial": entry.trial.number,
        "metrics": dict(outcome.metrics),
        "configuration": dict(entry.trial.configuration),
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
