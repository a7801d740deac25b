"""How good the simulators are on a landscape: without a profile, as `autoscout predict` uses them, and after some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from autoscout.search.landscape import Landscape, Row, Status
from autoscout.simulators.calibration import calibrated
from autoscout.simulators.protocol import Simulator
from autoscout.simulators.registry import simulator_for
from autoscout.simulators.workload import Hardware, Workload

PROFILES = (0, 5, 10, 20)
"""Profiles that the simulators are corrected by before their intervals are judged."""
_SEEDS = 10
_JUDGED = 1000
"""Rows, at most, that are judged with each seed."""


def accuracy(landscape: Landscape) -> dict[str, Any] | None:
    """Rank correlation and mean absolute percentage error of the first objective; OOM; intervals.

    Returns:
        None where there is no simulator for the job. Precision or recall is None where nothing is predicted, or there
        is nothing, to run out of memory.
    """
    problem = landscape.problem
    simulator = simulator_for(problem.workload, problem.hardware, tuple(problem.space.by_name))
    if simulator is None or problem.workload is None or problem.hardware is None:
        return None
    rows = list(landscape.rows.values())
    prediction = simulator.predict([row.configuration for row in rows], problem.workload, problem.hardware)
    metric = problem.objectives[0].metric
    measured = np.array([row.metrics.get(metric, np.nan) for row in rows])
    runs = np.array([row.status is Status.OK for row in rows]) & np.isfinite(measured)
    oom = np.array([row.status is Status.OOM for row in rows])
    feared = prediction.feasible < 0.5
    both = int((oom & feared).sum())
    mean = prediction.column(metric)[0][runs]
    return {
        "landscape": landscape.name,
        "rows": len(rows),
        "rankCorrelation": round(float(spearmanr(mean, measured[runs]).statistic), 3),
        "mape": round(float(np.abs(mean / measured[runs] - 1).mean()), 3),
        "oomRows": int(oom.sum()),
        "oomPrecision": round(both / int(feared.sum()), 3) if feared.any() else None,
        "oomRecall": round(both / int(oom.sum()), 3) if oom.any() else None,
        "intervals": _intervals(
            simulator, [row for row in rows if row.status is Status.OK], problem.workload, problem.hardware
        ),
    }


def _intervals(
    simulator: Simulator, rows: Sequence[Row], workload: Workload, hardware: Hardware
) -> list[dict[str, Any]]:
    """How often 90 % intervals hold what was not profiled, and how wide they are.

    Profiles are drawn at random from the rows that run; both figures are means over the seeds. A width is the factor
    by which the bounds are off the prediction: of one seed the median over its rows.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for count in PROFILES:
        if count > len(rows) // 2:
            continue
        held: dict[str, list[tuple[float, float]]] = {}
        for seed in range(_SEEDS):
            order = np.random.default_rng(seed).permutation(len(rows))
            profiled = [(rows[i].configuration, rows[i].metrics) for i in order[:count]]
            later = [rows[i] for i in order[count : count + _JUDGED]]
            predict = calibrated(simulator, profiled, workload, hardware)
            prediction = predict([row.configuration for row in later])
            for metric in prediction.metrics:
                values = np.array([row.metrics.get(metric, np.nan) for row in later])
                if np.isfinite(values).all():
                    low, high = prediction.interval(metric)
                    inside = float(((values >= low) & (values <= high)).mean())
                    held.setdefault(metric, []).append((inside, float(np.median(np.sqrt(high / low)))))
        for metric, each in held.items():
            inside, width = np.mean(each, axis=0)
            found.setdefault(metric, []).append(
                {"profiles": count, "within90": round(float(inside), 3), "width90": round(float(width), 3)}
            )
    return [{"metric": metric, "after": each} for metric, each in found.items()]
