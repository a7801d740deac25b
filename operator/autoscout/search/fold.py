"""The fold of a ledger: what is believed after it, and the candidates that the next profile is chosen from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoscout.search.encoding import levels_of, pool_of
from autoscout.search.fidelity import WEAK_PRIOR, switched_at
from autoscout.search.forecast import Forecast, forecast, pool_forecast
from autoscout.search.gaussian import Floats, Levels
from autoscout.search.ledger import Ledger
from autoscout.search.observations import Observations, observe, waiting
from autoscout.search.optimizer import Proposal, generator
from autoscout.search.orchestrator import Bandit
from autoscout.search.problem import Problem
from autoscout.search.settings import Settings
from autoscout.search.sparse import structural, structure_of
from autoscout.search.surrogate import LearnedSurrogate, learn, milestone
from autoscout.search.synthesizer import OPTIMISM, promising, worth
from autoscout.search.tournament import Tournament, orders, trees
from autoscout.search.workflow import Campaign, neighbours, run
from autoscout.space.configuration import Configuration

WORK = 600_000
"""Pairs of a candidate and a measurement, over all models, that are compared for one proposal: 20 ms of work."""
REFINE_AFTER = 8
"""Measurements before which the neighbourhood of the incumbent is not exhausted."""
DRAWS = 64
"""Configurations drawn uniformly beside those that the search found."""
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


class _Memory:
    """The last few results, by what they were computed from."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: dict[Hashable, Levels] = {}

    def get(self, key: Hashable) -> Levels | None:
        return self._held.get(key)

    def put(self, key: Hashable, value: Levels) -> None:
        while len(self._held) >= self._size:
            del self._held[next(iter(self._held))]
        self._held[key] = value


_RANKINGS = _Memory(8)


class Fold:
    """The fold of a ledger, and fantasies about what is in flight."""

    def __init__(self, problem: Problem, settings: Settings, history: Ledger) -> None:
        self.problem, self.settings = problem, settings
        self.exhaustive = problem.space.count() <= settings.exhaustive
        self.seen = observe(problem, history)
        self.settled = len(self.seen)
        self.known = self._forecast(self.seen.configurations, self.seen.levels)
        self.switched = self._switch()
        if self.switched is not None or not settings.simulators:
            self.known = Forecast()
        self.surrogate = self._learn()
        for configuration in waiting(history):
            self.pretend(configuration)

    def next(self, rng: np.random.Generator, taken: set[str], number: int) -> Proposal | None:
        """The candidate that is worth most; None when there is none left."""
        candidates = self._candidates(rng)
        belief = self.surrogate.believe(candidates.levels, candidates.known)
        doubt = bool(self.settings.doubt) and number % self.settings.doubt == self.settings.doubt - 1
        best = self._best()
        optimism = float(rng.uniform(*OPTIMISM))
        value = worth(belief, best, optimism if doubt else None)
        refine = self.settings.refine
        if best is not None and refine and number % refine == refine - 1 and len(self.seen) >= REFINE_AFTER:
            value = value + np.where(promising(belief, best) & self._close(candidates.levels), _FIRST, 0.0)
        for row in np.argsort(-value, kind="stable"):
            configuration = candidates.configurations[row]
            if configuration.fingerprint not in taken:
                proposer = candidates.proposer
                return Proposal(
                    configuration,
                    proposer if isinstance(proposer, str) else proposer[row],
                    self._predicted(candidates, int(row)),
                )
        if self.exhaustive:
            return None
        return self._anything(rng, taken)

    def _close(self, levels: Levels) -> NDArray[np.bool_]:
        """Which are immediate neighbours of the incumbent: one step on one grid, or one other choice, [N]."""
        here = levels_of(self.problem.space, [self._incumbent()])[0]
        steps = np.abs(levels - here)
        for position, parameter in enumerate(self.problem.space.parameters):
            size = len(parameter.values)
            follows = (levels[:, position] == size) | (here[position] == size)
            steps[follows, position] = 0
            if isinstance(parameter.values[0], bool | str):
                steps[:, position] = np.minimum(steps[:, position], 1)
        close: NDArray[np.bool_] = steps.sum(axis=1) == 1
        return close

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
            {name: np.append(values, metrics.get(name, np.nan)) for name, values in seen.metrics.items()},
            {name: np.append(values, 0.0) for name, values in seen.variance.items()},
        )
        self.known = _joined(self.known, known)
        self.surrogate = self._learn()

    # Inside

    def _learn(self) -> LearnedSurrogate:
        return learn(self.problem, self.seen, self.known, noise=self.settings.simulator_noise, settled=self.settled)

    def _forecast(self, configurations: Sequence[Configuration], levels: Levels) -> Forecast:
        if not self.settings.simulators or getattr(self, "switched", None) is not None:
            return Forecast()
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
        return switched_at(predicted, observed[usable], self.settings.tau, self.settings.epsilon)

    def _best(self) -> float | None:
        """What the surrogate expects of the incumbent: a lucky measurement is no better than its neighbours say."""
        return self._best_of(self.surrogate, self.seen)

    def _best_of(self, surrogate: LearnedSurrogate, seen: Observations) -> float | None:
        accepted = np.flatnonzero(seen.accepted)
        if not len(accepted):
            return None
        return float(np.min(surrogate.believe(seen.levels[accepted], self.known.take(accepted)).mean))

    def _incumbent(self) -> Configuration:
        accepted = np.flatnonzero(self.seen.accepted)
        if not len(accepted):
            return self.problem.space.default()
        belief = self.surrogate.believe(self.seen.levels[accepted], self.known.take(accepted))
        return self.seen.configurations[int(accepted[int(np.argmin(belief.mean))])]

    def _candidates(self, rng: np.random.Generator) -> Candidates:
        if self.exhaustive:
            pool = pool_of(self.problem.space)
            rows = self._shortlist(rng)
            known = self._forecast_pool().take(rows)
            configurations = [pool.configurations[row] for row in rows] if len(rows) < len(pool.levels) else None
            return Candidates(configurations or pool.configurations, pool.levels[rows], known, "surrogate")
        return self._searched(rng)

    def _forecast_pool(self) -> Forecast:
        if not self.settings.simulators or self.switched is not None:
            return Forecast()
        return pool_forecast(self.problem, self.settings.simulator_noise)

    def _shortlist(self, rng: np.random.Generator) -> Levels:
        """Rows of the pool to compare. Between two fits the ranking of all at the last fit chooses most of them."""
        levels = pool_of(self.problem.space).levels
        models = len(self.surrogate.metrics) + 1
        most = WORK // (models * max(len(self.seen), 1))
        if len(levels) <= most:
            return np.arange(len(levels))
        count = milestone(self.settled)
        key = (self.problem.space, self.problem.workload, self.problem.hardware, self.settings, self.problem.seed)
        data = (self.seen.first(count).identity, self.switched is not None, self.problem.objectives)
        ranking = _RANKINGS.get((key, data))
        if ranking is None:
            earlier = self.seen.first(count)
            surrogate = learn(
                self.problem,
                earlier,
                self.known.take(np.arange(count)),
                noise=self.settings.simulator_noise,
                settled=count,
            )
            value = worth(surrogate.believe(levels, self._forecast_pool()), self._best_of(surrogate, earlier))
            ranking = np.argsort(-value, kind="stable")
            _RANKINGS.put((key, data), ranking)
        near = np.flatnonzero(self._close(levels)) if self.seen.accepted.any() else ranking[:0]
        drawn = rng.integers(len(levels), size=DRAWS)
        return np.unique(np.concatenate([ranking[:most], near, drawn]))

    def _searched(self, rng: np.random.Generator) -> Candidates:
        """The candidates that Algorithm 1 finds on the surrogate, the incumbent's neighbours, and some at random."""
        space, settings = self.problem.space, self.settings
        start = self._incumbent()
        best = self._best()
        near = neighbours(space, start)
        around = self._value([start, *near], best)
        reference = float(np.max(around))

        def evaluate(configurations: Sequence[Configuration]) -> Floats:
            value = self._value(configurations, best) - reference
            result: Floats = 1 / (1 + np.exp(-np.clip(value / _SOFTNESS, -50, 50)))
            return result

        features = structural(space)
        first = orders(features, settings.tournament_k, generator(self.problem.seed, 0))
        campaign = Campaign(
            Bandit(settings.exploration, settings.decay),
            Tournament(trees(space, first, settings.exploration)),
        )
        self._remember(campaign)
        weight = 1.0 if self.switched is None else WEAK_PRIOR
        run(space, settings, campaign, start, evaluate, settings.iterations, rng, weight)
        found = {configuration: arm.value for configuration, (_, arm) in campaign.found.items()}
        for configuration in near:
            found.setdefault(configuration, "neighbour")
        for _ in range(DRAWS):
            found.setdefault(space.sample(rng), "random")
        configurations = list(found)
        levels = levels_of(space, configurations)
        return Candidates(configurations, levels, self._forecast(configurations, levels), list(found.values()))

    def _remember(self, campaign: Campaign) -> None:
        """Give all trees the rewards of what was measured."""
        metric = self.problem.objectives[0]
        values = self.seen.metrics[metric.metric]
        accepted = self.seen.accepted
        best = None
        if accepted.any():
            signed = values if metric.better(0.0, 1.0) else -values
            best, spread = float(np.min(signed[accepted])), float(np.std(signed[accepted])) or 1.0
        for row, configuration in enumerate(self.seen.configurations):
            reward = 0.0
            if best is not None and accepted[row]:
                reward = float(np.exp(-(signed[row] - best) / spread)) / 2
            structure = structure_of(self.problem.space, dict(configuration))
            for entrant in campaign.tournament.entrants:
                entrant.tree.backpropagate(structure, reward)

    def _value(self, configurations: Sequence[Configuration], best: float | None) -> Floats:
        levels = levels_of(self.problem.space, configurations)
        return worth(self.surrogate.believe(levels, self._forecast(configurations, levels)), best)

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
                return Proposal(drawn, "random")
        rest = (each for each in self.problem.space.enumerate() if each.fingerprint not in taken)
        found = next(rest, None)
        return None if found is None else Proposal(found, "random")


def _joined(first: Forecast, second: Forecast) -> Forecast:
    return Forecast(
        {
            metric: np.concatenate([values, second.logarithms[metric]])
            for metric, values in first.logarithms.items()
            if metric in second.logarithms
        },
        None if first.fits is None or second.fits is None else np.concatenate([first.fits, second.fits]),
    )
