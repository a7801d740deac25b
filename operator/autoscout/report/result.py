"""What a search found: everything that a report shows, worked out once from the problem and its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoscout.search.incumbent import (
    Judged,
    best_of,
    default_entry,
    feasible_metrics,
    incumbent,
    judged,
    speedup,
)
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout.search.plan import Verdict
from autoscout.search.problem import Goal, Problem
from autoscout.space.values import Value


class Standing(StrEnum):
    """What a trial counts for."""

    FEASIBLE = "feasible"
    REJECTED = "rejected"  # measured, but it breaks a constraint or leaves an objective unreported
    INFEASIBLE = "infeasible"
    LOST = "lost"
    PENDING = "pending"


@dataclass(frozen=True)
class TrialLine:
    """One trial as a report shows it.

    Attributes:
        reason: why it is infeasible or lost, or which constraints a rejected one breaks; else empty.
        seconds: wall time of all its attempts, start-up included.
        command: the command line that runs this configuration, quoted for a shell; empty if unknown.
    """

    number: int
    configuration: Mapping[str, Value]
    proposer: str
    standing: Standing
    reason: str
    message: str
    metrics: Mapping[str, float]
    samples: Mapping[str, tuple[float, ...]]
    position: int | None
    attempts: int
    seconds: float
    gpu_hours: float
    command: str


@dataclass(frozen=True)
class MetricLine:
    """One objective or constrained metric: the default beside the best.

    Attributes:
        role: `minimize`, `maximize`, or the bound, such as `at most 500`; both joined where both apply.
        ratio: for an objective, how many times better the best is; None where that means nothing.
        kept: for a constraint, whether the best keeps it; None where there is none or nothing was found.
    """

    metric: str
    role: str
    default: float | None
    best: float | None
    ratio: float | None
    kept: bool | None


@dataclass(frozen=True)
class Setting:
    """One parameter: its value by default and in the best configuration; None where it is inactive."""

    parameter: str
    default: Value | None
    best: Value | None

    @property
    def differs(self) -> bool:
        return (type(self.default), self.default) != (type(self.best), self.best)


@dataclass(frozen=True)
class Cost:
    """What the search used up.

    Attributes:
        profiled: measured and infeasible trials, what `budget.maxProfiles` counts.
        attempts: every run, the repeated ones included.
        seconds: wall time of the search, pauses excluded.
        gpu_hours: of every attempt, start-up included.
        failures: reason to number of trials that ended by it, the most frequent first.
    """

    profiled: int
    infeasible: int
    lost: int
    pending: int
    attempts: int
    seconds: float
    gpu_hours: float
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A finished or interrupted search.

    Attributes:
        trials: by number.
        curve: value of the first objective of the incumbent after 1, 2, ... profiles; None while there is none.
        script: what runs the best configuration with `sh`; empty if unknown, or if its image alone knows the program.
        manifest: what runs it with `kubectl apply`, as YAML; empty if unknown.
    """

    name: str
    engine_version: str
    verdict: Verdict
    problem: Problem
    parameters: tuple[str, ...]
    trials: tuple[TrialLine, ...]
    default: TrialLine | None
    best: TrialLine | None
    speedup: float | None
    metrics: tuple[MetricLine, ...]
    settings: tuple[Setting, ...]
    curve: tuple[float | None, ...]
    cost: Cost
    script: str
    manifest: str


def result(
    problem: Problem,
    ledger: Ledger,
    *,
    name: str,
    verdict: Verdict,
    engine_version: str,
    seconds: float,
    commands: Mapping[int, str],
    script: str = "",
    manifest: str = "",
) -> Result:
    """Work out what a ledger says.

    Args:
        seconds: wall time of the search, pauses excluded.
        commands: number of a trial to the command line that runs its configuration.
        script: what runs the best configuration with `sh`.
        manifest: what runs it with `kubectl apply`.
    """
    lines = {
        entry.trial.number: _line(problem, entry, commands.get(entry.trial.number, "")) for entry in ledger.entries
    }
    default, best = _of(lines, default_entry(ledger)), _of(lines, incumbent(problem, ledger))
    parameters = tuple(parameter.name for parameter in problem.space.parameters)
    return Result(
        name=name,
        engine_version=engine_version,
        verdict=verdict,
        problem=problem,
        parameters=parameters,
        trials=tuple(lines[number] for number in sorted(lines)),
        default=default,
        best=best,
        speedup=speedup(problem, ledger),
        metrics=_metrics(problem, default, best),
        settings=_settings(parameters, default, best),
        curve=_curve(problem, ledger),
        cost=_cost(ledger, seconds),
        script=script,
        manifest=manifest,
    )


def _of(lines: Mapping[int, TrialLine], entry: Entry | None) -> TrialLine | None:
    return None if entry is None else lines[entry.trial.number]


def _line(problem: Problem, entry: Entry, command: str) -> TrialLine:
    standing, reason, message = _standing(problem, entry)
    measured = entry.outcome if isinstance(entry.outcome, Measured) else None
    return TrialLine(
        number=entry.trial.number,
        configuration=dict(entry.trial.configuration),
        proposer=entry.trial.proposer,
        standing=standing,
        reason=reason,
        message=message,
        metrics=dict(measured.metrics) if measured else {},
        samples=dict(measured.samples) if measured else {},
        position=entry.position,
        attempts=len(entry.attempts),
        seconds=sum(attempt.seconds for attempt in entry.attempts),
        gpu_hours=sum(attempt.gpu_hours for attempt in entry.attempts),
        command=command,
    )


def _standing(problem: Problem, entry: Entry) -> tuple[Standing, str, str]:
    outcome = entry.outcome
    if outcome is None:
        return Standing.PENDING, "", ""
    if isinstance(outcome, Infeasible):
        return Standing.INFEASIBLE, outcome.reason, outcome.message
    if isinstance(outcome, Lost):
        return Standing.LOST, outcome.reason, outcome.message
    if feasible_metrics(problem, entry) is not None:
        return Standing.FEASIBLE, "", ""
    missing = [o.metric for o in problem.objectives if o.metric not in outcome.metrics]
    broken = [c.metric for c in problem.constraints if not c.holds(outcome.metrics)]
    if missing:
        return Standing.REJECTED, "ObjectiveNotReported", "not reported: " + ", ".join(missing)
    return Standing.REJECTED, "ConstraintBroken", "breaks: " + ", ".join(broken)


def _metrics(problem: Problem, default: TrialLine | None, best: TrialLine | None) -> tuple[MetricLine, ...]:
    before = default.metrics if default else {}
    after = best.metrics if best else {}
    goals = {objective.metric: objective for objective in problem.objectives}
    names = list(goals)
    names += [c.metric for c in problem.constraints if c.metric not in goals]
    lines = []
    for name in dict.fromkeys(names):
        objective = goals.get(name)
        bounds = [constraint for constraint in problem.constraints if constraint.metric == name]
        roles = [] if objective is None else [str(Goal(objective.goal))]
        roles += [f"at least {c.minimum:g}" for c in bounds if c.minimum is not None]
        roles += [f"at most {c.maximum:g}" for c in bounds if c.maximum is not None]
        both = objective is not None and name in before and name in after
        lines.append(
            MetricLine(
                metric=name,
                role=", ".join(roles),
                default=before.get(name),
                best=after.get(name),
                ratio=objective.speedup(after[name], before[name]) if objective and both else None,
                kept=all(c.holds(after) for c in bounds) if bounds and best else None,
            )
        )
    return tuple(lines)


def _settings(parameters: tuple[str, ...], default: TrialLine | None, best: TrialLine | None) -> tuple[Setting, ...]:
    before = default.configuration if default else {}
    after = best.configuration if best else {}
    return tuple(
        Setting(name, before.get(name), after.get(name)) for name in parameters if name in before or name in after
    )


def _curve(problem: Problem, ledger: Ledger) -> tuple[float | None, ...]:
    """The incumbent's objective after every profile."""
    measured = {each.entry.trial.number: each for each in judged(problem, ledger)}
    curve: list[float | None] = []
    known: list[Judged] = []
    best: float | None = None
    for entry in ledger.settled:
        if isinstance(entry.outcome, Lost):
            continue
        if entry.trial.number in measured:
            known.append(measured[entry.trial.number])
            found = best_of(problem, known)
            best = measured[found.trial.number].value if found is not None else None
        curve.append(best)
    return tuple(curve)


def _cost(ledger: Ledger, seconds: float) -> Cost:
    failures = Counter(entry.outcome.reason for entry in ledger.settled if isinstance(entry.outcome, Infeasible | Lost))
    return Cost(
        profiled=ledger.profiled,
        infeasible=ledger.infeasible,
        lost=ledger.lost,
        pending=len(ledger.pending),
        attempts=sum(len(entry.attempts) for entry in ledger.entries),
        seconds=seconds,
        gpu_hours=ledger.gpu_hours,
        failures=dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
    )
