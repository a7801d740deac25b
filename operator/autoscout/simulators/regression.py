"""The paper's four simulators (App. B, Table 2): linear regressions on subsets of the knobs, fitted to profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.hardware import find
from autoscout.simulators.knobs import Columns
from autoscout.simulators.workload import Hardware
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]

KNOBS: Mapping[str, tuple[str, ...]] = {
    "3D-Parallelism": ("a100", "a40", "mbs", "tp", "pp", "dp"),
    "5D-Parallelism": ("a100", "a40", "mbs", "tp", "pp", "dp", "ep", "cp", "sp"),
    "DDP-Aware": ("a100", "a40", "mbs", "tp", "pp", "dp", "ddp_optim"),
    "Communication-Aware": ("a100", "a40", "mbs", "tp", "pp", "dp", "ar", "tp_comm"),
}
"""Table 2. `a100` and `a40` are GPUs allocated of each kind; `ddp_optim` is the distributed optimizer."""

_FLAGS = {"sp": "sp", "ddp_optim": "zero1", "ar": "ar"}
_RIDGE = 1e-6
"""Share of the features' variance: keeps a knob that never changed, or changed with another, at no effect."""


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted linear model of a metric.

    Attributes:
        name: as in Table 2.
        intercept: at the mean of every knob.
        slopes: of the standardised knobs, [K].
        centre, scale: that standardise them, [K] each.
        r_squared: on held-out data: each measurement predicted by the model without it. Below 0: worse than the mean.
        left_out: measured minus predicted by the model without it, in the metric's unit, [n].
    """

    name: str
    intercept: float
    slopes: Floats
    centre: Floats
    scale: Floats
    r_squared: float
    left_out: Floats

    def predict(self, knobs: Floats) -> Floats:
        """The metric, [N], given the knobs of this model, [N, K]."""
        values: Floats = self.intercept + (knobs - self.centre) / self.scale @ self.slopes
        return values


def features(name: str, configurations: Sequence[Mapping[str, Value]], hardware: Hardware) -> Floats:
    """The knobs of one of Table 2's simulators, [N, K]; a degree that is absent is 1, any other knob 0.

    Raises:
        KeyError: Table 2 has no such simulator.
    """
    columns = Columns(configurations)
    counts = dict.fromkeys(("a100", "a40"), 0.0)
    for pool in hardware.pools[:1]:
        gpu = find(pool.gpu)
        family = gpu.name.split("-")[0] if gpu else ""
        if family in counts:
            counts[family] = float(pool.gpus)
    found = []
    for knob in KNOBS[name]:
        if knob in counts:
            # A space may let the allocation be chosen; else it is the pool's.
            own = [each.get(knob) for each in configurations]
            default = counts[knob]
            found.append(np.array([float(v) if isinstance(v, (int, float)) else default for v in own], float))
        elif knob in _FLAGS:
            found.append(columns.flag(_FLAGS[knob], False).astype(float))
        else:
            found.append(columns.number(knob, 0.0 if knob == "tp_comm" else 1.0))
    return np.stack(found, axis=1) if found else np.zeros((columns.count, 0))


def fit(name: str, knobs: Floats, values: Floats) -> Regression:
    """Least squares, with R^2 by leaving one out (its closed form needs no second fit).

    Args:
        name: of the simulator.
        knobs: [n, K], see `features`.
        values: measured, [n]; at least 2.

    Raises:
        ValueError: there are fewer than 2 measurements.
    """
    count = len(values)
    if count < 2:
        raise ValueError(f"{count} measurements; a regression needs at least 2")
    centre = knobs.mean(axis=0)
    scale = knobs.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = (knobs - centre) / scale
    gram = design.T @ design + _RIDGE * count * np.eye(design.shape[1])
    projection = np.linalg.solve(gram, design.T)
    mean = float(values.mean())
    slopes = projection @ (values - mean)
    leverage = np.einsum("nk,kn->n", design, projection) + 1 / count
    errors = (values - mean - design @ slopes) / np.maximum(1 - leverage, 1e-6)
    # What the mean of the others would have been off by is the base of R^2 on held-out data.
    base = (values - mean) * count / (count - 1)
    total = float(base @ base)
    explained = 1 - float(errors @ errors) / total if total > 0 else 0.0
    return Regression(name, mean, slopes, centre, scale, explained, errors)
