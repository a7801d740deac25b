"""How good the simulators are on a landscape that they have not seen a row of: what `autoscout predict` would say."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from autoscout.search.landscape import Landscape, Status
from autoscout.simulators.registry import simulator_for


def accuracy(landscape: Landscape) -> dict[str, Any] | None:
    """Rank correlation and mean absolute percentage error of the first objective, precision and recall of OOM.

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
    place = prediction.metrics.index(metric)
    mean, std = prediction.mean[runs, place], prediction.std[runs, place]
    within = np.abs(mean - measured[runs]) <= 1.645 * std
    return {
        "landscape": landscape.name,
        "rows": len(rows),
        "rankCorrelation": round(float(spearmanr(mean, measured[runs]).statistic), 3),
        "mape": round(float(np.abs(mean / measured[runs] - 1).mean()), 3),
        "within90": round(float(within.mean()), 3),
        "oomRows": int(oom.sum()),
        "oomPrecision": round(both / int(feared.sum()), 3) if feared.any() else None,
        "oomRecall": round(both / int(oom.sum()), 3) if oom.any() else None,
    }
