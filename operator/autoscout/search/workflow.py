"""Algorithm 1 of the paper, on the surrogate: sparse and dense proposals, 2x2 grids, the bandit between them.

Evaluations here cost nothing but time. What they leave behind are candidates for a real profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoscout.search.dense import DenseOptimizer
from autoscout.search.gaussian import Floats
from autoscout.search.orchestrator import Arm, Bandit, Grid
from autoscout.search.settings import Settings
from autoscout.search.sparse import Structure, Tree, structure_of
from autoscout.search.synthesizer import assemble
from autoscout.search.tournament import Tournament
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

Evaluate = Callable[[Sequence[Configuration]], Floats]
"""Rewards in [0, 1], the more the better."""


@dataclass
class Campaign:
    """What a run of the workflow learned.

    Attributes:
        found: every configuration that was evaluated, with its reward and the arm that led to it.
    """

    bandit: Bandit
    tournament: Tournament
    found: dict[Configuration, tuple[float, Arm]] = field(default_factory=dict)


def run(
    space: SearchSpace,
    settings: Settings,
    campaign: Campaign,
    start: Mapping[str, Value],
    evaluate: Evaluate,
    iterations: int,
    rng: np.random.Generator,
) -> None:
    """Go on with a campaign for some iterations.

    Args:
        start: the configuration that both baselines start from.
        evaluate: rewards of whole configurations.
    """
    dense = DenseOptimizer(space, settings.momentum, start)
    structure = structure_of(space, dict(start))
    assembled: dict[tuple[tuple[str, Value], ...], Configuration] = {}

    def whole(chosen: Structure, state: Mapping[str, Value]) -> Configuration:
        key = (*chosen.items(), *state.items())
        if key not in assembled:
            assembled[key] = assemble(dense, chosen, state)
        return assembled[key]

    candidate: Structure | None = None
    moved: dict[str, Value] | None = None
    for turn in range(iterations):
        arm = _arm(campaign.bandit, settings, turn)
        if candidate is None or arm is Arm.SPARSE:
            candidate = _structure(space, campaign.tournament.proposing.tree, settings, rng)
        if moved is None or arm is Arm.DENSE:
            moved = dense.propose(structure, rng) if settings.dense else _dense(space, structure, dense, rng)
        credited = settings.sparse and arm is Arm.SPARSE
        batch = [whole(chosen, state) for chosen in (structure, candidate) for state in (dense.position, moved)]
        rewards = [float(reward) for reward in evaluate(batch)]
        grid = Grid(*rewards)
        for configuration, reward in zip(batch, rewards, strict=True):
            campaign.found.setdefault(configuration, (reward, arm))
        campaign.bandit.update(arm, grid)
        if credited:
            campaign.tournament.credit(structure_of(space, dict(batch[2])), max(rewards[2:]))
        if arm is Arm.DENSE:
            dense.judge(moved, improved=grid.base_cand > grid.base_base)
            moved = None
        best = int(np.argmax(rewards))
        if rewards[best] > rewards[0]:
            structure = structure_of(space, dict(batch[best]))
            dense.position = {name: batch[best].get(name, value) for name, value in dense.position.items()}
            candidate = None if best > 1 else candidate


def _arm(bandit: Bandit, settings: Settings, turn: int) -> Arm:
    return bandit.choose() if settings.orchestrator else tuple(Arm)[turn % 2]


def _structure(space: SearchSpace, tree: Tree, settings: Settings, rng: np.random.Generator) -> Structure:
    if settings.sparse:
        return tree.select(rng)
    return structure_of(space, dict(space.sample(rng)))


def _dense(
    space: SearchSpace, structure: Structure, dense: DenseOptimizer, rng: np.random.Generator
) -> dict[str, Value]:
    """A dense state drawn uniformly among those that are feasible with a structure."""
    drawn = space.sample(rng, structure)
    return {name: drawn.get(name, value) for name, value in dense.position.items()}


def neighbours(space: SearchSpace, configuration: Configuration) -> list[Configuration]:
    """What is reached by setting one parameter, the others following where they have to.

    On a grid of numbers by 1, 2, 4, ... steps either way.
    """
    found: dict[Configuration, None] = {}
    for parameter in space.parameters:
        if parameter.name not in configuration:
            continue
        here = parameter.index(configuration[parameter.name])
        for value in space.refinements({}, parameter.name):
            steps = abs(parameter.index(value) - here)
            if not steps or (not isinstance(value, bool | str) and steps & (steps - 1)):
                continue
            near = space.nearest(configuration, given={parameter.name: value})
            if near is not None:
                found[near] = None
    found.pop(configuration, None)
    return list(found)
