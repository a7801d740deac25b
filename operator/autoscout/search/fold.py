"""The fold of a ledger: what is believed after it, and the candidates that the next profile is chosen from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from autoscout.search.encoding import levels_of, pool_of
from autoscout.search.fidelity import WEAK_PRIOR, scaled_error, switched_at
from autoscout.search.forecast import Forecast, forecast, pool_forecast
from autoscout.search.gaussian import Floats, Levels
from autoscout.search.ledger import Ledger
from autoscout.search.observations import Observations, observe, waiting
from autoscout.search.optimizer import Proposal, generator
from autoscout.search.orchestrator import Arm, Bandit
from autoscout.search.problem import Problem
from autoscout.search.settings import Settings
from autoscout.search.sparse import structural, structure_of
from autoscout.search.steps import marks, standing, steps
from autoscout.search.surrogate import LearnedSurrogate, learn, milestone
from autoscout.search.synthesizer import OPTIMISM, worth
from autoscout.search.tournament import Tournament, orders, trees
from autoscout.search.workflow import Campaign, neighbours, run
from autoscout.space.configuration import Configuration

WORK = 300_000
"""Pairs of a candidate and a measurement, over all models, that are compared for one proposal: 20 ms of work."""
DRAWS = 64
"""Configurations drawn uniformly beside those that the search found."""
ROUNDS = 3
"""Iterations of the tournament for each feature order that enters it: enough for one order to remain."""
TIE = 1e-6
"""Logarithm of worth within which chance decides where no simulator does: else the order of the space would."""
_FIRST = 1000.0
"""Added to the logarithm of the worth of what comes first."""
_SOFTNESS = 2.0
"""Units of the logarithm of the acquisition over which the reward of the trees falls off."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Configurations that a proposal chooses from, [N]."""

    configurations: Sequence[Configuration]
    levels: Levels
    known: Forecast
    proposer: Sequence[str] | str


T = TypeVar("T")


class _Memory(Generic[T]):
    """The last few results, by what they were computed from."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: dict[Hashable, T] = {}

    def get(self, key: Hashable) -> T | None:
        return self._held.get(key)

    def put(self, key: Hashable, value: T) -> None:
        while len(self._held) >= self._size:
            del self._held[next(iter(self._held))]
        self._held[key] = value


_RANKINGS: _Memory[Levels] = _Memory(8)
_WARMED: _Memory[tuple[tuple[str, ...], Bandit]] = _Memory(32)


class Fold:
    """The fold of a ledger, and fantasies about what is in flight."""

    def __init__(self, problem: Problem, settings: Settings, history: Ledger) -> None:
        self.problem, self.settings = problem, settings
        self.exhaustive = problem.space.count() <= settings.exhaustive
        self.seen = observe(problem, history)
        self.settled = len(self.seen)
        self.switched: int | None = None
        self.error: float | None = None
        self.known = self._forecast(self.seen.configurations, self.seen.levels)
        self.switched = self._switch()
        self.known = self._believed(self.known)
        self._surrogate: LearnedSurrogate | None = None
        for configuration in waiting(history):
            self.pretend(configuration)

    @property
    def surrogate(self) -> LearnedSurrogate:
        """Fitted when it is first asked for: whether the simulators are believed does not depend on it."""
        if self._surrogate is None:
            self._surrogate = self._learn(self.seen, self.known, self.settled)
        return self._surrogate

    def next(self, rng: np.random.Generator, taken: set[str], number: int) -> Proposal | None:
        """The candidate that is worth most; None when there is none left."""
        near = self._steps()
        candidates = self._candidates(rng, near)
        belief = self.surrogate.believe(candidates.levels, candidates.known)
        doubt = bool(self.settings.doubt) and number % self.settings.doubt == self.settings.doubt - 1
        best = self._best()
        optimism = float(rng.uniform(*OPTIMISM))
        value = worth(belief, best, optimism if doubt else None)
        close = np.isin(marks(candidates.levels), marks(levels_of(self.problem.space, list(near))))
        value = value + self._alone() * (self._leaning() * close + TIE * rng.random(len(value)))
        if self._retesting():
            value = -self._liked(candidates)
        for row in np.argsort(-value, kind="stable"):
            configuration = candidates.configurations[row]
            if configuration.fingerprint not in taken:
                proposer = candidates.proposer if isinstance(candidates.proposer, str) else candidates.proposer[row]
                who = near.get(configuration, proposer)
                reason = self._why(doubt=doubt, step=bool(close[row]), feasible=best is not None)
                return Proposal(configuration, who, self._predicted(candidates, int(row)), reason)
        if self.exhaustive:
            return None
        return self._anything(rng, taken)

    def _why(self, *, doubt: bool, step: bool, feasible: bool) -> str:
        """Why the candidate that was chosen is worth a profile, for people."""
        if self._retesting():
            return "the simulators were given up; what they liked best is profiled once"
        if not feasible:
            return "likeliest to run and to keep the constraints, while nothing feasible is known"
        why = "best optimistic bound, for what is known least" if doubt else "greatest expected improvement"
        return f"{why}; one step from where the search stands" if step else why

    def _steps(self) -> dict[Configuration, str]:
        """What is one step from where the search stands, and which optimizer takes it."""
        arms = [arm for arm, on in ((Arm.SPARSE, self.settings.sparse), (Arm.DENSE, self.settings.dense)) if on]
        expected = self.surrogate.expect(self.seen.levels, self.known) if len(self.seen) else np.zeros(0)
        at = standing(self.problem, self.seen, expected)
        if at is None:
            return {}
        found = steps(self.problem.space, self.seen.configurations[at])
        return {configuration: arm.value for configuration, arm in found.items() if arm in arms}

    def _alone(self) -> float:
        """How little simulators have to say, in [0, 1]: 1 without them, and where they contradict themselves."""
        return 1.0 if self._forecast_pool_is_rough() else 1.0 - self.surrogate.trust

    def _forecast_pool_is_rough(self) -> bool:
        if not self.settings.simulators or not self.exhaustive:
            return False
        return self.problem.objectives[0].metric in pool_forecast(self.problem, self.settings.simulator_noise).rough

    def _leaning(self) -> float:
        """How much a step is preferred: not before there is an acceptable place to start from."""
        return self.settings.steps if self.seen.accepted.any() else 0.0

    def _retesting(self) -> bool:
        """Whether the top K of the simulators are still to be profiled after they were given up."""
        if self.switched is None:
            return False
        measured = int(np.isfinite(self.seen.metrics[self.problem.objectives[0].metric]).sum())
        return measured - self.switched < self.settings.top_k

    def _liked(self, candidates: Candidates) -> Floats:
        """The objective as the simulators see it, in logarithms; worse where they see it fail or break a bound, [N]."""
        known = self._simulated(candidates.configurations, candidates.levels)
        objective = self.problem.objectives[0]
        value = known.logarithms[objective.metric] * (1.0 if objective.better(0.0, 1.0) else -1.0)
        value = value - np.log(np.maximum(known.fits, 1e-6)) if known.fits is not None else value
        for constraint in self.problem.constraints:
            seen = known.logarithms.get(constraint.metric)
            if seen is not None and constraint.maximum is not None and constraint.maximum > 0:
                value = value + _FIRST * (seen > np.log(constraint.maximum))
        return value

    def pretend(self, configuration: Configuration) -> None:
        """Take a trial in flight as measured with what is expected of it (the kriging believer of Ginsbourger,
        Le Riche, Carraro, 2010), so that the next proposal goes elsewhere.
        """
        levels = levels_of(self.problem.space, [configuration])
        known = self._forecast([configuration], levels)
        metrics = {}
        for name, model in self.surrogate.metrics.items():
            mean, _ = model.predict(levels, known)
            metrics[name] = float(np.exp(mean[0])) if model.logarithmic else float(mean[0])
        seen = self.seen
        self.seen = Observations(
            (*seen.configurations, configuration),
            np.concatenate([seen.levels, levels]),
            np.append(seen.ran, True),
            np.append(seen.accepted, False),
            np.append(seen.exhausted, False),
            {name: np.append(values, metrics.get(name, np.nan)) for name, values in seen.metrics.items()},
            {name: np.append(values, 0.0) for name, values in seen.variance.items()},
        )
        self.known = _joined(self.known, known)
        self._surrogate = None

    # Inside

    def _forecast(self, configurations: Sequence[Configuration], levels: Levels) -> Forecast:
        if not self.settings.simulators:
            return Forecast()
        return self._believed(self._simulated(configurations, levels))

    def _believed(self, known: Forecast) -> Forecast:
        """What is left of a forecast after the switch: the memory model, which `learn` corrects by itself."""
        return known if self.switched is None else Forecast({}, known.fits)

    def _simulated(self, configurations: Sequence[Configuration], levels: Levels) -> Forecast:
        if self.exhaustive:
            rows = pool_of(self.problem.space).rows(levels)
            return pool_forecast(self.problem, self.settings.simulator_noise).take(rows)
        return forecast(self.problem, configurations, levels, self.settings.simulator_noise)

    def _switch(self) -> int | None:
        metric = self.problem.objectives[0].metric
        if not self.settings.fidelity or metric not in self.known.logarithms:
            return None
        observed = self.seen.metrics[metric]
        usable = np.isfinite(observed) & (observed > 0)
        predicted = np.exp(self.known.logarithms[metric][usable])
        self.error = scaled_error(predicted, observed[usable])
        return switched_at(predicted, observed[usable], self.settings.tau, self.settings.epsilon)

    def _best(self) -> float | None:
        """What the surrogate expects of the incumbent: a lucky measurement is no better than its neighbours say."""
        return self._best_of(self.surrogate, self.seen)

    def _best_of(self, surrogate: LearnedSurrogate, seen: Observations) -> float | None:
        accepted = np.flatnonzero(seen.accepted)
        if not len(accepted):
            return None
        return float(np.min(surrogate.expect(seen.levels[accepted], self.known.take(accepted))))

    def _incumbent(self) -> Configuration:
        return self._incumbent_of(self.surrogate, self.seen)

    def _incumbent_of(self, surrogate: LearnedSurrogate, seen: Observations) -> Configuration:
        """The accepted configuration of which the surrogate expects most; the default while there is none."""
        accepted = np.flatnonzero(seen.accepted)
        if not len(accepted):
            return self.problem.space.default()
        expected = surrogate.expect(seen.levels[accepted], self.known.take(accepted))
        return seen.configurations[int(accepted[int(np.argmin(expected))])]

    def _candidates(self, rng: np.random.Generator, near: Mapping[Configuration, str]) -> Candidates:
        if self.exhaustive:
            pool = pool_of(self.problem.space)
            rows = self._shortlist(rng, levels_of(self.problem.space, list(near)))
            known = self._forecast_pool().take(rows)
            configurations = [pool.configurations[row] for row in rows] if len(rows) < len(pool.levels) else None
            return Candidates(configurations or pool.configurations, pool.levels[rows], known, "surrogate")
        return self._searched(rng, near)

    def _forecast_pool(self) -> Forecast:
        if not self.settings.simulators:
            return Forecast()
        return self._believed(pool_forecast(self.problem, self.settings.simulator_noise))

    def _shortlist(self, rng: np.random.Generator, near: Levels) -> Levels:
        """Rows of the pool to compare. Between two fits the ranking of all at the last fit chooses most of them."""
        levels = pool_of(self.problem.space).levels
        models = len(self.surrogate.metrics) + 1
        most = WORK // (models * max(len(self.seen), 1))
        if len(levels) <= most:
            return np.arange(len(levels))
        count = milestone(self.settled)
        key = self._key(count)
        ranking = _RANKINGS.get(key)
        if ranking is None:
            surrogate = self._learned(count)
            best = self._best_of(surrogate, self.seen.first(count))
            ranking = np.argsort(-worth(surrogate.believe(levels, self._forecast_pool()), best), kind="stable")
            _RANKINGS.put(key, ranking)
        drawn = rng.integers(len(levels), size=DRAWS)
        return np.unique(np.concatenate([ranking[:most], pool_of(self.problem.space).rows(near), drawn]))

    def _key(self, count: int) -> Hashable:
        """All that the state after the first `count` observations depends on."""
        problem = self.problem
        fixed = (problem.space, problem.workload, problem.hardware, problem.objectives, problem.constraints)
        return (fixed, problem.seed, self.settings, self.switched is not None, self.seen.first(count).identity)

    def _learned(self, count: int) -> LearnedSurrogate:
        """The surrogate after the first `count` observations."""
        return self._learn(self.seen.first(count), self.known.take(np.arange(count)), count)

    def _learn(self, seen: Observations, known: Forecast, settled: int) -> LearnedSurrogate:
        settings = self.settings
        return learn(
            self.problem,
            seen,
            known,
            noise=settings.simulator_noise,
            settled=settled,
            regressions=settings.simulators and settings.regressions,
        )

    def _searched(self, rng: np.random.Generator, steps_: Mapping[Configuration, str]) -> Candidates:
        """The candidates that Algorithm 1 finds on the surrogate, the incumbent's neighbours, and some at random."""
        space, settings = self.problem.space, self.settings
        start = self._incumbent()
        best = self._best()
        near = neighbours(space, start)
        around = self._value([start, *near], best)
        reference = float(np.max(around))

        def evaluate(configurations: Sequence[Configuration]) -> Floats:
            return _reward(self._value(configurations, best) - reference)

        order, bandit = self._warmed()
        campaign = Campaign(bandit, Tournament(trees(space, [order], settings.exploration)))
        self._remember(campaign.tournament, self.seen)
        run(space, settings, campaign, start, evaluate, settings.iterations, rng)
        found = {configuration: arm.value for configuration, (_, arm) in campaign.found.items()}
        for configuration in (*steps_, *near):
            found.setdefault(configuration, "neighbour")
        for _ in range(DRAWS):
            found.setdefault(space.sample(rng), "random")
        configurations = list(found)
        levels = levels_of(space, configurations)
        return Candidates(configurations, levels, self._forecast(configurations, levels), list(found.values()))

    def _warmed(self) -> tuple[tuple[str, ...], Bandit]:
        """Phase 0 of Algorithm 1: the feature order that won the tournament, and what the bandit learned meanwhile.

        It is held anew at each fit, on the surrogate, which costs no profile.
        """
        space, settings = self.problem.space, self.settings
        count = milestone(self.settled)
        key = self._key(count)
        held = _WARMED.get(key)
        if held is None:
            earlier = self.seen.first(count)
            surrogate = self._learned(count)
            best = self._best_of(surrogate, earlier)
            start = self._incumbent_of(surrogate, earlier)
            reference = float(self._value([start], best, surrogate)[0])
            rng = generator(self.problem.seed, count)
            first = orders(structural(space), settings.tournament_k, rng)
            campaign = Campaign(
                Bandit(settings.exploration, settings.decay), Tournament(trees(space, first, settings.exploration))
            )
            self._remember(campaign.tournament, earlier)

            def evaluate(configurations: Sequence[Configuration]) -> Floats:
                return _reward(self._value(configurations, best, surrogate) - reference)

            run(space, settings, campaign, start, evaluate, ROUNDS * len(first), rng)
            held = (campaign.tournament.order, campaign.bandit)
            _WARMED.put(key, held)
        order, bandit = held
        return order, bandit.weakened(WEAK_PRIOR)

    def _remember(self, tournament: Tournament, seen: Observations) -> None:
        """Give all trees the rewards of what was measured: 1 for the best, 0 for what can't run or is not accepted."""
        objective = self.problem.objectives[0]
        values = seen.metrics[objective.metric] * (1.0 if objective.better(0.0, 1.0) else -1.0)
        rewards = np.zeros(len(seen))
        if seen.accepted.any():
            accepted = values[seen.accepted]
            spread = float(np.std(accepted)) or 1.0
            rewards[seen.accepted] = np.exp(-(accepted - accepted.min()) / spread)
        for configuration, reward in zip(seen.configurations, rewards, strict=True):
            structure = structure_of(self.problem.space, dict(configuration))
            for entrant in tournament.entrants:
                entrant.tree.backpropagate(structure, float(reward))

    def _value(
        self, configurations: Sequence[Configuration], best: float | None, surrogate: LearnedSurrogate | None = None
    ) -> Floats:
        levels = levels_of(self.problem.space, configurations)
        belief = (surrogate or self.surrogate).believe(levels, self._forecast(configurations, levels))
        return worth(belief, best)

    def _predicted(self, candidates: Candidates, row: int) -> dict[str, float]:
        rows = np.array([row])
        predicted = {}
        for name, model in self.surrogate.metrics.items():
            if not model.components[0].process and not model.components[0].simulated:
                continue
            mean, _ = model.predict(candidates.levels[rows], candidates.known.take(rows))
            predicted[name] = float(np.exp(mean[0])) if model.logarithmic else float(mean[0])
        return predicted

    def _anything(self, rng: np.random.Generator, taken: set[str]) -> Proposal | None:
        """A configuration that was not measured, however little is expected of it."""
        for _ in range(DRAWS):
            drawn = self.problem.space.sample(rng)
            if drawn.fingerprint not in taken:
                return Proposal(drawn, "random", reason="nothing better was found that is not measured yet")
        rest = (each for each in self.problem.space.enumerate() if each.fingerprint not in taken)
        found = next(rest, None)
        return None if found is None else Proposal(found, "random", reason="what is left")


def _joined(first: Forecast, second: Forecast) -> Forecast:
    return Forecast(
        {
            metric: np.concatenate([values, second.logarithms[metric]])
            for metric, values in first.logarithms.items()
            if metric in second.logarithms
        },
        None if first.fits is None or second.fits is None else np.concatenate([first.fits, second.fits]),
    )


def _reward(value: Floats) -> Floats:
    """A reward in [0, 1] from what a profile is worth beyond a reference, [N]."""
    result: Floats = 1 / (1 + np.exp(-np.clip(value / _SOFTNESS, -50, 50)))
    return result
