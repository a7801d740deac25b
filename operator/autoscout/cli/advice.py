"""What the simulators recommend for a search space, and why. Pure: a space, a simulator, a fixed stream of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.search.optimizer import generator
from autoscout.search.problem import Goal, Problem
from autoscout.simulators.protocol import Prediction, Simulator
from autoscout.simulators.uncertainty import fits, normal_cdf
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import SpaceError
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]

LISTED = 40_000
"""Up to so many configurations all are predicted."""
DRAWN = 20_000
"""Of a larger space so many are drawn, and the best of them improved one parameter at a time."""
_STARTS = 5
_TRIED = 60
_ROUNDS = 12
_LIKELY = 0.5
_SAME = 1e-3
"""Relative gain below which the simulators tell nothing: there the default stands."""


@dataclass(frozen=True)
class Expected:
    """A configuration and what is expected of it.

    Attributes:
        metrics: (low, mean, high) by name; 90 % of measurements fall between low and high.
        feasible: probability that it runs and keeps every constraint.
        peak_memory_gib: nan if unknown.
    """

    configuration: Configuration
    metrics: Mapping[str, tuple[float, float, float]]
    feasible: float
    peak_memory_gib: float


@dataclass(frozen=True)
class Influence:
    """Why: what one parameter does.

    Attributes:
        share: of the variance of the objective's logarithm over likely configurations that its value explains alone.
        alternative: the best other value, the rest repaired where it must be; None: it has none.
        change: relative change of the objective with it; above 0 is worse.
        feasible: probability that it runs then and keeps every constraint.
    """

    parameter: str
    chosen: Value | None
    share: float
    alternative: Value | None
    change: float | None
    feasible: float | None


@dataclass(frozen=True)
class Advice:
    """The whole recommendation.

    Attributes:
        default: the configuration of the defaults, which a search would measure first.
        gain: how many times better than the default the recommended one is; None where a ratio means nothing.
        considered: configurations that were predicted.
        size: configurations of the space.
    """

    recommended: Expected
    default: Expected
    gain: float | None
    runners_up: tuple[Expected, ...]
    influences: tuple[Influence, ...]
    considered: int
    size: int

    def unpredicted(self, problem: Problem) -> list[str]:
        """Metrics with a bound that no simulator predicts: whether it is kept is in no probability."""
        known = {"peak_memory_gib", *self.recommended.metrics}
        return [each.metric for each in problem.constraints if each.metric not in known]


class Adviser:
    """Predicts for one problem."""

    def __init__(self, problem: Problem, simulator: Simulator) -> None:
        self._problem = problem
        self._simulator = simulator

    def advise(self, runners_up: int) -> Advice:
        """The recommendation.

        Raises:
            SpaceError: the space is empty.
            KeyError: no simulator predicts the first objective.
        """
        space = self._problem.space
        size = space.count()
        if size <= LISTED:
            pool = list(space.enumerate())
        else:
            rng = generator(self._problem.seed, 0)
            pool = list(dict.fromkeys(space.sample(rng) for _ in range(DRAWN)))
        if not pool:
            space.require_feasible()
        prediction = self._predict(pool)
        scores = self._scores(prediction)
        # Many differ in what matters to nobody: of those with the same score one will do.
        _, first = np.unique(np.round(scores, 5), return_index=True)
        starts = [pool[i] for i in first[: runners_up + _TRIED]]
        climbed = [self._climb(start) for start in starts[:_STARTS]] if size > LISTED else []
        found = dict.fromkeys(map(self._settled, climbed))
        for start in starts:
            if len(found) > runners_up:
                break
            found[self._settled(start)] = None
        best = list(found)
        ranked = np.argsort(self.scores(best), kind="stable")[: runners_up + 1]
        default, *expected = self._expected([space.default(), *(best[i] for i in ranked)])
        objective = self._problem.objectives[0]
        value, base = (each.metrics[objective.metric][1] for each in (expected[0], default))
        return Advice(
            expected[0],
            default,
            objective.speedup(value, base),
            tuple(expected[1:]),
            self._influences(expected[0].configuration, pool, prediction),
            len(pool),
            size,
        )

    def scores(self, configurations: Sequence[Configuration]) -> Floats:
        """What to minimize, [N]: the logarithm of the objective, plus what its risk of failing costs."""
        return self._scores(self._predict(configurations)) if configurations else np.zeros(0)

    def _scores(self, prediction: Prediction) -> Floats:
        return self._log_objective(prediction) - np.log(np.maximum(self._likely(prediction), 1e-12))

    def _predict(self, configurations: Sequence[Configuration]) -> Prediction:
        assert self._problem.workload is not None  # noqa: S101 - there is a simulator
        assert self._problem.hardware is not None  # noqa: S101
        return self._simulator.predict(configurations, self._problem.workload, self._problem.hardware)

    def _log_objective(self, prediction: Prediction) -> Floats:
        objective = self._problem.objectives[0]
        mean, _ = prediction.column(objective.metric)
        logarithm: Floats = np.log(np.maximum(mean, 1e-300))
        return logarithm if objective.goal is Goal.MINIMIZE else -logarithm

    def _likely(self, prediction: Prediction) -> Floats:
        """Probability that a configuration runs and keeps the constraints that are predicted, [N]."""
        likely = prediction.feasible.copy()
        for constraint in self._problem.constraints:
            if constraint.metric == "peak_memory_gib" and constraint.maximum is not None:
                likely *= fits(prediction.peak_memory_gib, constraint.maximum, np.zeros(len(likely)))
            if constraint.metric not in prediction.metrics:
                continue
            mean, std = prediction.column(constraint.metric)
            width = np.sqrt(np.log1p((std / mean) ** 2))
            if constraint.maximum is not None and constraint.maximum > 0:
                likely *= normal_cdf(np.log(constraint.maximum / mean) / width)
            if constraint.minimum is not None and constraint.minimum > 0:
                likely *= normal_cdf(np.log(mean / constraint.minimum) / width)
        return likely

    def _expected(self, configurations: Sequence[Configuration]) -> list[Expected]:
        prediction = self._predict(configurations)
        likely = self._likely(prediction)
        bounds = {metric: (*prediction.interval(metric), prediction.column(metric)[0]) for metric in prediction.metrics}
        return [
            Expected(
                configuration,
                {
                    metric: (float(low[i]), float(mean[i]), float(high[i]))
                    for metric, (low, high, mean) in bounds.items()
                },
                float(likely[i]),
                float(prediction.peak_memory_gib[i]),
            )
            for i, configuration in enumerate(configurations)
        ]

    def _climb(self, start: Configuration) -> Configuration:
        """The best that changing one parameter after the other leads to; what a change breaks is repaired."""
        best, score = start, float(self.scores([start])[0])
        for _ in range(_ROUNDS):
            around = list(self._around(best))
            scores = self.scores(around)
            if not around or scores.min() >= score:
                break
            best, score = around[int(scores.argmin())], float(scores.min())
        return best

    def _settled(self, configuration: Configuration) -> Configuration:
        """The same, with the defaults of all parameters on which nothing depends."""
        score = float(self.scores([configuration])[0])
        allowed = score + _SAME
        for name, parameter in self._problem.space.by_name.items():
            if configuration.get(name, parameter.default) == parameter.default:
                continue
            other = self._moved(configuration, name, parameter.default)
            if other is not None and float(self.scores([other])[0]) <= allowed:
                configuration = other
        return configuration

    def _moved(self, configuration: Configuration, name: str, value: Value) -> Configuration | None:
        """The configuration with one parameter changed, and others as far as they must; None: it can't be."""
        space = self._problem.space
        try:
            return space.canonical(space.full_values(configuration) | {name: value})
        except SpaceError:
            pass
        try:
            return space.nearest(configuration, {name: value})
        except SpaceError:
            return None

    def _around(self, configuration: Configuration) -> dict[Configuration, tuple[str, Value]]:
        """The neighbours of a configuration, with the change that leads to each."""
        found: dict[Configuration, tuple[str, Value]] = {}
        for name, current in configuration.items():
            for value in self._problem.space.by_name[name].values:
                other = None if value == current else self._moved(configuration, name, value)
                if other is not None and other != configuration:
                    found.setdefault(other, (name, value))
        return found

    def _influences(
        self, best: Configuration, pool: Sequence[Configuration], predicted: Prediction
    ) -> tuple[Influence, ...]:
        around = self._around(best)
        prediction = self._predict([best, *around])
        objective, likely = self._log_objective(prediction), self._likely(prediction)
        scores = objective - np.log(np.maximum(likely, 1e-12))
        position: dict[str, int] = {}
        for number, (name, _) in enumerate(around.values(), start=1):
            if name not in position or scores[number] < scores[position[name]]:
                position[name] = number
        changes = [None, *around.values()]
        shares = self._shares(pool, predicted)
        found = []
        for name in self._problem.space.by_name:
            number = position.get(name, 0)
            change = changes[number]
            found.append(
                Influence(
                    parameter=name,
                    chosen=best.get(name),
                    share=shares[name],
                    alternative=None if change is None else change[1],
                    change=None if change is None else float(np.expm1(objective[number] - objective[0])),
                    feasible=None if change is None else float(likely[number]),
                )
            )
        return tuple(sorted(found, key=lambda each: (each.chosen is None, -each.share)))

    def _shares(self, pool: Sequence[Configuration], prediction: Prediction) -> dict[str, float]:
        """First-order variance shares (Sobol' 1993) over the configurations that probably run.

        A parameter explains what its values do where it is active; that it is, is explained by those that decide it.
        """
        likely = self._likely(prediction) >= _LIKELY
        if not likely.any():
            likely = np.ones(len(pool), bool)
        values = self._log_objective(prediction)[likely]
        total = float(values.var())
        chosen = [each for each, well in zip(pool, likely, strict=True) if well]
        shares: dict[str, float] = {}
        for name in self._problem.space.by_name:
            active = np.array([name in each for each in chosen])
            own = values[active]
            if total <= 0 or not len(own):
                shares[name] = 0.0
                continue
            _, group = np.unique([repr(each[name]) for each in chosen if name in each], return_inverse=True)
            count = np.bincount(group)
            means = np.bincount(group, own) / count
            between = float(np.average((means - own.mean()) ** 2, weights=count))
            shares[name] = between * len(own) / len(values) / total
        return shares
