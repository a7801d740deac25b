"""CherryPick: Bayesian optimisation for configurations.

Alipourfard, Liu, Chen, Venkataraman, Yu, Zhang, "CherryPick: Adaptively Unearthing the Best Cloud Configurations
for Big Data Analytics", NSDI 2017. As in its section 3: a Gaussian process prior with the Matern 5/2 kernel,
expected improvement over the best feasible cost, times the probability that the constraints hold (3.5), a few
quasi-random starting points, and a stop when the expected improvement is below a tenth of the best and at least
six configurations were tried (3.4). Costs are logarithms, which is its multiplicative noise model (3.6).

What the paper leaves open: crashes (a Gaussian process on the runs that worked and those that did not, squashed
to a probability, as in Gelbart, Snoek, Adams, "Bayesian Optimization with Unknown Constraints", UAI 2014), and
spaces that are too large to go through (candidates are drawn, and the neighbours of the best are added).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autoscout.baselines.moves import draw, neighbours, pending_too, repaired, topped_up
from autoscout.baselines.process import Process, fitted, probability_below
from autoscout.baselines.samples import Sample, logarithmic, samples
from autoscout.baselines.vectors import Floats, vectors
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal
from autoscout.search.outcome import Lost
from autoscout.search.problem import Problem
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace

STARTS = 3
"""Quasi-random points before the first model (section 3.4 and its experiments), beside the default."""
DRAWN = 600
"""Candidates drawn for each proposal."""
AROUND = 4
"""Best configurations whose neighbours are candidates."""
LEAST = 6
"""Configurations that must have been tried before it may stop."""


class CherryPick:
    """Settings: `stopBelow`: stop when the expected improvement is below this share of the best cost.

    The paper takes 0.1; without the setting it goes on until the budget is used up, as the comparison needs.
    """

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`."""
        proposals: list[Proposal] = []
        for _ in range(count):
            known = pending_too(history, proposals)
            start = _start(problem.space, known)
            found = start if start is not None else _improving(problem, known, rng)
            if found is None:
                return proposals
            proposals += topped_up(problem, known, rng, 1, found, "cherrypick")
        return proposals


def _start(space: SearchSpace, history: Ledger) -> list[Proposal] | None:
    """The next of the quasi-random points; None when they are all there."""
    position = len(history.entries) - 1
    if not 0 <= position < STARTS:
        return [Proposal(space.default(), "cherrypick")] if position < 0 else None
    assignment = {
        parameter.name: parameter.values[min(int(place * len(parameter.values)), len(parameter.values) - 1)]
        for parameter, place in zip(
            space.parameters, _low_discrepancy(position + 1, len(space.parameters)), strict=True
        )
    }
    return [Proposal(repaired(space, assignment), "cherrypick")]


def _low_discrepancy(index: int, dimensions: int) -> Floats:
    """A point of the R sequence (the additive recurrence of the generalised golden ratio), in [0, 1)^dimensions."""
    ratio = 2.0
    for _ in range(32):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    steps: Floats = np.mod(0.5 + index * ratio ** -np.arange(1, dimensions + 1, dtype=np.float64), 1.0)
    return steps


def _improving(problem: Problem, history: Ledger, rng: np.random.Generator) -> list[Proposal] | None:
    """The candidates, the one with the largest expected improvement first; None: the rule says stop."""
    observed = samples(problem, history)
    candidates = _candidates(problem.space, history, observed, rng)
    if not candidates or not observed:
        return []
    points = vectors(problem.space, candidates)
    known = vectors(problem.space, [sample.configuration for sample in observed])
    chance = _chance(problem, observed, known, points)
    feasible = [index for index, sample in enumerate(observed) if sample.cost is not None]
    if not feasible:
        gain = chance
    else:
        costs = np.array(logarithmic([_cost(observed[index]) for index in feasible]))
        process = _with_pending(fitted(known[feasible], costs), problem.space, history)
        gain = _expected_improvement(process, points, float(costs.min())) * chance
        if _stops(problem, history, float(gain.max())):
            return None
    order = np.argsort(-gain, kind="stable")[:8]
    return [Proposal(candidates[index], "cherrypick") for index in order]


def _candidates(
    space: SearchSpace, history: Ledger, observed: Sequence[Sample], rng: np.random.Generator
) -> list[Configuration]:
    known = history.fingerprints
    found = {each.fingerprint: each for each in draw(space, rng, DRAWN, known)}
    feasible = [sample for sample in observed if sample.cost is not None]
    for sample in sorted(feasible, key=_cost)[:AROUND]:
        for each in neighbours(space, sample.configuration):
            if each.fingerprint not in known:
                found.setdefault(each.fingerprint, each)
    return list(found.values())


def _chance(problem: Problem, observed: Sequence[Sample], known: Floats, points: Floats) -> Floats:
    """The probability that each point runs and keeps every constraint, [N]."""
    chance = np.ones(len(points))
    ran = np.array([sample.metrics is not None for sample in observed])
    if not ran.all():
        # Runs are 1 and crashes -1: a positive latent value means that it runs.
        process = fitted(known, np.where(ran, 1.0, -1.0), centre=0.0)
        chance *= 1 - probability_below(process, points, 0.0)
    for bound in problem.constraints:
        pairs = [
            (i, (sample.metrics or {})[bound.metric])
            for i, sample in enumerate(observed)
            if bound.metric in (sample.metrics or {})
        ]
        if not pairs:
            continue
        rows, values = [i for i, _ in pairs], [value for _, value in pairs]
        positive = all(value > 0 for value in values)
        process = fitted(known[rows], np.array(logarithmic(values)))
        for limit, above in ((bound.maximum, False), (bound.minimum, True)):
            if limit is None or (positive and limit <= 0):
                continue
            below = probability_below(process, points, _limit(values, limit))
            chance *= 1 - below if above else below
    return chance


def _limit(values: list[float], limit: float) -> float:
    """The bound on the scale that `logarithmic` gives the values."""
    if all(value > 0 for value in values):
        return math.log(limit)
    if all(value < 0 for value in values):
        return -math.log(-limit) if limit < 0 else math.inf
    return limit


def _with_pending(process: Process, space: SearchSpace, history: Ledger) -> Process:
    """What is in flight is taken to come out as expected, so that nothing beside it is proposed."""
    pending = [entry.trial.configuration for entry in history.pending]
    if not pending:
        return process
    points = vectors(space, pending)
    return process.extended(points, process.predict(points)[0])


def _expected_improvement(process: Process, points: Floats, best: float) -> Floats:
    mean, deviation = process.predict(points)
    scaled = (best - mean) / deviation
    density = np.exp(-0.5 * scaled**2) / math.sqrt(2 * math.pi)
    below = probability_below(process, points, best)
    improvement: Floats = deviation * (scaled * below + density)
    return np.maximum(improvement, 0.0)


def _stops(problem: Problem, history: Ledger, gain: float) -> bool:
    share = problem.settings.get("stopBelow")
    tried = sum(not isinstance(entry.outcome, Lost) for entry in history.settled)
    # On the logarithmic scale a gain of 0.1 is a tenth of the best.
    return share is not None and tried >= LEAST and gain < float(share)


def _cost(sample: Sample) -> float:
    return math.inf if sample.cost is None else sample.cost
