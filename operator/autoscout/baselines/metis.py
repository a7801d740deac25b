"""Metis: the best plan of model parallelism by a cost model; the other knobs keep their defaults.

Um, Oh, Kang, Lee, Kim, Kim, Kim, Muzzammil, Jeon, "Metis: Fast Automatic Distributed Training on Heterogeneous
GPUs", USENIX ATC 2024. As there, every plan (degrees of tensor, pipeline and data parallelism, micro-batch size) is
estimated, plans that do not fit in memory are left out, and the cheapest are tried. Metis estimates from profiles of
single layers; here the analytical simulators stand in for them, and without those a formula for the pipeline's
bubble and the communication. Metis balances stages over GPUs of different kinds; one pool has nothing to balance.

Metis tunes nothing else. So that it is not at a standstill once every plan was tried, it goes on with other knobs
at random under the best plan: a proposal of `metis-random` is no longer the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from autoscout.baselines.moves import topped_up
from autoscout.baselines.samples import samples
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal
from autoscout.search.problem import Goal, Problem
from autoscout.simulators.knobs import canonical
from autoscout.simulators.registry import simulator_for
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

PLAN = ("tp", "pp", "dp", "cp", "ep", "mbs")
"""What a plan decides, by the names that the simulators' vocabulary gives."""
PLANS = 4096
"""Plans that are looked at."""
DRAWS = 16
"""Configurations drawn under the best plan for one proposal."""

Plan = dict[str, Value]


class Metis:
    """No settings."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`."""
        names = [name for name in problem.space.by_name if canonical(name) in PLAN]
        ranked = [Proposal(each, "metis") for each in _ranked(problem, names)]
        fresh = [each for each in ranked if each.configuration.fingerprint not in history.fingerprints][:count]
        rest = _under_best(problem, history, names, rng) if len(fresh) < count else []
        return topped_up(problem, history, rng, count, [*fresh, *rest], "metis-random")

    def simulated(self, problem: Problem, history: Ledger) -> int:
        """Plans that the simulators evaluated, each counted once."""
        known = simulator_for(problem.workload, problem.hardware, tuple(problem.space.by_name)) is not None
        asked = any(entry.trial.number > 0 for entry in history.entries)
        names = [name for name in problem.space.by_name if canonical(name) in PLAN]
        return len(_ranked(problem, names)) if known and asked else 0


def _ranked(problem: Problem, names: Sequence[str]) -> list[Configuration]:
    """Every plan with the other knobs at their defaults, the cheapest first; those that do not fit come last."""
    space = problem.space
    defaults = {parameter.name: parameter.default for parameter in space.parameters}
    found: dict[str, Configuration] = {}
    for plan in islice(_plans(space, names, {}), PLANS):
        configuration = space.nearest({**defaults, **plan}, plan)
        if configuration is not None:
            found.setdefault(configuration.fingerprint, configuration)
    configurations = list(found.values())
    costs = _estimates(problem, configurations)
    return [configurations[index] for index in np.argsort(costs, kind="stable")]


def _plans(space: SearchSpace, names: Sequence[str], plan: Plan) -> Iterator[Plan]:
    """Every combination that leaves a valid configuration."""
    if len(plan) == len(names):
        yield plan
        return
    name = names[len(plan)]
    for value in space.refinements(plan, name):
        yield from _plans(space, names, {**plan, name: value})


def _estimates(problem: Problem, configurations: Sequence[Configuration]) -> list[float]:
    """What each is expected to cost, smaller is better; infinite where it does not fit in memory."""
    objective, workload, hardware = problem.objectives[0], problem.workload, problem.hardware
    simulator = simulator_for(workload, hardware, tuple(problem.space.by_name))
    if simulator is not None and workload is not None and hardware is not None and configurations:
        prediction = simulator.predict(configurations, workload, hardware)
        if objective.metric in prediction.metrics:
            sign = 1.0 if objective.goal is Goal.MINIMIZE else -1.0
            mean = sign * prediction.column(objective.metric)[0]
            return [
                float(cost) if chance >= 0.5 else math.inf
                for cost, chance in zip(mean, prediction.feasible, strict=True)
            ]
    return [_formula(configuration) for configuration in configurations]


def _formula(configuration: Configuration) -> float:
    """Relative time of an iteration on a fixed number of GPUs: the bubble, and a share for each collective."""
    degrees = {canonical(name): value for name, value in configuration.items()}

    def degree(name: str) -> float:
        value = degrees.get(name, 1)
        return max(1.0, float(value)) if isinstance(value, int | float) else 1.0

    microbatches = max(1.0, 32 / (degree("dp") * degree("mbs")))
    bubble = 1 + (degree("pp") - 1) / microbatches
    collectives = 1 + 0.10 * math.log2(degree("tp")) + 0.05 * math.log2(degree("cp")) + 0.02 * math.log2(degree("dp"))
    return bubble * collectives


def _under_best(problem: Problem, history: Ledger, names: Sequence[str], rng: np.random.Generator) -> list[Proposal]:
    """Configurations with the plan of the best profile so far, its other knobs drawn at random."""
    observed = samples(problem, history)
    if not observed:
        return []
    best = min(observed, key=lambda sample: sample.rank)
    plan = {name: value for name, value in best.configuration.items() if name in names}
    drawn = [problem.space.sample(rng, plan) for _ in range(DRAWS)]
    return [Proposal(configuration, "metis-random") for configuration in drawn]
