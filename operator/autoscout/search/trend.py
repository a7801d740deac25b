"""The paper's simulators (App. B) inside the search: Table 2's regressions, fitted anew to every profile that arrives.

They know nothing before the first profiles. The surrogate takes their weighted mean (Eq. 2) for a trend that a Gaussian
process corrects (explicit basis functions: Rasmussen and Williams 2006, 2.7): far from all that was measured the
process alone falls back on the mean, and a trend goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from autoscout.search.gaussian import Floats, Levels
from autoscout.simulators.ensemble import Ensemble, fit_ensemble
from autoscout.simulators.regression import features
from autoscout.simulators.workload import Hardware
from autoscout.space.search_space import SearchSpace


@dataclass(frozen=True, eq=False)
class Trend:
    """The ensemble of Table 2 over the levels of a space. Made by `trend`."""

    space: SearchSpace
    hardware: Hardware
    ensemble: Ensemble

    def predict(self, levels: Levels) -> Floats:
        """What is expected at [N, P] levels, [N], in the unit of what was fitted."""
        return self.ensemble.predict(lambda name: _knobs(self.space, self.hardware, name, levels))


def trend(space: SearchSpace, hardware: Hardware, levels: Levels, values: Floats) -> Trend | None:
    """The regressions after some measurements.

    Args:
        levels: [n, P].
        values: measured, or their logarithms, [n].

    Returns:
        None while they explain nothing: see `fit_ensemble`.
    """
    ensemble = fit_ensemble(lambda name: _knobs(space, hardware, name, levels), values)
    return None if ensemble is None else Trend(space, hardware, ensemble)


def _knobs(space: SearchSpace, hardware: Hardware, name: str, levels: Levels) -> Floats:
    """The knobs of one simulator of Table 2 at [N, P] levels, [N, K]."""
    base, tables = _tables(space, hardware, name)
    knobs = np.tile(base, (len(levels), 1))
    for position, table in tables:
        knobs += table[levels[:, position]]
    return knobs


@lru_cache(maxsize=64)
def _tables(space: SearchSpace, hardware: Hardware, name: str) -> tuple[Floats, tuple[tuple[int, Floats], ...]]:
    """The knobs where no parameter says anything, [K], and by how much each level of a parameter changes them.

    A knob follows from one parameter, so that this replaces reading every configuration of a large space.
    """
    base = _doublings(features(name, [{}], hardware))[0]
    tables = []
    for position, parameter in enumerate(space.parameters):
        change = _doublings(features(name, [{parameter.name: value} for value in parameter.values], hardware)) - base
        if np.any(change):
            # The level after the last one: the parameter is inactive.
            tables.append((position, np.vstack([change, np.zeros(len(base))])))
    return base, tuple(tables)


def _doublings(knobs: Floats) -> Floats:
    """A degree counts by its doublings, so that it acts on a logarithm as a power; flags stay 0 and 1."""
    return np.where(knobs > 1, 1 + np.log2(np.maximum(knobs, 1.0)), knobs)
