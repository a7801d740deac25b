"""Every decision of a ledger once more, in the order in which it was taken: the audit of a search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autoscout.search.incumbent import best_of, incumbent, judged
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import Optimizer
from autoscout.search.plan import propose
from autoscout.search.problem import Problem


@dataclass(frozen=True)
class Decision:
    """One trial: why it was measured, and what it changed.

    Attributes:
        entry: the trial with its outcome.
        before: the incumbent that was known when it was decided; None: nothing feasible was.
        improved: whether its outcome became the incumbent when it was committed.
        again: what the optimizer decides today from the same ledger; None: it would propose nothing, or the ledger
            does not say what was known then, or nobody asked.
        agrees: whether that is the same configuration; None: not compared.
    """

    entry: Entry
    before: Entry | None
    improved: bool
    again: Trial | None = None
    agrees: bool | None = None


def replay(problem: Problem, ledger: Ledger, optimizer: Optimizer | None = None) -> Iterator[Decision]:
    """The decisions, by number.

    Args:
        optimizer: decides each once more, from what was known then; None: the ledger is only read.
    """
    improving = _improvements(problem, ledger)
    for entry in sorted(ledger.entries, key=lambda entry: entry.trial.number):
        trial = entry.trial
        history = ledger.known_at(trial)
        again, agrees = None, None
        if optimizer is not None and trial.decided_after is not None:
            again = next(iter(propose(problem, history, optimizer, 1)), None)
            agrees = again is not None and again.configuration == trial.configuration
        yield Decision(entry, incumbent(problem, history), trial.number in improving, again, agrees)


def _improvements(problem: Problem, ledger: Ledger) -> frozenset[int]:
    """Numbers of the trials whose outcome made them the incumbent."""
    found: set[int] = set()
    measured = judged(problem, ledger)
    for count, each in enumerate(measured, 1):
        if best_of(problem, measured[:count]) is each.entry:
            found.add(each.entry.trial.number)
    return frozenset(found)
