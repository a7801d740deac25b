"""The seam between the search and whatever predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from autoscout.simulators.workload import Hardware, Workload
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What is expected of N configurations, for M metrics.

    Attributes:
        metrics: names of the metrics, unit included (`seconds_per_iteration`); M of them.
        mean: [N, M], in the metric's unit. A configuration that is not feasible has a mean too: what it
            would reach if memory were no limit.
        std: [N, M], standard deviation in the same unit. Errors are log-normal: `interval` gives bounds.
        feasible: [N], probability in [0, 1] that the configuration runs, that is, that its memory fits; exactly 0
            where it can't run whatever the memory, because the model can't be split like that.
        peak_memory_gib: [N], on the fullest GPU, GiB; nan where it is unknown.
    """

    metrics: tuple[str, ...]
    mean: Floats
    std: Floats
    feasible: Floats
    peak_memory_gib: Floats

    @property
    def out_of_memory(self) -> npt.NDArray[np.bool_]:
        """[N], whether memory probably does not suffice; what can't run whatever the memory is not called so."""
        return (self.feasible < 0.5) & (self.feasible > 0)

    def column(self, metric: str) -> tuple[Floats, Floats]:
        """Mean and standard deviation of one metric, [N] each.

        Raises:
            KeyError: the metric is not predicted.
        """
        if metric not in self.metrics:
            raise KeyError(metric)
        position = self.metrics.index(metric)
        return self.mean[:, position], self.std[:, position]

    def interval(self, metric: str, quantile: float = 1.6449) -> tuple[Floats, Floats]:
        """Bounds between which 90 % of the measurements fall, if the error is log-normal as modelled.

        Args:
            metric: one of `metrics`.
            quantile: of the standard normal distribution; 1.6449 leaves 5 % on either side.

        Raises:
            KeyError: the metric is not predicted.
        """
        mean, std = self.column(metric)
        width = np.exp(quantile * np.sqrt(np.log1p((std / np.maximum(mean, 1e-300)) ** 2)))
        return mean / width, mean * width


class Simulator(Protocol):
    """Predicts without measuring. Pure: the same arguments give the same prediction."""

    def predict(
        self, configurations: Sequence[Mapping[str, Value]], workload: Workload, hardware: Hardware
    ) -> Prediction:
        """What these configurations would reach.

        Args:
            configurations: values of the active parameters by name. Unknown names change no mean; they widen
                the standard deviation.
            workload: what runs.
            hardware: where it runs.
        """
        ...
