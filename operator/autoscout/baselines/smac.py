"""SMAC: Bayesian optimisation with a random forest (SMAC3's own, the extra `rivals`).

Hutter, Hoos, Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm Configuration", LION 2011;
Lindauer et al., "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization", JMLR 2022. The
settings are those of its HyperparameterOptimizationFacade, meant for costly evaluations: its random forest of ten
trees on logarithmic costs, expected improvement, local search from the best measured and the best drawn
configurations (section 4.3 of the first paper), every fifth proposal at random.

The search for the largest expected improvement is made here: SMAC3's own knows no constraints that couple
parameters, and its order depends on the hash seed of the process. Its intensification has nothing to do, as each
profile is made once. Infeasible profiles cost a little more than the worst seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from autoscout.baselines.moves import draw, neighbours, pending_too, topped_up
from autoscout.baselines.samples import penalised, samples
from autoscout.baselines.vectors import Floats
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal
from autoscout.search.problem import Problem
from autoscout.simulators.uncertainty import normal_cdf
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace

STARTS = 10
"""Random points before the first model."""
CLIMBS = 4
"""Starts of the local search, of either kind."""
RANDOM = 0.2
"""Share of random proposals afterwards."""
DRAWN = 200
"""Configurations drawn for each proposal, beside the local search: the forest takes 0.1 ms for each it looks at."""
STEPS = 10
"""Steps of a local search at most."""

Gain = Callable[[Sequence[Configuration]], Floats]


class Smac:
    """No settings."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`.

        Raises:
            ModuleNotFoundError: SMAC3 is not installed.
        """
        proposals: list[Proposal] = []
        for _ in range(count):
            known = pending_too(history, proposals)
            found = [] if _explores(known, rng) else _challengers(problem, known, rng)
            proposals += topped_up(problem, known, rng, 1, (Proposal(each, "smac") for each in found), "smac")
        return proposals


def _explores(history: Ledger, rng: np.random.Generator) -> bool:
    return len(history.settled) < STARTS or bool(rng.random() < RANDOM)


def _challengers(problem: Problem, history: Ledger, rng: np.random.Generator) -> list[Configuration]:
    """Where expected improvement is largest, best first."""
    observed, space = samples(problem, history), problem.space
    if not observed:
        return []
    costs = np.array(penalised(observed))
    pending = [entry.trial.configuration for entry in history.pending]
    # What is in flight is taken to be no better than the middle, so that nothing beside it is proposed.
    values = np.concatenate([costs, np.full(len(pending), np.median(costs))])
    measured = [sample.configuration for sample in observed]
    gain = _gain(space, [*measured, *pending], values, float(costs.min()), int(rng.integers(2**31)))
    drawn = draw(space, rng, DRAWN, history.fingerprints)
    ranked = _sorted(drawn, gain)
    starts = [measured[index] for index in np.argsort(costs, kind="stable")[:CLIMBS]] + ranked[:CLIMBS]
    climbed = [each for start in starts for each in _climb(space, start, gain, history)]
    return _sorted(list(dict.fromkeys([*climbed, *ranked[:CLIMBS]])), gain)


def _gain(space: SearchSpace, known: Sequence[Configuration], values: Floats, best: float, seed: int) -> Gain:
    """Expected improvement by a forest that is trained on the known."""
    forest = _smac().forest(
        _configuration_space(space), n_trees=10, ratio_features=1.0, min_samples_split=2, min_samples_leaf=1, seed=seed
    )
    forest.train(_points(space, known), values[:, None])

    def gain(configurations: Sequence[Configuration]) -> Floats:
        mean, variance = forest.predict(_points(space, configurations))
        mean, deviation = mean[:, 0], np.sqrt(np.maximum(variance[:, 0], 1e-12))
        scaled = (best - mean) / deviation
        density = np.exp(-0.5 * scaled**2) / math.sqrt(2 * math.pi)
        improvement: Floats = deviation * (scaled * normal_cdf(scaled) + density)
        return improvement

    return gain


def _climb(space: SearchSpace, start: Configuration, gain: Gain, history: Ledger) -> list[Configuration]:
    """The new configurations on the way up, each the best neighbour of the one before."""
    way: list[Configuration] = []
    at, height = start, -math.inf if start.fingerprint in history.fingerprints else float(gain([start])[0])
    for _ in range(STEPS):
        around = [each for each in neighbours(space, at) if each.fingerprint not in history.fingerprints]
        if not around:
            break
        heights = gain(around)
        top = int(heights.argmax())
        if heights[top] <= height:
            break
        at, height = around[top], float(heights[top])
        way.append(at)
    return way


def _sorted(configurations: Sequence[Configuration], gain: Gain) -> list[Configuration]:
    if not configurations:
        return []
    return [configurations[index] for index in np.argsort(-gain(configurations), kind="stable")]


def _points(space: SearchSpace, configurations: Sequence[Configuration]) -> Floats:
    """As ConfigSpace has them, [N, P]: the number of a category, a place on a grid within [0, 1]."""
    columns = []
    for parameter in space.parameters:
        places = np.array([parameter.index(each.get(parameter.name, parameter.default)) for each in configurations])
        categorical = isinstance(parameter.default, str)
        columns.append(places.astype(np.float64) if categorical else (places + 0.5) / len(parameter.values))
    return np.stack(columns, axis=1)


@lru_cache(maxsize=8)
def _configuration_space(space: SearchSpace) -> Any:
    """What the forest needs to know of each dimension. An inactive parameter stands at its default."""
    smac = _smac()
    target = smac.space()
    for parameter in space.parameters:
        if isinstance(parameter.default, str):
            target.add(smac.categorical(parameter.name, list(parameter.values)))
        else:
            target.add(smac.number(parameter.name, 0.0, 1.0))
    return target


@dataclass(frozen=True)
class _Parts:
    """The classes of ConfigSpace and SMAC3 that are used."""

    space: Any
    categorical: Any
    number: Any
    forest: Any


@cache
def _smac() -> _Parts:
    """The packages, imported when they are first needed: it takes seconds."""
    try:
        import ConfigSpace as space  # noqa: N813, PLC0415
        from smac.model.random_forest import RandomForest  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"search.algorithm smac needs the package {error.name}: pip install 'autoscout[rivals]'", name=error.name
        ) from error
    return _Parts(
        space=space.ConfigurationSpace,
        categorical=space.CategoricalHyperparameter,
        number=space.UniformFloatHyperparameter,
        forest=RandomForest,
    )
