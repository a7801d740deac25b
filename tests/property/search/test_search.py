"""Whatever happens to a search: nothing is measured twice, the budget holds, and the ledger alone decides what is next.

A state machine plays the platform (attempts that end, get lost, finish although they were cancelled), the user (who
suspends and changes the budget), the clock, and crashes in the middle of carrying out a plan.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from autoscout.api import convert
from autoscout.baselines.random_search import RandomSearch
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import Optimizer, Proposal
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.plan import PROFILING, GiveUp, Phase, Plan, Situation, plan
from autoscout.search.problem import Budget, MetricConstraint, Objective, Problem
from autoscout.search.settle import CANCELLED, give_up, settle
from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

SPACE = SearchSpace(
    (
        Parameter("mode", Kind.STRUCTURAL, ("plain", "fused"), default="plain"),
        Parameter("tile", Kind.EXECUTION, (8, 16, 32, 64), default=16),
        Parameter("depth", Kind.EXECUTION, (1, 2, 3), default=2, active_when=Expression("mode == 'fused'")),
    ),
    (Expression("tile * depth <= 128"),),
)
PROBLEM = Problem(SPACE, (Objective("seconds"),), (MetricConstraint("seconds", maximum=50),), seed=11)
ATTEMPTS = 2
SIZE = 16
"""No fewer than the space has configurations."""


class Stubborn:
    """Breaks every rule of an optimizer: proposes too much, what is known, and everything twice."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        known = [Proposal(entry.trial.configuration, "stubborn") for entry in history.entries]
        fresh = list(RandomSearch().suggest(problem, history, rng, count))
        return [*fresh[:1], *fresh[:1], *known[:1], *fresh, *known]


BUDGETS = st.builds(
    Budget,
    max_profiles=st.integers(1, 14),
    max_seconds=st.none() | st.sampled_from([50.0, 500.0]),
    max_gpu_hours=st.none() | st.sampled_from([0.1, 1.0]),
    parallelism=st.integers(1, 4),
)
OUTCOMES = st.one_of(
    st.builds(Measured, st.fixed_dictionaries({"seconds": st.sampled_from([1.0, 2.5, 60.0])})),
    st.just(Measured({"other": 1.0})),
    st.builds(Infeasible, st.sampled_from(["OutOfMemory", "NonZeroExit"]), st.just("why")),
    st.builds(Lost, st.sampled_from(["Evicted", "NodeLost"]), st.just("why")),
)


def reread(ledger: Ledger) -> Ledger:
    """The ledger as another process would read it from the API server, where objects lie in JSON."""
    documents = [
        convert.trial_manifest(entry.trial, job="tune", uid="u", namespace="team")
        | {"status": convert.trial_status(entry)}
        for entry in ledger.entries
    ]
    entries = [convert.entry(json.loads(json.dumps(document, sort_keys=True)), SPACE) for document in documents]
    return Ledger(tuple(sorted(entries, key=lambda entry: entry.trial.number)))


class Search(RuleBasedStateMachine):
    """One job from its first to its last plan."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.flying: dict[tuple[int, int], bool] = {}  # attempt -> whether it was told to stop
        self.ended: dict[tuple[int, int], Outcome] = {}  # reported, not settled yet
        self.over: set[tuple[int, int]] = set()
        self.suspended = False
        self.elapsed = 0.0
        self.largest_budget = 0
        self.optimizer: Optimizer = RandomSearch()

    @initialize(budget=BUDGETS, stubborn=st.booleans())
    def begin(self, budget: Budget, *, stubborn: bool) -> None:
        self.optimizer = Stubborn() if stubborn else RandomSearch()
        self.change(budget)

    @rule(budget=BUDGETS)
    def change(self, budget: Budget) -> None:
        self.budget = budget
        self.largest_budget = max(self.largest_budget, budget.max_profiles)

    @rule()
    def suspend_or_resume(self) -> None:
        self.suspended = not self.suspended

    @rule(seconds=st.sampled_from([1.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.elapsed += seconds

    @precondition(lambda self: self.flying)
    @rule(which=st.integers(0, 9), outcome=OUTCOMES, late=st.booleans())
    def end(self, which: int, outcome: Outcome, *, late: bool) -> None:
        """An attempt ends; one that was told to stop may have finished before it heard of it."""
        attempt = sorted(self.flying)[which % len(self.flying)]
        told = self.flying.pop(attempt)
        self.ended[attempt] = outcome if late or not told else Lost(CANCELLED, "stopped by AutoScout")

    @rule(crash_after=st.none() | st.integers(0, 4))
    def look(self, crash_after: int | None) -> None:
        self.turn(crash_after)

    def turn(self, crash_after: int | None = None) -> Plan:
        """One turn of the wheel, perhaps cut short: settle, plan, carry out."""
        for (number, attempt), outcome in sorted(self.ended.items()):
            entry = self.ledger.entries[number]
            assert len(entry.attempts) == attempt
            self.replace(
                settle(
                    entry,
                    outcome,
                    seconds=90.0,
                    gpus=2,
                    max_attempts=ATTEMPTS,
                    position=self.ledger.next_position,
                )
            )
            self.over.add((number, attempt))
        self.ended.clear()
        situation = Situation(self.budget, self.suspended, frozenset(self.flying), self.elapsed)
        decision = plan(PROBLEM, self.ledger, situation, self.optimizer)
        assert decision == plan(PROBLEM, reread(self.ledger), situation, self.optimizer), "only the ledger decides"
        self.check(decision)
        for step in self.steps(decision)[:crash_after]:
            step()
        return decision

    def steps(self, decision: Plan) -> list[Callable[[], None]]:
        """What is carried out, in its order: a crash may cut it off anywhere."""
        given_up = decision.give_up
        return [
            *(partial(self.give_up, number, given_up) for number in (given_up.numbers if given_up else ())),
            *(partial(self.cancel, attempt) for attempt in decision.cancel),
            *(partial(self.append, trial) for trial in decision.append),
            *(partial(self.ensure, trial.number, attempt) for trial, attempt in decision.ensure),
        ]

    def give_up(self, number: int, why: GiveUp) -> None:
        position = self.ledger.next_position
        self.replace(give_up(self.ledger.entries[number], reason=why.reason, message=why.message, position=position))

    def cancel(self, attempt: tuple[int, int]) -> None:
        self.flying[attempt] = True

    def append(self, trial: Trial) -> None:
        self.ledger = Ledger((*self.ledger.entries, Entry(trial)))

    def ensure(self, number: int, attempt: int) -> None:
        """Start an attempt, or adopt the one that is there."""
        assert (number, attempt) not in self.over, "an attempt that ended is started again"
        self.flying.setdefault((number, attempt), False)

    def replace(self, entry: Entry) -> None:
        number = entry.trial.number
        self.ledger = Ledger(tuple(entry if e.trial.number == number else e for e in self.ledger.entries))

    def check(self, decision: Plan) -> None:
        pending = {entry.trial.number: len(entry.attempts) for entry in self.ledger.pending}
        appended = [trial.number for trial in decision.append]
        ensured = [(trial.number, attempt) for trial, attempt in decision.ensure]
        assert appended == list(range(self.ledger.next_number, self.ledger.next_number + len(appended)))
        if appended:
            wanted = len(pending) + len(appended)
            assert wanted <= self.budget.parallelism
            assert self.ledger.profiled + wanted <= self.budget.max_profiles
        assert not set(ensured) & set(decision.cancel)
        assert set(decision.cancel) <= set(self.flying)
        phase = decision.verdict.phase
        if phase is Phase.SEARCHING and decision.verdict.reason == PROFILING:
            assert sorted(ensured) == sorted([*pending.items(), *((number, 0) for number in appended)])
            assert decision.give_up is None
        else:
            assert not ensured
            assert not appended
            assert set(decision.cancel) == set(self.flying)
            assert decision.give_up is None or (set(decision.give_up.numbers) == set(pending) and not self.flying)
        if phase in (Phase.COMPLETE, Phase.FAILED):
            assert not pending
            assert not self.flying

    @invariant()
    def check_ledger(self) -> None:
        entries = self.ledger.entries
        assert [entry.trial.number for entry in entries] == list(range(len(entries)))
        assert len(self.ledger.fingerprints) == len(entries), "no configuration is decided on twice"
        assert all(entry.trial.configuration == SPACE.default() for entry in entries[:1])
        assert sorted(entry.position for entry in self.ledger.settled) == list(range(len(self.ledger.settled)))
        for entry in entries:
            reasons = [attempt.reason for attempt in entry.attempts]
            assert "Measured" not in reasons[:-1], "what was measured is not measured again"
            assert sum(attempt.counts for attempt in entry.attempts) <= ATTEMPTS
        assert self.ledger.profiled + len(self.ledger.pending) <= self.largest_budget

    def teardown(self) -> None:
        """Left alone, every search ends."""
        self.suspended = False
        for _ in range(10 * ATTEMPTS * SIZE):
            for attempt in sorted(self.flying):
                told = self.flying.pop(attempt)
                self.ended[attempt] = Lost(CANCELLED) if told else Measured({"seconds": 1.0})
            if self.turn().verdict.phase in (Phase.COMPLETE, Phase.FAILED):
                return
        raise AssertionError("the search never ends")


Search.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSearch = Search.TestCase
