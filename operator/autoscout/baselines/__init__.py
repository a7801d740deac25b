"""Optimizers to compare with, by the name that `spec.search.algorithm` gives."""

from __future__ import annotations

from collections.abc import Mapping

from autoscout.baselines.cherrypick import CherryPick
from autoscout.baselines.coordinate import CoordinateSearch
from autoscout.baselines.metis import Metis
from autoscout.baselines.random_search import RandomSearch
from autoscout.baselines.smac import Smac
from autoscout.baselines.tpe import Tpe
from autoscout.baselines.udo import Udo
from autoscout.search.autoscout import AutoScout
from autoscout.search.optimizer import Optimizer

ALGORITHMS: Mapping[str, Optimizer] = {
    "autoscout": AutoScout(),
    "cherrypick": CherryPick(),
    "coordinate": CoordinateSearch(),
    "udo": Udo(),
    "metis": Metis(),
    "smac": Smac(),
    "tpe": Tpe(),
    "random": RandomSearch(),
}

NEEDS: Mapping[str, tuple[str, ...]] = {"smac": ("smac", "ConfigSpace"), "tpe": ("optuna",)}
"""Packages of the extra `rivals`, by the algorithm that needs them."""


def algorithm(name: str) -> Optimizer:
    """The optimizer of that name.

    Raises:
        KeyError: there is none; the message lists those that there are.
    """
    try:
        return ALGORITHMS[name]
    except KeyError:
        raise KeyError(f"search.algorithm {name!r} is not known; there are: {', '.join(ALGORITHMS)}") from None
