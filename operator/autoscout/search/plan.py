"""What to do next: a pure function of the problem, the ledger and what is in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from autoscout.search.early_stop import cannot_win, standard
from autoscout.search.incumbent import incumbent
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import Optimizer, Standing, TellsStanding, generator
from autoscout.search.outcome import Lost
from autoscout.search.problem import Budget, Problem

LOST_IN_A_ROW = 3
"""After so many trials lost one after another the search fails: the infrastructure needs a person, not more GPUs."""


DEFAULT_REASON = "the defaults are measured first: the base of every speed-up"
PROFILING = "Profiling"
"""Reason of the verdict of a search that goes on."""
MAX_DURATION, MAX_GPU_HOURS, TRIALS_LOST = "MaxDuration", "MaxGpuHours", "TrialsLost"
_STOP_REASONS = frozenset({MAX_DURATION, MAX_GPU_HOURS, TRIALS_LOST})


class Phase(StrEnum):
    """Where a search stands."""

    SEARCHING = "Searching"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True)
class Verdict:
    """The phase, and why, in the words of a Kubernetes condition."""

    phase: Phase
    reason: str
    message: str


@dataclass(frozen=True)
class Situation:
    """What the ledger doesn't hold.

    Attributes:
        in_flight: (number, attempt) of every attempt that exists and is not released.
        elapsed_seconds: wall time of the search so far, suspended time excluded.
        running_gpu_hours: what the attempts in flight have used up until now.
        reports: what each running attempt has reported of the first objective, oldest first, where it may be stopped
            early.
        standing_told: whether what the search works with is on record; it is told anew when it changes.
    """

    budget: Budget
    suspended: bool = False
    in_flight: frozenset[tuple[int, int]] = frozenset()
    elapsed_seconds: float = 0.0
    running_gpu_hours: float = 0.0
    reports: Mapping[tuple[int, int], Sequence[float]] = field(default_factory=dict)
    standing_told: bool = True


@dataclass(frozen=True)
class GiveUp:
    """Pending trials that end as `Lost(reason, message)` without another attempt."""

    numbers: tuple[int, ...]
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """Decisions, in the order in which they are to be carried out.

    Attributes:
        give_up: pending trials that will not be measured any more, because the search is over.
        append: new trials for the ledger.
        ensure: (trial, attempt) that have to run, the appended ones included.
        cancel: (number, attempt) that have to stop.
        stop_early: (number, attempt) that end with what they have measured, for they can no longer win.
        standing: what the search worked with when it decided the newest trial; None: that is on record, or its
            optimizer does not say.
    """

    verdict: Verdict
    give_up: GiveUp | None = None
    append: tuple[Trial, ...] = ()
    ensure: tuple[tuple[Trial, int], ...] = ()
    cancel: tuple[tuple[int, int], ...] = ()
    stop_early: tuple[tuple[int, int], ...] = ()
    standing: Standing | None = None


def plan(problem: Problem, ledger: Ledger, situation: Situation, optimizer: Optimizer) -> Plan:
    """Decide what to append, run and stop, and whether the search is over.

    The budget is a promise: when its time or GPU-hours are used up, what still runs is stopped. Profiles that
    run when `maxProfiles` or the parallelism is lowered may finish.
    """
    decided = _decide(problem, ledger, situation, optimizer)
    if situation.standing_told and not decided.append:
        return decided
    entries = (*ledger.entries, *(Entry(trial) for trial in decided.append))
    return replace(decided, standing=_standing(problem, Ledger(entries), optimizer))


def _decide(problem: Problem, ledger: Ledger, situation: Situation, optimizer: Optimizer) -> Plan:
    if situation.suspended:
        verdict = Verdict(Phase.SUSPENDED, "Suspended", "spec.suspend is true; set it to false to go on")
        return Plan(verdict, cancel=tuple(sorted(situation.in_flight)))

    over = _lost_in_a_row(ledger) or _used_up(ledger, situation)
    if over is not None:
        return _stop(problem, ledger, situation, over)

    room = min(
        situation.budget.parallelism - len(ledger.pending),
        situation.budget.max_profiles - ledger.profiled - len(ledger.pending),
    )
    append = propose(problem, ledger, optimizer, room) if room > 0 else ()
    if not append and not ledger.pending:
        return _stop(problem, ledger, situation, _finished(ledger, situation.budget))

    running = tuple((entry.trial, len(entry.attempts)) for entry in ledger.pending)
    message = (
        f"{ledger.profiled} of {situation.budget.max_profiles} profiles done, {len(running) + len(append)} in flight"
    )
    return Plan(
        Verdict(Phase.SEARCHING, PROFILING, message),
        append=append,
        ensure=(*running, *((trial, 0) for trial in append)),
        cancel=tuple(sorted(situation.in_flight - {(trial.number, attempt) for trial, attempt in running})),
        stop_early=_hopeless(problem, ledger, situation),
    )


def _standing(problem: Problem, ledger: Ledger, optimizer: Optimizer) -> Standing | None:
    if not ledger.entries or not isinstance(optimizer, TellsStanding):
        return None
    newest = max((entry.trial for entry in ledger.entries), key=lambda trial: trial.number)
    return optimizer.standing(problem, ledger.known_at(newest))


def _hopeless(problem: Problem, ledger: Ledger, situation: Situation) -> tuple[tuple[int, int], ...]:
    limit = standard(problem, ledger) if situation.reports else None
    return tuple(
        identity
        for identity, reports in sorted(situation.reports.items())
        if cannot_win(problem, limit, identity[0], reports)
    )


def propose(problem: Problem, ledger: Ledger, optimizer: Optimizer, count: int) -> tuple[Trial, ...]:
    """The next trials, at most `count`: what `plan` appends.

    Each is decided by itself, from the ledger and those before it in flight. So it does not matter whether a crash or a
    change of the parallelism came between two of them, and `autoscout.search.replay` can decide any of them again.
    """
    after = ledger.next_position
    history, trials = ledger, list[Trial]()
    while len(trials) < count:
        trial = _next(problem, history, optimizer, after)
        if trial is None:
            break
        trials.append(trial)
        history = Ledger((*history.entries, Entry(trial)))
    return tuple(trials)


def _next(problem: Problem, history: Ledger, optimizer: Optimizer, after: int) -> Trial | None:
    number = history.next_number
    if number == 0:
        # The expert default comes first, so that every speed-up has its base.
        return Trial(0, problem.space.default(), "default", reason=DEFAULT_REASON, decided_after=after)
    for proposal in optimizer.suggest(problem, history, generator(problem.seed, number), 1):
        if proposal.configuration.fingerprint not in history.fingerprints:
            return Trial(number, proposal.configuration, proposal.proposer, proposal.predicted, proposal.reason, after)
    return None


def _lost_in_a_row(ledger: Ledger) -> Verdict | None:
    """Failure when nothing but losses came in lately; a single lost trial is enough while nothing ever ran."""
    limit = LOST_IN_A_ROW if ledger.profiled else 1
    tail = [entry.outcome for entry in ledger.settled if not _given_up(entry)][-limit:]
    losses = [outcome for outcome in tail if isinstance(outcome, Lost)]
    if len(losses) < limit:
        return None
    last = losses[-1]
    return Verdict(
        Phase.FAILED,
        TRIALS_LOST,
        f"{len(losses)} trial(s) in a row lost; last: {last.reason}: {last.message}",
    )


def _given_up(entry: Entry) -> bool:
    """Whether the search gave this trial up itself; that says nothing about the infrastructure."""
    return isinstance(entry.outcome, Lost) and entry.outcome.reason in _STOP_REASONS


def _used_up(ledger: Ledger, situation: Situation) -> Verdict | None:
    budget = situation.budget
    if budget.max_seconds is not None and situation.elapsed_seconds >= budget.max_seconds:
        return Verdict(Phase.COMPLETE, MAX_DURATION, f"budget.maxDuration of {budget.max_seconds:g} s is used up")
    hours = ledger.gpu_hours + situation.running_gpu_hours
    if budget.max_gpu_hours is not None and hours >= budget.max_gpu_hours:
        return Verdict(Phase.COMPLETE, MAX_GPU_HOURS, f"budget.maxGpuHours of {budget.max_gpu_hours:g} is used up")
    return None


def _finished(ledger: Ledger, budget: Budget) -> Verdict:
    if ledger.profiled >= budget.max_profiles:
        return Verdict(Phase.COMPLETE, "MaxProfiles", f"{ledger.profiled} profiles done, as budget.maxProfiles allows")
    return Verdict(Phase.COMPLETE, "SpaceExhausted", f"every valid configuration was tried: {ledger.profiled} profiles")


def _stop(problem: Problem, ledger: Ledger, situation: Situation, over: Verdict) -> Plan:
    """Wind down: stop what runs, then give up what is still pending, then say so."""
    if situation.in_flight:
        return Plan(Verdict(Phase.SEARCHING, "Stopping", over.message), cancel=tuple(sorted(situation.in_flight)))
    if ledger.pending:
        return Plan(
            Verdict(Phase.SEARCHING, "Stopping", over.message),
            give_up=GiveUp(tuple(entry.trial.number for entry in ledger.pending), over.reason, over.message),
        )
    if over.phase is Phase.COMPLETE and incumbent(problem, ledger) is None:
        over = Verdict(
            Phase.FAILED,
            "NoFeasibleConfiguration",
            f"{over.message}, but no measurement reported every objective and kept every constraint "
            f"({ledger.infeasible} infeasible, {ledger.lost} lost)",
        )
    return Plan(over)
