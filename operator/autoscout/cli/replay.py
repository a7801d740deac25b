"""`autoscout replay`: every decision of a search with its reason, and whether it would be taken again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from autoscout.baselines import algorithm
from autoscout.cli.files import UnwritableError, write
from autoscout.cli.sources import SourceError, recorded
from autoscout.report.decisions import decision_text, decisions_json
from autoscout.report.words import count
from autoscout.search.replay import Decision, replay

OK, DIFFERS, REFUSED = 0, 1, 2
"""Exit codes: done; a decision would be taken otherwise today; there is nothing to replay."""


@dataclass(frozen=True)
class Options:
    """What the command line says; see `autoscout.cli.sources.recorded`."""

    source: str
    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    check: bool = False
    json_to: Path | None = None


def run(options: Options, console: Console, errors: Console) -> int:
    """Print the decisions; the exit code."""
    try:
        found = recorded(options.source, options.namespace, options.kubeconfig, options.context)
    except SourceError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return REFUSED
    if not found.ledger.entries:
        words = f"error: {options.source}: holds no trial of {found.job.metadata.name}: there is nothing to replay"
        errors.print(words, markup=False, highlight=False, soft_wrap=True)
        return REFUSED
    optimizer = algorithm(found.job.spec.search.algorithm) if options.check else None
    decisions: list[Decision] = []
    for decision in replay(found.problem, found.ledger, optimizer):
        decisions.append(decision)
        # As they come: to decide hundreds of trials again takes a while.
        console.print(decision_text(found.problem, decision), markup=False, highlight=False, soft_wrap=True)
    if options.json_to is not None:
        try:
            write(options.json_to, decisions_json(decisions))
        except UnwritableError as error:
            errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
            return REFUSED
    console.print(_summary(found.job.metadata.name, decisions), markup=False, highlight=False, soft_wrap=True)
    return DIFFERS if any(decision.agrees is False for decision in decisions) else OK


def _summary(name: str, decisions: list[Decision]) -> str:
    words = f"{name}: {count(len(decisions), 'decision')}"
    compared = [decision for decision in decisions if decision.agrees is not None]
    if not compared:
        return words
    otherwise = sum(not decision.agrees for decision in compared)
    return f"{words}, {len(compared)} decided again: {len(compared) - otherwise} the same, {otherwise} otherwise"
