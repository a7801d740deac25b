"""The synthesizer (3.1, 3.3): assembles whole configurations and decides which of them gets a real profile.

Candidates are evaluated on the surrogate, which costs nothing. A profile is spent where the surrogate expects most
of it: by expected improvement times the probability that the configuration runs and keeps its constraints. Every so
many profiles an optimistic bound decides instead, so that the search also goes where the surrogate knows least.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autoscout.search.acquisition import log_expected_improvement
from autoscout.search.dense import DenseOptimizer
from autoscout.search.gaussian import Floats
from autoscout.search.surrogate import Belief
from autoscout.space.configuration import Configuration
from autoscout.space.values import Value

OPTIMISM = (1.0, 3.0)
"""Standard deviations below the mean by which a pick of doubt judges: drawn between these, so that a search that is
stuck in one way is not stuck in every way (randomised bounds: Berk et al., "Randomised Gaussian process upper
confidence bound for Bayesian optimisation", IJCAI 2020)."""
WORTHWHILE = 0.003
"""Improvement below which a profile is wasted, relative to the spread or, for positive metrics, to the value. It keeps
the search from profiling equal rows of a flat knob one after another."""
_DIGITS = 9
"""Decimal digits of an acquisition that decide: rounding noise must not."""


def assemble(dense: DenseOptimizer, structure: Mapping[str, Value], state: Mapping[str, Value]) -> Configuration:
    """The configuration with a structure, and of those the one nearest to a dense state."""
    return dense.project(structure, state)


def worth(belief: Belief, best: float | None, optimism: float | None = None) -> Floats:
    """What a real profile of each candidate is worth, as a logarithm; [N].

    Args:
        best: the incumbent's expected objective, to be undercut; None: nothing feasible is known, so any
            candidate improves and the likeliest to be feasible matters most.
        optimism: judge by the bound so many standard deviations below the mean; None: by expected improvement.
    """
    threshold = float(np.max(belief.mean)) if best is None else best - WORTHWHILE
    if optimism is not None and best is not None:
        gain = (threshold - belief.mean + optimism * belief.std) / max(float(np.median(belief.std)), 1e-9)
    else:
        gain = log_expected_improvement(threshold, belief.mean, belief.std)
    return np.round(gain + belief.log_feasible, _DIGITS)
