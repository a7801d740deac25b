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
from functools import lru_cache
from itertools import islice

import numpy as np

from autoscout.baselines.moves import topped_up
from autoscout.baselines.samples import samples
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal, generator
from autoscout.search.problem import Goal, Objective, Problem
from autoscout.simulators.knobs import canonical
from autoscout.simulators.registry import simulator_for
from autoscout.simulators.workload import Hardware, Workload
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

PLAN = ("tp", "pp", "dp", "cp", "ep", "mbs")
"""What a plan decides, by the names that the simulators' vocabulary gives."""
PLANS = 1024
"""Plans that are looked at; of more than these, so many are drawn."""
DRAWS = 16
"""Configurations drawn under the best plan for one proposal."""

Plan = dict[str, Value]


class Metis:
    """No settings."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`."""
        ranked = [Proposal(each, "metis") for each in _ranked_for(problem)]
        fresh = [each for each in ranked if each.configuration.fingerprint not in history.fingerprints][:count]
        rest = _under_best(problem, history, rng) if len(fresh) < count else []
        return topped_up(problem, history, rng, count, [*fresh, *rest], "metis-random")

    def simulated(self, problem: Problem, history: Ledger) -> int:
        """Plans that the simulators evaluated, each counted once."""
        known = simulator_for(problem.workload, problem.hardware, tuple(problem.space.by_name)) is not None
        asked = any(entry.trial.number > 0 for entry in history.entries)
        return len(_ranked_for(problem)) if known and asked else 0


def _names(space: SearchSpace) -> list[str]:
    """The parameters that a plan decides."""
    return [name for name in space.by_name if canonical(name) in PLAN]


def _ranked_for(problem: Problem) -> tuple[Configuration, ...]:
    return _ranked(problem.space, problem.objectives[0], problem.workload, problem.hardware)


@lru_cache(maxsize=8)
def _ranked(
    space: SearchSpace, objective: Objective, workload: Workload | None, hardware: Hardware | None
) -> tuple[Configuration, ...]:
    """Every plan with the other knobs at their defaults, the cheapest first; those that do not fit come last."""
    defaults = {parameter.name: parameter.default for parameter in space.parameters}
    names = _names(space)
    plans = list(islice(_plans(space, names, {}), PLANS + 1))
    if len(plans) > PLANS:
        # The first ones would all be alike. The draw is the same for every job: what is ranked is no matter of luck.
        rng = generator(0, 0)
        drawn = (space.full_values(space.sample(rng)) for _ in range(PLANS))
        plans = [{name: values[name] for name in names} for values in drawn]
    found: dict[str, Configuration] = {}
    for plan in plans:
        configuration = space.nearest({**defaults, **plan}, plan)
        if configuration is not None:
            found.setdefault(configuration.fingerprint, configuration)
    configurations = list(found.values())
    costs = _estimates(space, objective, workload, hardware, configurations)
    return tuple(configurations[index] for index in np.argsort(costs, kind="stable"))


def _plans(space: SearchSpace, names: Sequence[str], plan: Plan) -> Iterator[Plan]:
    """Every combination that leaves a valid configuration."""
    if len(plan) == len(names):
        yield plan
        return
    name = names[len(plan)]
    for value in space.refinements(plan, name):
        yield from _plans(space, names, {**plan, name: value})


def _estimates(
    space: SearchSpace,
    objective: Objective,
    workload: Workload | None,
    hardware: Hardware | None,
    configurations: Sequence[Configuration],
) -> list[float]:
    """What each is expected to cost, smaller is better; infinite where it does not fit in memory."""
    simulator = simulator_for(workload, hardware, tuple(space.by_name))
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


def _under_best(problem: Problem, history: Ledger, rng: np.random.Generator) -> list[Proposal]:
    """Configurations with the plan of the best profile so far, its other knobs drawn at random."""
    observed = samples(problem, history)
    if not observed:
        return []
    best = min(observed, key=lambda sample: sample.rank)
    plan = {name: value for name, value in best.configuration.items() if name in _names(problem.space)}
    drawn = [problem.space.sample(rng, plan) for _ in range(DRAWS)]
    return [Proposal(configuration, "metis-random") for configuration in drawn]
