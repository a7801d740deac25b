"""How good the simulators are on a landscape: as `autoscout predict` says it, without a profile and after some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autoscout.search.landscape import Landscape, Status
from autoscout.simulators.accuracy import Known, corrected, drawn
from autoscout.simulators.accuracy import accuracy as judged
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
    rows = [
        Known(row.configuration, row.metrics if row.status is Status.OK else None, row.status is Status.OOM)
        for row in landscape.rows.values()
    ]
    prediction = simulator.predict([row.configuration for row in rows], problem.workload, problem.hardware)
    found = judged(prediction, rows)
    first = found.metrics[problem.objectives[0].metric]
    ran = [row for row in rows if row.metrics is not None]
    return {
        "landscape": landscape.name,
        "rows": len(rows),
        "rankCorrelation": _rounded(first.rank_correlation),
        "mape": _rounded(first.mape),
        "oomRows": found.out_of_memory,
        "oomPrecision": _rounded(found.precision),
        "oomRecall": _rounded(found.recall),
        "intervals": _intervals(simulator, ran, problem.workload, problem.hardware),
    }


def _intervals(
    simulator: Simulator, rows: Sequence[Known], workload: Workload, hardware: Hardware
) -> list[Mapping[str, Any]]:
    """How often 90 % intervals hold what was not profiled, and how wide they are.

    Profiles are drawn at random from the rows that run; both figures are means over the seeds.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for count in PROFILES:
        if count > len(rows) // 2:
            continue
        held: dict[str, list[tuple[float, float]]] = {}
        for seed in range(_SEEDS):
            profiled, others = drawn(len(rows), count, seed)
            later = [rows[i] for i in others[:_JUDGED]]
            predict = corrected(simulator, [rows[i] for i in profiled], workload, hardware)
            prediction = predict([row.configuration for row in later])
            for metric, each in judged(prediction, later).metrics.items():
                held.setdefault(metric, []).append((each.within90, each.width90))
        for metric, figures in held.items():
            inside, width = np.mean(figures, axis=0)
            found.setdefault(metric, []).append(
                {"profiles": count, "within90": _rounded(float(inside)), "width90": _rounded(float(width))}
            )
    return [{"metric": metric, "after": after} for metric, after in found.items()]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
