"""One algorithm on one landscape: real profiles are table look-ups, simulated evaluations are free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Protocol, runtime_checkable

from autoscout.search.incumbent import incumbent
from autoscout.search.landscape import Landscape, Row
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.optimizer import Optimizer
from autoscout.search.plan import Situation, plan
from autoscout.search.problem import Budget, Goal, Problem

RATIOS = ("1.10", "1.05", "1.01")
"""How near the optimum: incumbent over optimum, the other way round where more is better."""


@runtime_checkable
class Simulates(Protocol):
    """An optimizer that evaluates configurations without a profile, and can say how many."""

    def simulated(self, problem: Problem, history: Ledger) -> int:
        """Simulated evaluations so far."""
        ...


Cost = Callable[[Problem, Row | None], float]
"""Seconds that a profile takes, modelled; the row is None where the table has none."""


@dataclass(frozen=True)
class Setup:
    """How the runs of a benchmark are made.

    Attributes:
        budget: distinct profiles, the infeasible ones included.
        noise: see `Landscape.outcome`.
        settings: `search.settings` of every algorithm; each reads those that it knows.
        parallelism: profiles in flight at once; they end in the order in which they began.
        until: end a run as soon as the incumbent's true value is within this ratio of the optimum (1.01: 1 %; 1: the
            optimum itself, after which nothing better can come); None: the budget alone ends it.
        cost: of a profile; None: time is not modelled.
    """

    budget: int = 200
    noise: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    parallelism: int = 1
    until: float | None = None
    cost: Cost | None = None


@dataclass(frozen=True)
class Run:
    """What one algorithm found with one seed.

    Attributes:
        best: the true value of the incumbent after 1, 2, ... distinct profiles. None while nothing feasible is
            known; under noise also while what was taken for feasible is not. Shorter than the budget where the
            algorithm stopped, or had nothing left to propose.
        profiles_to: for each of RATIOS the profiles needed to come so near the optimum; None: it did not.
        simulated: evaluations without a profile.
        optimizer_seconds: time spent in deciding what to measure.
        elapsed: modelled seconds of all profiles up to and with the 1st, 2nd, ...; empty: not modelled.
    """

    algorithm: str
    seed: int
    best: tuple[float | None, ...]
    profiles_to: Mapping[str, int | None]
    simulated: int
    optimizer_seconds: float
    elapsed: tuple[float, ...] = ()


def run(
    landscape: Landscape, algorithm: str, optimizer: Optimizer, seed: int, setup: Setup, clock: Callable[[], float]
) -> Run:
    """Search until the budget is used up, nothing is proposed any more, or `setup.until` is reached.

    Args:
        clock: seconds that only grow; the core has no clock of its own.

    Raises:
        SpaceError: the default configuration, which is trial 0, is not valid.
    """
    problem = replace(landscape.problem, algorithm=algorithm, settings=dict(setup.settings), seed=seed)
    situation = Situation(Budget(max_profiles=setup.budget, parallelism=setup.parallelism))
    ledger, best, seconds = Ledger(), list[float | None](), 0.0
    costs: list[float] = []
    while True:
        before = clock()
        decided = plan(problem, ledger, situation, optimizer)
        seconds += clock() - before
        ledger = Ledger((*ledger.entries, *(Entry(trial) for trial in decided.append)))
        if not ledger.pending:
            break
        first = ledger.pending[0]
        outcome = landscape.outcome(first.trial.configuration, seed=seed, noise=setup.noise)
        ended = replace(first, outcome=outcome, position=ledger.next_position)
        ledger = Ledger(tuple(ended if entry is first else entry for entry in ledger.entries))
        found = incumbent(problem, ledger)
        best.append(None if found is None else landscape.value(found.trial.configuration))
        if setup.cost is not None:
            costs.append(setup.cost(problem, landscape.rows.get(first.trial.configuration.fingerprint)))
        if setup.until is not None and profiles_to(landscape, best[-1:], setup.until) is not None:
            break
    return Run(
        algorithm=algorithm,
        seed=seed,
        best=tuple(best),
        profiles_to={ratio: profiles_to(landscape, best, float(ratio)) for ratio in RATIOS},
        simulated=optimizer.simulated(problem, ledger) if isinstance(optimizer, Simulates) else 0,
        optimizer_seconds=seconds,
        elapsed=tuple(accumulate(costs)),
    )


def profiles_to(landscape: Landscape, best: list[float | None], ratio: float) -> int | None:
    """After how many profiles the incumbent came within the ratio of the optimum; None: never."""
    optimum = landscape.optimum
    if optimum is None:
        return None
    goal = landscape.problem.objectives[0].goal
    near = (value is not None and is_near(value, optimum, ratio, goal) for value in best)
    return next((number for number, reached in enumerate(near, 1) if reached), None)


def is_near(value: float, optimum: float, ratio: float, goal: Goal) -> bool:
    """Whether a value is within the ratio (1.05: 5 %) of the optimum.

    Where a ratio means nothing, because a value is zero or negative, the distance is taken relative to the size
    of the optimum.
    """
    if value > 0 and optimum > 0:
        worse = value / optimum if goal is Goal.MINIMIZE else optimum / value
        return worse <= ratio * (1 + 1e-12)
    return abs(value - optimum) <= (ratio - 1) * abs(optimum)
