"""What the simulators say of configurations, before anything is measured (3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from autoscout.search.encoding import geometry_of, pool_of
from autoscout.search.gaussian import Floats, Levels
from autoscout.search.problem import Problem
from autoscout.search.smoothing import smoothed
from autoscout.simulators.protocol import Simulator
from autoscout.simulators.registry import DATASHEET, simulator_for
from autoscout.simulators.workload import Hardware, Workload
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace

_LEAST = 0.05
"""Share of a simulator's prediction that is left of it however much noise is added: costs stay positive."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predictions for N configurations.

    Attributes:
        logarithms: natural logarithm of each metric, [N]; only metrics that are predicted, and above 0.
        fits: probability that it runs, [N]; None: unknown.
        rough: metrics in which the simulators contradict themselves, before they were smoothed.
    """

    logarithms: Mapping[str, Floats] = field(default_factory=dict)
    fits: Floats | None = None
    rough: frozenset[str] = frozenset()

    def take(self, rows: Levels) -> Forecast:
        """Of these rows only."""
        return Forecast(
            {metric: values[rows] for metric, values in self.logarithms.items()},
            None if self.fits is None else self.fits[rows],
        )


def forecast(problem: Problem, configurations: Sequence[Configuration], levels: Levels, noise: float) -> Forecast:
    """What the simulators say of some configurations, [N, P] levels.

    Args:
        noise: standard deviation of the relative error that is added to each prediction, the same for the same
            configuration and seed: the paper's test of robustness (Fig. 11).
    """
    simulator = _simulator(problem.space, problem.workload, problem.hardware, _kernels(problem))
    if simulator is None or problem.workload is None or problem.hardware is None or not configurations:
        return Forecast()
    predicted = simulator.predict(configurations, problem.workload, problem.hardware)
    logarithms = {}
    for position, metric in enumerate(predicted.metrics):
        values = predicted.mean[:, position]
        if not np.all(np.isfinite(values) & (values > 0)):
            continue
        logarithms[metric] = np.log(values)
        if noise:
            factor = 1 + noise * _normal(levels, problem.seed, position)
            logarithms[metric] = logarithms[metric] + np.log(np.maximum(factor, _LEAST))
    return Forecast(logarithms, np.where(np.isfinite(predicted.feasible), predicted.feasible, 0.5))


def pool_forecast(problem: Problem, noise: float) -> Forecast:
    """The forecast of every configuration of a small space, in the order of its pool."""
    seed = problem.seed if noise else 0
    return _pool_forecast(problem.space, problem.workload, problem.hardware, _kernels(problem), seed, noise)


@lru_cache(maxsize=4)
def _pool_forecast(
    space: SearchSpace, workload: Workload | None, hardware: Hardware | None, kernels: str, seed: int, noise: float
) -> Forecast:
    pool = pool_of(space)
    problem = Problem(space, (), seed=seed, workload=workload, hardware=hardware, settings={"kernels": kernels})
    found = forecast(problem, pool.configurations, pool.levels, noise)
    geometry = geometry_of(space)
    made = {metric: smoothed(geometry, pool.levels, values) for metric, values in found.logarithms.items()}
    rough = frozenset(metric for metric, values in made.items() if values is not found.logarithms[metric])
    return Forecast(made, found.fits, rough)


@lru_cache(maxsize=16)
def _simulator(
    space: SearchSpace, workload: Workload | None, hardware: Hardware | None, kernels: str
) -> Simulator | None:
    if workload is None or hardware is None:
        return None
    return simulator_for(workload, hardware, tuple(space.by_name), kernels)


def _kernels(problem: Problem) -> str:
    return str(problem.settings.get("kernels", DATASHEET))


def _normal(levels: Levels, seed: int, stream: int) -> Floats:
    """A standard normal number for each row, from its levels alone (SplitMix64 and Box-Muller), [N]."""
    state = np.full(len(levels), np.uint64((seed * 0x9E3779B97F4A7C15 + stream) % 2**64))
    for column in levels.T:
        state = _mixed(state ^ (column.astype(np.uint64) + np.uint64(1)))
    one, two = ((_mixed(state + np.uint64(k)) >> np.uint64(11)).astype(np.float64) / 2**53 for k in (1, 2))
    result: Floats = np.sqrt(-2 * np.log1p(-one)) * np.cos(2 * np.pi * two)
    return result


def _mixed(state: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
