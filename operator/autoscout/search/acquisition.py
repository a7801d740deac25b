"""What a real profile is worth.

Expected improvement: Jones, Schonlau, Welch, "Efficient global optimization of expensive black-box functions",
J. Global Optimization 1998. With the probability that constraints hold: Gardner et al., "Bayesian optimization with
inequality constraints", ICML 2014. In logarithms: Ament et al., "Unexpected improvements to expected improvement for
Bayesian optimization", NeurIPS 2023.
"""

from __future__ import annotations

import math

import numpy as np

from autoscout.search.gaussian import Floats
from autoscout.simulators.uncertainty import normal_cdf


def log_expected_improvement(best: float, mean: Floats, std: Floats) -> Floats:
    """Logarithm of the expected improvement when minimizing, [N].

    Args:
        best: what has to be undercut.
        mean: of the candidates, [N].
        std: above 0, [N].
    """
    score = (best - mean) / std
    near = np.maximum(score, -5.0)
    density = np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi)
    value = np.log(density + near * normal_cdf(near))
    far = np.minimum(score, -5.0)
    # Below -5 the difference cancels; its asymptote does not.
    tail = -0.5 * far**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-far) + np.log1p(-3 / far**2)
    result: Floats = np.where(score < -5, tail, value) + np.log(std)
    return result
