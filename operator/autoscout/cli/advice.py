"""What the simulators recommend for a search space, and why. Pure: a space, a simulator, a fixed stream of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from autoscout.search.optimizer import generator
from autoscout.search.problem import Goal, Problem
from autoscout.simulators.protocol import Prediction, Simulator
from autoscout.simulators.uncertainty import normal_cdf
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import SpaceError
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]

LISTED = 40_000
"""Up to so many configurations all are predicted; of larger spaces so many are drawn."""
_STARTS = 5
_ROUNDS = 12
_LIKELY = 0.5


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
        considered: configurations that were predicted.
        size: configurations of the space.
    """

    recommended: Expected
    runners_up: tuple[Expected, ...]
    influences: tuple[Influence, ...]
    considered: int
    size: int


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
            pool = list(dict.fromkeys(space.sample(rng) for _ in range(LISTED)))
        if not pool:
            space.require_feasible()
        scores = self.scores(pool)
        if size > LISTED:
            order = np.argsort(scores, kind="stable")[:_STARTS]
            climbed = [self._climb(pool[i]) for i in order]
            pool = list(dict.fromkeys([*climbed, *pool]))
            scores = self.scores(pool)
        order = np.argsort(scores, kind="stable")
        best = [pool[i] for i in islice(order, runners_up + 1)]
        expected = self._expected(best)
        return Advice(expected[0], tuple(expected[1:]), self._influences(best[0], pool), len(pool), size)

    def scores(self, configurations: Sequence[Configuration]) -> Floats:
        """What to minimize, [N]: the logarithm of the objective, plus what its risk of failing costs."""
        if not configurations:
            return np.zeros(0)
        prediction = self._predict(configurations)
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
            if constraint.metric == "peak_memory_gib":
                mean, std = prediction.peak_memory_gib, 0.06 * prediction.peak_memory_gib
            elif constraint.metric in prediction.metrics:
                mean, std = prediction.column(constraint.metric)
            else:
                continue
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

    def _around(self, configuration: Configuration) -> dict[Configuration, tuple[str, Value]]:
        """The neighbours of a configuration, with the change that leads to each."""
        found: dict[Configuration, tuple[str, Value]] = {}
        for name, current in configuration.items():
            for value in self._problem.space.by_name[name].values:
                if value == current:
                    continue
                try:
                    other = self._problem.space.nearest(configuration, {name: value})
                except SpaceError:
                    continue
                if other is not None and other != configuration:
                    found.setdefault(other, (name, value))
        return found

    def _influences(self, best: Configuration, pool: Sequence[Configuration]) -> tuple[Influence, ...]:
        around = self._around(best)
        prediction = self._predict([best, *around])
        objective, likely = self._log_objective(prediction), self._likely(prediction)
        scores = objective - np.log(np.maximum(likely, 1e-12))
        position: dict[str, int] = {}
        for number, (name, _) in enumerate(around.values(), start=1):
            if name not in position or scores[number] < scores[position[name]]:
                position[name] = number
        changes = [None, *around.values()]
        shares = self._shares(pool)
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
        return tuple(sorted(found, key=lambda each: -each.share))

    def _shares(self, pool: Sequence[Configuration]) -> dict[str, float]:
        """First-order variance shares (Sobol' 1993) over the configurations that probably run."""
        prediction = self._predict(pool)
        likely = self._likely(prediction) >= _LIKELY
        if not likely.any():
            likely = np.ones(len(pool), bool)
        values = self._log_objective(prediction)[likely]
        total = float(values.var())
        chosen = [each for each, well in zip(pool, likely, strict=True) if well]
        shares: dict[str, float] = {}
        for name in self._problem.space.by_name:
            _, group = np.unique([repr(each.get(name)) for each in chosen], return_inverse=True)
            count = np.bincount(group)
            means = np.bincount(group, values) / count
            between = float(np.average((means - values.mean()) ** 2, weights=count))
            shares[name] = between / total if total > 0 else 0.0
        return shares
