"""The decisions of a search as text and JSON: what `autoscout replay` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from autoscout.report.text import shown
from autoscout.report.words import DASH, number
from autoscout.search.incumbent import feasible_metrics
from autoscout.search.ledger import Entry, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout.search.problem import Problem
from autoscout.search.replay import Decision


def decision_text(problem: Problem, decision: Decision) -> str:
    """One decision in a few lines, ended by a line feed."""
    entry, trial = decision.entry, decision.entry.trial
    lines = [
        f"trial {trial.number} by {trial.proposer or DASH}: {trial.reason or 'no reason was recorded'}",
        f"  configuration  {_settings(trial, decision.before)}",
    ]
    if trial.predicted:
        expected = ", ".join(f"{metric} {number(value)}" for metric, value in trial.predicted.items())
        lines.append(f"  predicted      {expected}")
    if decision.before is not None:
        lines.append(f"  incumbent then {_incumbent(problem, decision.before)}")
    lines.append(f"  outcome        {_outcome(problem, entry)}{' - the new incumbent' if decision.improved else ''}")
    if decision.agrees is not None:
        lines.append(f"  decided again  {_again(decision)}")
    return "\n".join(lines) + "\n"


def decisions_json(decisions: Iterable[Decision]) -> str:
    """All decisions as a JSON array, ended by a line feed."""
    return json.dumps([_document(decision) for decision in decisions], indent=2, ensure_ascii=False) + "\n"


def _settings(trial: Trial, before: Entry | None) -> str:
    """The parameters; `*` marks those that differ from the incumbent's."""
    known = dict(before.trial.configuration) if before is not None else None
    words = []
    for name, value in trial.configuration.items():
        differs = known is not None and known.get(name) != value
        words.append(f"{'*' if differs else ''}{name}={shown(value)}")
    return " ".join(words)


def _incumbent(problem: Problem, entry: Entry) -> str:
    return f"trial {entry.trial.number}, {_metrics(entry, (problem.objectives[0].metric,))}"


def _outcome(problem: Problem, entry: Entry) -> str:
    match entry.outcome:
        case None:
            return "pending"
        case Measured():
            broken = "" if feasible_metrics(problem, entry) is not None else " (breaks a constraint or lacks a metric)"
            return f"measured {_metrics(entry, problem.metrics)}{broken}"
        case Infeasible(reason, message) | Lost(reason, message):
            kind = "infeasible" if isinstance(entry.outcome, Infeasible) else "lost"
            first = message.strip().splitlines()
            return f"{kind} {reason}{': ' + first[0] if first else ''}"


def _metrics(entry: Entry, names: tuple[str, ...]) -> str:
    measured: Mapping[str, float] = entry.outcome.metrics if isinstance(entry.outcome, Measured) else {}
    return ", ".join(f"{name} {number(measured.get(name))}" for name in names)


def _again(decision: Decision) -> str:
    if decision.agrees:
        return "the same"
    if decision.again is None:
        return "nothing would be proposed"
    settings = " ".join(f"{name}={shown(value)}" for name, value in decision.again.configuration.items())
    return f"otherwise, by {decision.again.proposer}: {settings}"


def _document(decision: Decision) -> dict[str, Any]:
    trial, outcome = decision.entry.trial, decision.entry.outcome
    found: dict[str, Any] = {
        "number": trial.number,
        "proposer": trial.proposer,
        "reason": trial.reason,
        "decidedAfter": trial.decided_after,
        "configuration": dict(trial.configuration),
        "predicted": dict(trial.predicted),
        "incumbentBefore": None if decision.before is None else decision.before.trial.number,
        "outcome": None if outcome is None else type(outcome).__name__,
        "position": decision.entry.position,
        "improved": decision.improved,
    }
    match outcome:
        case Measured(metrics):
            found["metrics"] = dict(metrics)
        case Infeasible(reason, message) | Lost(reason, message):
            found |= {"outcomeReason": reason, "message": message}
    if decision.agrees is not None:
        found["agrees"] = decision.agrees
        found["again"] = None if decision.again is None else dict(decision.again.configuration)
    return found
