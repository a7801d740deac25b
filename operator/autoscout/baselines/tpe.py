"""TPE, as Optuna has it (the extra `rivals`).

Bergstra, Bardenet, Bengio, Kegl, "Algorithms for Hyper-Parameter Optimization", NIPS 2011; Akiba et al., "Optuna: A
Next-generation Hyperparameter Optimization Framework", KDD 2019. Defined by run: only active parameters are
asked for. Numbers are places on their grids, texts are categories. Coupled constraints have no place in Optuna's
distributions: what it asks for is repaired to the nearest valid configuration, and it is told the repaired one.
Infeasible profiles count as pruned, which Optuna ranks below every completed one.

Optuna keeps its state to itself, so the study is built anew from the history for each proposal.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from autoscout.baselines.moves import pending_too, repaired, topped_up
from autoscout.baselines.samples import logarithmic, samples
from autoscout.search.ledger import Ledger
from autoscout.search.optimizer import Proposal
from autoscout.search.problem import Problem
from autoscout.space.checks import activation_order
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Parameter
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

ASKED = 16
"""Times it is asked for one proposal: what it asks for may be known already, or be repaired to what is."""


class Tpe:
    """Optuna's sampler with its defaults, multivariate (grouped by condition). No settings."""

    def suggest(self, problem: Problem, history: Ledger, rng: np.random.Generator, count: int) -> Sequence[Proposal]:
        """See `Optimizer.suggest`.

        Raises:
            ModuleNotFoundError: Optuna is not installed.
        """
        proposals: list[Proposal] = []
        for _ in range(count):
            known = pending_too(history, proposals)
            proposals += topped_up(problem, known, rng, 1, _asked(problem, known, rng), "tpe")
        return proposals


def _asked(problem: Problem, history: Ledger, rng: np.random.Generator) -> list[Proposal]:
    study = _study(problem, history, int(rng.integers(2**31)))
    for _ in range(ASKED):
        trial = study.ask()
        configuration = repaired(problem.space, _chosen(problem.space, trial))
        if configuration.fingerprint not in history.fingerprints:
            return [Proposal(configuration, "tpe")]
        study.tell(trial, state=_optuna().trial.TrialState.FAIL)  # it learns nothing from it
    return []


def _study(problem: Problem, history: Ledger, seed: int) -> Any:
    """A study that knows the whole history."""
    optuna = _optuna()
    states = optuna.trial.TrialState
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    observed = samples(problem, history)
    costs = iter(logarithmic([sample.cost for sample in observed if sample.cost is not None]))
    for sample in observed:
        if sample.cost is None:
            # Ranked by how much it breaks the constraints; a crash has no value at all.
            reported = {} if math.isinf(sample.violation) else {0: sample.violation}
            trial = _trial(problem.space, sample.configuration, states.PRUNED, intermediate_values=reported)
        else:
            trial = _trial(problem.space, sample.configuration, states.COMPLETE, value=next(costs))
        study.add_trial(trial)
    for entry in history.pending:
        study.add_trial(_trial(problem.space, entry.trial.configuration, states.RUNNING))
    return study


def _trial(space: SearchSpace, configuration: Configuration, state: Any, **told: Any) -> Any:
    names = list(configuration)
    return _optuna().trial.create_trial(
        state=state,
        params={name: _place(space.by_name[name], configuration[name]) for name in names},
        distributions={name: _distribution(space.by_name[name]) for name in names},
        **told,
    )


def _chosen(space: SearchSpace, trial: Any) -> dict[str, Value]:
    """What it asks for, in an order in which the conditions can be decided."""
    chosen: dict[str, Value] = {parameter.name: parameter.default for parameter in space.parameters}
    for name in activation_order(space.parameters):
        parameter = space.by_name[name]
        if parameter.active_when is None or parameter.active_when.evaluate(chosen):
            if isinstance(parameter.default, str):
                chosen[name] = trial.suggest_categorical(name, parameter.values)
            else:
                chosen[name] = parameter.values[trial.suggest_int(name, 0, len(parameter.values) - 1)]
    return chosen


def _distribution(parameter: Parameter) -> Any:
    distributions = _optuna().distributions
    if isinstance(parameter.default, str):
        return distributions.CategoricalDistribution(parameter.values)
    return distributions.IntDistribution(0, len(parameter.values) - 1)


def _place(parameter: Parameter, value: Value) -> Value:
    return value if isinstance(parameter.default, str) else parameter.index(value)


@cache
def _optuna() -> Any:
    """The package, imported when it is first needed: it takes a second."""
    try:
        import optuna  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "search.algorithm tpe needs the package optuna: pip install 'autoscout[rivals]'", name=error.name
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
