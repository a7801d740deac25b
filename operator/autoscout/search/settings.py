"""`search.settings` of the algorithm `autoscout`: every part of the method can be switched off or tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from autoscout.simulators.registry import AICONFIGURATOR, DATASHEET


class SettingsError(ValueError):
    """A setting is not known or out of its range.

    Attributes:
        field: `search.settings.<name>`.
        problem: what is wrong and the way out.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"search.settings.{name}: {problem}")
        self.field = f"search.settings.{name}"
        self.problem = problem


@dataclass(frozen=True)
class Settings:
    """The parts and their constants. Names in a TuningJob are those of `NAMES`.

    Attributes:
        sparse: tree search over the structure (3.2); off: structures are drawn uniformly.
        dense: coordinate search over the execution parameters (3.2); off: they are drawn uniformly.
        orchestrator: the bandit decides which of both moves (3.3); off: they take turns.
        simulators: predictions that need no profile (3.3); off: only what was measured counts.
        regressions: the paper's own simulators, fitted to the profiles as they arrive (App. B); off with `simulators`.
        kernels: where the simulators' time of a kernel comes from: `datasheet`, or `aiconfigurator` (serving).
        fidelity: the switch to real profiling when simulators are wrong (3.3); off: they are always believed.
        exhaustive: score every configuration of a space of up to so many; 0: always the tree and coordinate search.
        tournament_k: feature orders that compete (3.2); 1: no tournament.
        iterations: 2x2 grids that are evaluated on the surrogate for one real profile.
        exploration: C0 of Eq. 1, also the constant of UCT.
        decay: gamma of Eq. 1.
        momentum: what a coordinate keeps of its velocity from one success to the next.
        tau: real profiles between two validations of the simulators.
        epsilon: the MAPE above which the simulators are no longer believed.
        top_k: configurations that the simulators liked best, profiled first after the switch.
        simulator_noise: relative noise added to what simulators predict, for tests of robustness.
        doubt: every so many proposals one goes by an optimistic bound instead of expected improvement; 0: none.
        steps: by how much, as a logarithm of the expected improvement, one step from the incumbent is preferred while
            no simulator has a say; 0: not at all.
        patience: end after so many profiles without an improvement of `convergence`; 0: the budget alone ends it.
        convergence: relative improvement that counts.
    """

    sparse: bool = True
    dense: bool = True
    orchestrator: bool = True
    simulators: bool = True
    regressions: bool = True
    kernels: str = DATASHEET
    fidelity: bool = True
    exhaustive: int = 50_000
    tournament_k: int = 5
    iterations: int = 8
    exploration: float = 0.7
    decay: float = 0.98
    momentum: float = 0.5
    tau: int = 5
    epsilon: float = 0.4
    top_k: int = 2
    simulator_noise: float = 0.0
    doubt: int = 4
    steps: float = 5.0
    patience: int = 0
    convergence: float = 0.01


NAMES: Mapping[str, str] = {
    "sparse": "sparse",
    "dense": "dense",
    "orchestrator": "orchestrator",
    "simulators": "simulators",
    "regressions": "regressions",
    "kernels": "kernels",
    "fidelity": "fidelity",
    "exhaustive": "exhaustive",
    "tournament.k": "tournament_k",
    "iterations": "iterations",
    "exploration": "exploration",
    "decay": "decay",
    "momentum": "momentum",
    "tau": "tau",
    "epsilon": "epsilon",
    "topK": "top_k",
    "simulatorNoise": "simulator_noise",
    "doubt": "doubt",
    "steps": "steps",
    "patience": "patience",
    "convergence": "convergence",
}
"""Name in a TuningJob to attribute; a dot may be written as nesting."""

_BOUNDS: Mapping[str, tuple[float, float]] = {
    "exhaustive": (0, 100_000),
    "tournament_k": (1, 40),
    "iterations": (0, 10_000),
    "exploration": (0, 100),
    "decay": (0.01, 1),
    "momentum": (0, 1),
    "tau": (1, 10_000),
    "epsilon": (0, 1e6),
    "top_k": (0, 1000),
    "simulator_noise": (0, 10),
    "doubt": (0, 10_000),
    "steps": (0, 100),
    "patience": (0, 100_000),
    "convergence": (0, 1),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {"kernels": (DATASHEET, AICONFIGURATOR)}
_SWITCHES: Mapping[object, bool] = {"on": True, "off": False, "true": True, "false": False}


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings of a job.

    Args:
        settings: by name; switches as booleans or `on` and `off`, numbers as such or as text.

    Raises:
        SettingsError: a name that is not known, or a value that does not fit.
    """
    defaults = Settings()
    kinds = {field.name: type(getattr(defaults, field.name)) for field in fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in _flat(settings, ""):
        if name not in NAMES:
            close = get_close_matches(name, NAMES, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(NAMES)}"
            raise SettingsError(name, f"is not known; {hint}")
        attribute = NAMES[name]
        if attribute in _CHOICES:
            values[attribute] = _choice(name, attribute, value)
            continue
        values[attribute] = _switch(name, value) if kinds[attribute] is bool else _number(name, attribute, value)
        if kinds[attribute] is int:
            values[attribute] = int(values[attribute])
    return Settings(**values)


def _flat(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _switch(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    found = _SWITCHES.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise SettingsError(name, f"is {value!r}; write on or off")
    return found


def _choice(name: str, attribute: str, value: object) -> str:
    if value not in _CHOICES[attribute]:
        raise SettingsError(name, f"is {value!r}; there are {', '.join(_CHOICES[attribute])}")
    return str(value)


def _number(name: str, attribute: str, value: object) -> float:
    low, high = _BOUNDS[attribute]
    if isinstance(value, bool):
        # `exhaustive: off` reads naturally for a limit of 0.
        value = getattr(Settings(), attribute) if value else low
    elif isinstance(value, str) and value.lower() in _SWITCHES:
        value = getattr(Settings(), attribute) if _SWITCHES[value.lower()] else low
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SettingsError(name, f"is {value!r}; give a number from {low:g} to {high:g}") from None
    if not low <= number <= high:
        raise SettingsError(name, f"is {number:g}; it must lie between {low:g} and {high:g}")
    return number
