"""What is compared: each suite is a set of variants that run on every landscape, or on those that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Any

ONE_PERCENT = 1.01


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
        until: see `Setup.until`. Nothing that is reported lies beyond 1 %; under noise an incumbent can get worse.
        most: profiles of a run, where fewer say enough; None: as many as the command gives.
        only: patterns of the landscapes that it is about; empty: all but those of `SPACES`.
        note: what a reader has to know.
    """

    title: str
    variants: tuple[Variant, ...]
    figure: str = ""
    noise: float = 0.0
    until: float | None = ONE_PERCENT
    most: int | None = None
    only: tuple[str, ...] = ()
    note: str = ""

    def budget(self, given: int) -> int:
        """Profiles of a run, where the command gives so many."""
        return given if self.most is None else min(given, self.most)

    def covers(self, landscape: str) -> bool:
        """Whether the suite runs on this landscape."""
        if self.only:
            return any(fnmatch(landscape, pattern) for pattern in self.only)
        return not any(fnmatch(landscape, pattern) for pattern in SPACES)


SPACES = ("*-3dp", "*-5dp", "*-table1")
"""Subsets and supersets of another landscape: only the suite about the size of spaces runs on them."""


def _plain(*names: str) -> tuple[Variant, ...]:
    return tuple(Variant(name, name) for name in names)


def _autoscout(variants: Mapping[str, Mapping[str, Any]], **common: object) -> tuple[Variant, ...]:
    return tuple(Variant(name, "autoscout", {**given, **common}) for name, given in variants.items())


def _searched(variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """The same in spaces that are searched, not scored as a whole."""
    return tuple(replace(each, settings={**each.settings, "exhaustive": 0}) for each in variants)


RIVALS = ("coordinate", "cherrypick", "tpe", "smac", "udo", "metis", "random")
ALL_PARTS: Mapping[str, Any] = {}
PARTS: Mapping[str, Mapping[str, Any]] = {
    "all parts": ALL_PARTS,
    "sparse only": {"dense": False},
    "dense only": {"sparse": False},
    "no orchestrator": {"orchestrator": False},
    "no tournament": {"tournament.k": 1},
    "no simulators": {"simulators": False},
    "no fidelity switch": {"fidelity": False},
    "no regressions": {"regressions": False},
}
NO_SIMULATORS = Variant("autoscout without simulators", "autoscout", {"simulators": False})

SUITES: Mapping[str, Suite] = {
    "rivals": Suite("AutoScout and its rivals", _plain("autoscout", *RIVALS), "Figures 4 to 7"),
    "profiles-only": Suite(
        "AutoScout without simulators",
        (NO_SIMULATORS, *_plain(*(name for name in RIVALS if name != "metis"))),
        note="Nobody sees a simulator; metis, whose plans come from one, is left out.",
    ),
    "noise": Suite(
        "Measurements off by 5 %",
        _plain("autoscout", "coordinate", "cherrypick", "random"),
        noise=0.05,
        until=None,
        most=100,
        note="Every reported metric is off by a log-normal factor; what counts is the true value of the incumbent.",
    ),
    "ablations": Suite(
        "What each part brings",
        _searched(_autoscout(PARTS)),
        "Figure 8",
        note="All with `exhaustive: 0`: where a space is scored as a whole, tree, coordinate search, orchestrator and "
        "tournament are idle.",
    ),
    "ablations-scored": Suite(
        "What each part brings where the space is scored as a whole",
        _autoscout(
            {name: PARTS[name] for name in ("all parts", "no simulators", "no fidelity switch", "no regressions")}
            | {"no simulators, no steps": {"simulators": False, "steps": 0}}
        ),
        "Figure 8",
        note="As AutoScout runs by default on spaces of these sizes.",
    ),
    "tournament": Suite(
        "Feature orders in the tournament",
        _autoscout({f"K = {k}": {"tournament.k": k} for k in (1, 5, 10, 20, 40)}, exhaustive=0),
        "Figure 9",
        note="With `exhaustive: 0`.",
    ),
    "spaces": Suite(
        "Spaces of different sizes",
        (
            *_plain("autoscout"),
            Variant("autoscout, searched", "autoscout", {"exhaustive": 0}),
            *_plain("coordinate", "cherrypick", "udo"),
        ),
        "Figure 10",
        only=("testbed-qwen3moe-*",),
        note="3dp: degrees of tensor, pipeline and data parallelism and the micro-batch; 5dp: also context, expert and "
        "sequence parallelism; full: also recomputation, sharding, gradients and communication SMs; table1: every "
        "value of the paper's Table 1. Each space has an optimum of its own.",
    ),
    "simulator-noise": Suite(
        "Simulators off by 0, 40 and 80 %",
        (
            *_autoscout({f"{percent} %": {"simulatorNoise": percent / 100} for percent in (0, 40, 80)}),
            NO_SIMULATORS,
            *_plain("coordinate", "cherrypick", "tpe", "smac"),
        ),
        "Figure 11",
        note="The rivals see no simulator: noise on it changes nothing for them.",
    ),
}
