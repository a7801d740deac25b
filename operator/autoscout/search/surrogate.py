"""The model that the search runs on: simulators, corrected by what was measured.

Each metric has up to three models. One describes the measurement itself. One describes the ratio of measurement to
simulation, so that a simulator that is off by a factor, or by a factor for each knob, is corrected by few profiles. One
starts from the paper's regressions, which are fitted to the same measurements (`trend`). They are mixed by how
well each predicts what it was not shown, in the spirit of Eq. 2, but with predictive densities in place of R^2 (Yao et
al., "Using stacking to average Bayesian predictive distributions", Bayesian Analysis 2018).
Failures are modelled too: an OOM teaches where not to look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from autoscout.search.encoding import geometry_of, levels_of
from autoscout.search.footprint import BEYOND, METRIC, Footprint, beyond
from autoscout.search.forecast import Forecast, forecast
from autoscout.search.gaussian import (
    LABEL_PRIOR,
    METRIC_PRIOR,
    Floats,
    GaussianProcess,
    Geometry,
    Hyperparameters,
    Levels,
    Prior,
    condition,
    fit,
)
from autoscout.search.observations import Observations
from autoscout.search.problem import Problem
from autoscout.search.trend import Trend, trend
from autoscout.simulators.hardware import find
from autoscout.simulators.protocol import Prediction
from autoscout.simulators.uncertainty import normal_cdf
from autoscout.simulators.workload import Hardware
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace

FIRST_FIT = 4
"""Measurements before which hyperparameters stay at their prior."""
GROWTH = 1.15
"""The hyperparameters are fitted anew each time the measurements have grown by this factor."""


@dataclass(frozen=True)
class Kind:
    """What a Gaussian process is about.

    Attributes:
        spread: standard deviation that is expected of its values.
        weight: how many measurements that expectation weighs.
        prior: of its hyperparameters.
    """

    spread: float
    weight: float
    prior: Prior


MEASURED = Kind(0.5, 1.0, METRIC_PRIOR)
"""The logarithm of a metric."""
SIMULATED = Kind(0.25, 3.0, LABEL_PRIOR)
"""The logarithm of its ratio to what simulators say."""
LABEL = Kind(0.5, 1.0, LABEL_PRIOR)
"""Running (1) or not running (-1)."""
TRUST = 1.0
"""Natural logarithm of the odds by which simulators are preferred before anything is measured."""
DOUBT_OF_FIT = 0.3
"""Standard deviation of the threshold between running and not running, on a scale from -1 to 1."""


class Surrogate(Protocol):
    """Predicts the outcome of a profile; bound to one problem and what is known of it."""

    def predict(self, configurations: Sequence[Configuration]) -> Prediction:
        """Objective and constraint metrics of N configurations, and the probability that they run."""
        ...


@dataclass(frozen=True, eq=False)
class Component:
    """One model of a metric: a Gaussian process over the simulators' forecast, over a trend, or over nothing."""

    process: GaussianProcess | None
    simulated: bool
    weight: float
    trend: Trend | None = None

    def start(self, metric: str, levels: Levels, known: Forecast) -> Floats:
        """What the process corrects, [N]."""
        if self.simulated:
            return known.logarithms[metric]
        return np.zeros(len(levels)) if self.trend is None else self.trend.predict(levels)


@dataclass(frozen=True, eq=False)
class MetricModel:
    """A metric, in logarithms where it is positive: a mixture of components.

    Attributes:
        logarithmic: whether predictions are natural logarithms.
    """

    metric: str
    logarithmic: bool
    components: tuple[Component, ...]

    def predict(self, levels: Levels, known: Forecast) -> tuple[Floats, Floats]:
        """Mean and standard deviation, in logarithms if `logarithmic`; [N] each."""
        mean, square = np.zeros(len(levels)), np.zeros(len(levels))
        for component in self.components:
            if component.process is None:
                own, std = (
                    np.zeros(len(levels)),
                    np.full(len(levels), SIMULATED.spread if component.simulated else 1.0),
                )
            else:
                own, std = component.process.predict(levels)
            own = own + component.start(self.metric, levels, known)
            mean += component.weight * own
            square += component.weight * (std**2 + own**2)
        return mean, np.sqrt(np.maximum(square - mean**2, 1e-12))

    @property
    def trust(self) -> float:
        """The weight of the components that start from what simulators say, in [0, 1]."""
        return sum(component.weight for component in self.components if component.simulated)

    def expect(self, levels: Levels, known: Forecast) -> Floats:
        """The mean of `predict` alone, [N]."""
        mean = np.zeros(len(levels))
        for component in self.components:
            own = np.zeros(len(levels)) if component.process is None else component.process.expect(levels)
            mean += component.weight * (own + component.start(self.metric, levels, known))
        return mean


@dataclass(frozen=True, eq=False)
class Belief:
    """What is expected of N candidates.

    Attributes:
        mean: of the first objective, to be minimized; a logarithm where the metric is positive, [N].
        std: its standard deviation, [N].
        log_feasible: natural logarithm of the probability that it runs and keeps every constraint, [N].
    """

    mean: Floats
    std: Floats
    log_feasible: Floats


@dataclass(frozen=True, eq=False)
class LearnedSurrogate:
    """Simulators corrected by observations. Made by `learn`."""

    problem: Problem
    noise: float
    metrics: Mapping[str, MetricModel]
    running: Component | None
    footprint: Footprint | None

    def believe(self, levels: Levels, known: Forecast) -> Belief:
        """What to expect of candidates, given [N, P] levels and their forecast."""
        objective = self.problem.objectives[0]
        mean, std = self.metrics[objective.metric].predict(levels, known)
        log_feasible = np.log(np.maximum(self._runs(levels, known), _SMALLEST))
        for constraint in self.problem.constraints:
            model = self.metrics[constraint.metric]
            centre, width = (mean, std) if constraint.metric == objective.metric else model.predict(levels, known)
            width = np.maximum(width, 0.01 if model.logarithmic else 1e-9)
            inside = np.ones(len(levels))
            if constraint.maximum is not None:
                inside = normal_cdf((_scaled(constraint.maximum, model.logarithmic) - centre) / width)
            if constraint.minimum is not None:
                inside = inside - normal_cdf((_scaled(constraint.minimum, model.logarithmic) - centre) / width)
            log_feasible = log_feasible + np.log(np.maximum(inside, _SMALLEST))
        return Belief(mean if objective.better(0.0, 1.0) else -mean, std, log_feasible)

    @property
    def trust(self) -> float:
        """How much simulators have to say about the first objective, in [0, 1]."""
        return self.metrics[self.problem.objectives[0].metric].trust

    def expect(self, levels: Levels, known: Forecast) -> Floats:
        """The mean of `believe` alone, [N]."""
        objective = self.problem.objectives[0]
        mean = self.metrics[objective.metric].expect(levels, known)
        return mean if objective.better(0.0, 1.0) else -mean

    def predict(self, configurations: Sequence[Configuration]) -> Prediction:
        """See `Surrogate.predict`."""
        levels = levels_of(self.problem.space, configurations)
        known = forecast(self.problem, configurations, levels, self.noise)
        means, stds = [], []
        for model in self.metrics.values():
            mean, std = model.predict(levels, known)
            means.append(np.exp(mean) if model.logarithmic else mean)
            stds.append(means[-1] * np.sqrt(np.expm1(std**2)) if model.logarithmic else std)
        return Prediction(
            metrics=tuple(self.metrics),
            mean=np.stack(means, axis=1),
            std=np.stack(stds, axis=1),
            feasible=self._runs(levels, known),
            peak_memory_gib=np.full(len(levels), np.nan),
        )

    def _runs(self, levels: Levels, known: Forecast) -> Floats:
        """Probability of running, [N]."""
        if self.running is None:
            return np.ones(len(levels))
        if self.footprint is not None:
            known = replace(known, fits=self.footprint.fits(levels))
        mean, std = np.zeros(len(levels)), np.full(len(levels), 0.5)
        if self.running.process is not None:
            mean, std = self.running.process.predict(levels)
        if self.running.simulated and known.fits is not None:
            mean = mean + 2 * known.fits - 1
            if self.running.process is None:
                return known.fits
        result: Floats = normal_cdf(mean / np.sqrt(std**2 + DOUBT_OF_FIT**2))
        return result


_SMALLEST = 1e-6


def learn(
    problem: Problem,
    seen: Observations,
    known: Forecast,
    *,
    noise: float,
    settled: int,
    regressions: bool,
) -> LearnedSurrogate:
    """The surrogate after some observations.

    Args:
        seen: what was measured, fantasies about trials in flight at the end.
        known: the forecast of what was measured; empty: simulators are not used.
        noise: see `forecast`.
        settled: how many of `seen` are real; only they decide on hyperparameters.
        regressions: whether those of Table 2 are fitted too.
    """
    hardware = problem.hardware if regressions else None
    names = dict.fromkeys([problem.objectives[0].metric, *(c.metric for c in problem.constraints)])
    metrics = {name: _metric(problem.space, name, seen, known, settled, hardware) for name in names}
    footprint = None if known.fits is not None else _footprint(problem, seen, settled)
    if footprint is not None:
        known = replace(known, fits=footprint.fits(seen.levels))
    return LearnedSurrogate(
        problem, noise, metrics, _running(problem.space, seen, known, settled, footprint), footprint
    )


def _metric(
    space: SearchSpace, metric: str, seen: Observations, known: Forecast, settled: int, hardware: Hardware | None
) -> MetricModel:
    values = seen.metrics[metric]
    rows = np.flatnonzero(np.isfinite(values))
    real = int(np.sum(rows < settled))
    logarithmic = bool(np.all(values[rows] > 0))
    target = np.log(values[rows]) if logarithmic else values[rows]
    extra = seen.variance[metric][rows] * (1.0 if logarithmic else values[rows] ** 2)
    forecasts = known.logarithms.get(metric) if logarithmic else None
    levels = seen.levels[rows]
    components: list[tuple[GaussianProcess | None, float, bool, Trend | None]] = []
    if forecasts is not None:
        components.append((*_component(space, levels, target - forecasts[rows], real, SIMULATED, extra), True, None))
    if forecasts is None or real >= FIRST_FIT:
        components.append((*_component(space, levels, target, real, MEASURED, extra), False, None))
    found = None if hardware is None else trend(space, hardware, levels[:real], target[:real])
    if found is not None:
        # Each measurement against what the others make of it: the residuals of a fit look better than it is.
        left = np.concatenate([found.ensemble.left_out, target[real:] - found.predict(levels[real:])])
        components.append((*_component(space, levels, left, real, SIMULATED, extra), False, found))
    density = np.array([each[1] + TRUST * each[2] for each in components])
    weights = np.exp(density - density.max())
    weights = np.where(weights < 0.02, 0.0, weights)
    weights = weights / weights.sum()
    return MetricModel(
        metric,
        logarithmic,
        tuple(
            Component(process, simulated, float(weight), over)
            for (process, _, simulated, over), weight in zip(components, weights, strict=True)
            if weight > 0
        ),
    )


def _component(
    space: SearchSpace, levels: Levels, target: Floats, real: int, kind: Kind, extra: Floats
) -> tuple[GaussianProcess | None, float]:
    """A process and the log density of what it was not shown."""
    if not len(target):
        return None, 0.0
    count = max(milestone(real), 1)
    hyperparameters = _hyperparameters(space, levels[:count], target[:count], kind)
    standard_as = _standard(target[: max(real, 1)], kind)
    process = condition(_geometry(space), hyperparameters, levels, target, standard_as, extra)
    if count < FIRST_FIT:
        return process, 0.0
    return process, _density(space, levels[:count].tobytes(), target[:count].tobytes(), kind)


def _running(
    space: SearchSpace, seen: Observations, known: Forecast, settled: int, footprint: Footprint | None
) -> Component | None:
    simulated = known.fits is not None
    if not len(seen) or (seen.ran.all() and not simulated):
        return Component(None, True, 1.0) if simulated else None
    labels = np.where(seen.ran, 1.0, -1.0)
    if known.fits is not None:
        labels = labels - (2 * known.fits - 1)
    count = max(milestone(settled), 1)
    # What profiles taught of memory moves with every profile: a fit to what it leaves would be due each time.
    steady = labels if footprint is None else np.where(seen.ran, 1.0, -1.0)
    hyperparameters = _hyperparameters(space, seen.levels[:count], steady[:count], LABEL)
    centre, scale = _standard(labels[: max(settled, 1)], LABEL)
    standard_as = (0.0 if simulated else centre, scale)
    process = condition(_geometry(space), hyperparameters, seen.levels, labels, standard_as)
    return Component(process, simulated, 1.0)


def _footprint(problem: Problem, seen: Observations, settled: int) -> Footprint | None:
    """What profiles told of their memory; None where none did, or the GPU is not known."""
    gpu = find(problem.hardware.pools[0].gpu) if problem.hardware and problem.hardware.pools else None
    peaks = seen.metrics[METRIC][:settled]
    rows = np.flatnonzero(np.isfinite(peaks) & (peaks > 0))
    if gpu is None or not len(rows) or not seen.exhausted.any():
        return None
    values = np.log(peaks[rows])
    limit = max(float(np.log(gpu.memory_gib)), float(values.max()))
    process, _ = _component(problem.space, seen.levels[rows], values, len(rows), MEASURED, np.zeros(len(rows)))
    over = np.flatnonzero(seen.exhausted)
    if process is None or not len(over):
        return None
    values = np.append(values, beyond(process, limit, seen.levels[over]))
    levels = np.concatenate([seen.levels[rows], seen.levels[over]])
    extra = np.append(np.zeros(len(rows)), np.full(len(over), BEYOND**2))
    standard_as = (process.centre, process.scale)
    return Footprint(condition(process.geometry, process.hyperparameters, levels, values, standard_as, extra), limit)


def milestone(count: int) -> int:
    """The number of measurements at which hyperparameters were last fitted, at most `count`."""
    if count < FIRST_FIT:
        return count
    reached = FIRST_FIT
    while (following := max(reached + 1, int(reached * GROWTH))) <= count:
        reached = following
    return reached


def _hyperparameters(space: SearchSpace, levels: Levels, target: Floats, kind: Kind) -> Hyperparameters:
    if len(target) < FIRST_FIT:
        return Hyperparameters.prior(len(space.parameters), LABEL_PRIOR)
    centre, scale = _standard(target, kind)
    return _fitted(space, levels.tobytes(), ((target - centre) / scale).tobytes(), kind.prior)


@lru_cache(maxsize=64)
def _density(space: SearchSpace, levels: bytes, target: bytes, kind: Kind) -> float:
    """Log density of measurements, each predicted from all others."""
    values = np.frombuffer(target, dtype=np.float64)
    known = np.frombuffer(levels, dtype=np.int64).reshape(len(values), -1)
    hyperparameters = _hyperparameters(space, known, values, kind)
    return condition(_geometry(space), hyperparameters, known, values, _standard(values, kind)).left_out()


@lru_cache(maxsize=64)
def _fitted(space: SearchSpace, levels: bytes, standard: bytes, prior: Prior) -> Hyperparameters:
    values = np.frombuffer(standard, dtype=np.float64)
    return fit(_geometry(space), np.frombuffer(levels, dtype=np.int64).reshape(len(values), -1), values, prior)


@lru_cache(maxsize=16)
def _geometry(space: SearchSpace) -> Geometry:
    return geometry_of(space)


def _standard(values: Floats, kind: Kind) -> tuple[float, float]:
    """Centre and scale of values: the scale starts from what is expected of their kind."""
    centre = float(values.mean())
    variance = (kind.weight * kind.spread**2 + float(np.sum((values - centre) ** 2))) / (kind.weight + len(values))
    return centre, float(np.sqrt(variance))


def _scaled(bound: float, logarithmic: bool) -> float:
    if not logarithmic:
        return bound
    return float(np.log(bound)) if bound > 0 else -np.inf
