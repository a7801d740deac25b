"""The fidelity switch (3.3): simulators are validated by real profiles and given up when they are wrong.

Every tau profiles the mean absolute percentage error between forecast and measurement is taken. Above epsilon
the search goes over to what was measured alone. What was learned stays: the order of the trees is kept, the
bandit's statistics become weak priors, and the top K of the simulators are profiled first.
"""

from __future__ import annotations

import numpy as np

from autoscout.search.gaussian import Floats

WEAK_PRIOR = 0.2
"""What an iteration on simulators counts after the switch, in iterations on measurements."""


def percentage_error(predicted: Floats, observed: Floats) -> float:
    """Mean absolute percentage error as a fraction; nan without observations."""
    if not len(observed):
        return float("nan")
    return float(np.mean(np.abs(predicted - observed) / np.abs(observed)))


def switched_at(predicted: Floats, observed: Floats, tau: int, epsilon: float) -> int | None:
    """After how many measurements the simulators were given up; None: they are believed.

    A simulator that is off by a common factor ranks as well as a perfect one, so the errors are taken after the
    median ratio between both is divided out.

    Args:
        predicted: of the first objective, in the order of commitment, [n].
        observed: what was measured, above 0, [n].
        tau: measurements between two validations.
        epsilon: error above which simulators are not believed.
    """
    for count in range(tau, len(observed) + 1, tau):
        error = scaled_error(predicted[:count], observed[:count])
        if error is not None and error > epsilon:
            return count
    return None


def scaled_error(predicted: Floats, observed: Floats) -> float | None:
    """The percentage error once the median ratio between both is divided out; None without observations."""
    if not len(observed):
        return None
    return percentage_error(predicted * float(np.median(observed / predicted)), observed)
