"""How good predictions are of configurations whose profiles are known, and what becomes of them after some profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from autoscout.simulators.calibration import calibrated
from autoscout.simulators.protocol import Prediction, Simulator
from autoscout.simulators.workload import Hardware, Workload
from autoscout.space.values import Value


@dataclass(frozen=True)
class Known:
    """A configuration and what a profile of it reported.

    Attributes:
        metrics: in the metric's unit; None: it did not run.
        out_of_memory: whether that is why.
    """

    configuration: Mapping[str, Value]
    metrics: Mapping[str, float] | None
    out_of_memory: bool = False


@dataclass(frozen=True)
class MetricAccuracy:
    """How good the predictions of one metric are.

    Attributes:
        rows: that report it; at least one.
        rank_correlation: Spearman's, in [-1, 1]; None where all predictions or all measurements are alike.
        mape: mean absolute error over the measurement.
        within90: share of the rows that lie in the 90 % interval.
        width90: factor by which that interval reaches beyond the prediction on either side; median of the rows.
    """

    rows: int
    rank_correlation: float | None
    mape: float
    within90: float
    width90: float


@dataclass(frozen=True)
class Accuracy:
    """How good predictions are.

    Attributes:
        metrics: those that are predicted and that a row reports.
        out_of_memory: rows that ran out of memory.
        precision: share of the rows called out of memory that were; None where none was called so.
        recall: share of the rows out of memory that were called so; None where there is none.
    """

    metrics: Mapping[str, MetricAccuracy]
    out_of_memory: int
    precision: float | None
    recall: float | None


def drawn(total: int, count: int, seed: int) -> tuple[list[int], list[int]]:
    """Positions of `count` rows of `total`, at random, and those of all others, in random order too."""
    order = [int(position) for position in np.random.default_rng(seed).permutation(total)]
    return order[:count], order[count:]


def corrected(
    simulator: Simulator, profiled: Sequence[Known], workload: Workload, hardware: Hardware
) -> Callable[[Sequence[Mapping[str, Value]]], Prediction]:
    """The simulator after these profiles; without any it is the simulator itself.

    What failed for another reason than memory says nothing of either.
    """
    observed = [(row.configuration, row.metrics) for row in profiled if row.metrics is not None or row.out_of_memory]
    if not observed:
        return lambda configurations: simulator.predict(configurations, workload, hardware)
    return calibrated(simulator, observed, workload, hardware)


def accuracy(prediction: Prediction, rows: Sequence[Known]) -> Accuracy:
    """Compare what is predicted of rows with what is known of them.

    Args:
        prediction: of the rows' configurations, in their order.
    """
    failed = np.array([row.out_of_memory for row in rows], bool)
    called = prediction.out_of_memory
    both = int((failed & called).sum())
    return Accuracy(
        {metric: found for metric in prediction.metrics if (found := _of_metric(prediction, metric, rows)) is not None},
        int(failed.sum()),
        both / int(called.sum()) if called.any() else None,
        both / int(failed.sum()) if failed.any() else None,
    )


def _of_metric(prediction: Prediction, metric: str, rows: Sequence[Known]) -> MetricAccuracy | None:
    measured = np.array([(row.metrics or {}).get(metric, np.nan) for row in rows], float)
    reported = np.flatnonzero(np.isfinite(measured) & (measured > 0))
    if not reported.size:
        return None
    measured = measured[reported]
    predicted = prediction.column(metric)[0][reported]
    low, high = (bound[reported] for bound in prediction.interval(metric))
    return MetricAccuracy(
        rows=len(measured),
        rank_correlation=_rank_correlation(predicted, measured),
        mape=float(np.abs(predicted / measured - 1).mean()),
        within90=float(((measured >= low) & (measured <= high)).mean()),
        width90=float(np.median(np.sqrt(high / low))),
    )


def _rank_correlation(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float | None:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)
