"""The ledger: every real measurement that was decided on, and what became of it. All search state folds from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.space.configuration import Configuration

CANNOT_WIN = "CannotWin"
"""Reason of an attempt that was stopped early because it could not become the best."""


class Fidelity(StrEnum):
    """How an evaluation was made."""

    SIMULATED = "simulated"
    PROFILED = "profiled"


@dataclass(frozen=True)
class Trial:
    """A decision to measure; written down before anything runs, never changed afterwards.

    Attributes:
        number: 0, 1, 2, ... within the job; trial 0 measures the default configuration.
        configuration: what is measured.
        proposer: who proposed it: `default`, `random`, `sparse`, `dense`, ...
        predicted: metric to predicted value, where a simulator had one.
        reason: why it was proposed, for people.
        decided_after: how many outcomes had a position when it was decided (`next_position`), so that the decision
            can be replayed; None in a ledger of an earlier version.
    """

    number: int
    configuration: Configuration
    proposer: str
    predicted: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    decided_after: int | None = None


@dataclass(frozen=True)
class Attempt:
    """One ended run of a trial. A trial has several only when the infrastructure failed or it was suspended.

    Attributes:
        reason: `Measured`; `CannotWin`: measured, but stopped early; or the reason of the `Infeasible` or `Lost` that
            ended it.
        seconds: wall time from the start of the pod or process to its end, start-up included.
        gpu_hours: what it cost, start-up included.
        counts: whether it uses up one of the trial's attempts (a suspension does not).
    """

    reason: str
    message: str = ""
    seconds: float = 0.0
    gpu_hours: float = 0.0
    counts: bool = True


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        attempts: those that ended, in order; the running one has number `len(attempts)`.
        outcome: None while the trial is pending.
        position: the place of this outcome in the order of commitment (0, 1, ...); None while pending.
    """

    trial: Trial
    attempts: tuple[Attempt, ...] = ()
    outcome: Outcome | None = None
    position: int | None = None


@dataclass(frozen=True)
class Ledger:
    """All entries of one job, by trial number."""

    entries: tuple[Entry, ...] = ()

    @cached_property
    def settled(self) -> tuple[Entry, ...]:
        """Entries with an outcome, in the order in which the outcomes were committed.

        Two replicas could give out one position at the same time; the number breaks the tie, so that the fold
        is one and the same everywhere.
        """
        done = [entry for entry in self.entries if entry.outcome is not None]
        return tuple(sorted(done, key=lambda entry: (_known(entry.position), entry.trial.number)))

    @cached_property
    def pending(self) -> tuple[Entry, ...]:
        """Entries still without an outcome, by number."""
        return tuple(entry for entry in self.entries if entry.outcome is None)

    @cached_property
    def fingerprints(self) -> frozenset[str]:
        """Fingerprints of every configuration that was ever decided on: none is measured twice by accident."""
        return frozenset(entry.trial.configuration.fingerprint for entry in self.entries)

    @property
    def next_number(self) -> int:
        """The number of the next trial."""
        return max((entry.trial.number for entry in self.entries), default=-1) + 1

    @property
    def next_position(self) -> int:
        """The position of the next outcome."""
        return max((_known(entry.position) for entry in self.settled), default=-1) + 1

    @property
    def profiled(self) -> int:
        """Profiles that told something, measured or infeasible: what `budget.maxProfiles` counts."""
        return sum(isinstance(entry.outcome, Measured | Infeasible) for entry in self.entries)

    @property
    def infeasible(self) -> int:
        return sum(isinstance(entry.outcome, Infeasible) for entry in self.entries)

    @property
    def lost(self) -> int:
        return sum(isinstance(entry.outcome, Lost) for entry in self.entries)

    @property
    def stopped_early(self) -> int:
        """Measured profiles that were stopped before their end, because they could no longer win."""
        measured = [entry for entry in self.entries if isinstance(entry.outcome, Measured) and entry.attempts]
        return sum(entry.attempts[-1].reason == CANNOT_WIN for entry in measured)

    @property
    def gpu_hours(self) -> float:
        """GPU-hours of every ended attempt, the failed ones included."""
        return sum(attempt.gpu_hours for entry in self.entries for attempt in entry.attempts)

    def known_at(self, trial: Trial) -> Ledger:
        """The ledger as it was when a trial was decided: the trials before it, with the outcomes committed by then.

        A ledger that does not say how many there were is taken to have waited for every trial before it.
        """
        earlier = [entry for entry in self.entries if entry.trial.number < trial.number]
        known = trial.decided_after
        return Ledger(
            tuple(
                entry
                if known is None or (entry.position is not None and entry.position < known)
                else replace(entry, attempts=(), outcome=None, position=None)
                for entry in earlier
            )
        )


def _known(position: int | None) -> int:
    return -1 if position is None else position
