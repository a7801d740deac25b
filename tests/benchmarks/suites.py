"""What is compared: each suite is a set of variants that run on every landscape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Variant:
    """An algorithm with settings, under the name that tables and plots show."""

    name: str
    algorithm: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """Variants side by side.

    Attributes:
        figure: the figure of the paper that it corresponds to; empty: none.
        noise: see `Landscape.outcome`.
    """

    title: str
    variants: tuple[Variant, ...]
    figure: str = ""
    noise: float = 0.0


def _plain(*names: str) -> tuple[Variant, ...]:
    return tuple(Variant(name, name) for name in names)


def _autoscout(**settings: Mapping[str, Any]) -> tuple[Variant, ...]:
    return tuple(Variant(name.replace("_", " "), "autoscout", given) for name, given in settings.items())


RIVALS = ("autoscout", "coordinate", "cherrypick", "tpe", "udo", "metis", "random")

SUITES: Mapping[str, Suite] = {
    "rivals": Suite("AutoScout and its rivals", _plain(*RIVALS), "Figures 4 to 7"),
    "profiles-only": Suite(
        "AutoScout without simulators",
        (
            Variant("autoscout without simulators", "autoscout", {"simulators": False}),
            *_plain("coordinate", "cherrypick"),
        ),
    ),
    "noise": Suite("Measurements off by 5 %", _plain("autoscout", "coordinate", "cherrypick"), noise=0.05),
    "ablations": Suite(
        "What each part brings",
        _autoscout(
            all_parts={},
            no_dense={"dense": False},
            no_sparse={"sparse": False},
            no_orchestrator={"orchestrator": False},
            no_tournament={"tournament.k": 1},
            no_simulators={"simulators": False},
        ),
        "Figure 8",
    ),
    "tournament": Suite(
        "Feature orders in the tournament",
        _autoscout(**{f"k_=_{k}": {"tournament.k": k} for k in (1, 5, 10, 20, 40)}),
        "Figure 9",
    ),
    "simulator-noise": Suite(
        "Simulators off by 0, 40 and 80 %",
        _autoscout(**{f"{percent} %": {"simulatorNoise": percent / 100} for percent in (0, 40, 80)}),
        "Figure 11",
    ),
}
