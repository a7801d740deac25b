"""What a profile would take on real GPUs: modelled, for the figures against wall-clock (Figures 4 to 7)."""

from __future__ import annotations

from autoscout.search.landscape import Row, Status
from autoscout.search.problem import Problem

START_UP = 60.0
"""Seconds until the first iteration or request: scheduling, processes, weights, communicators."""
WARM_UP, ITERATIONS = 5, 10
"""Iterations before the timed ones, and those."""
TOKENS = 256 * 256
"""Tokens that a load test generates."""
TO_FAIL = {Status.OOM: START_UP + 15.0, Status.FAILED: START_UP}
"""Seconds until a profile that can't run has failed."""

ASSUMPTION = (
    f"Wall-clock is modelled: a profile takes {START_UP:.0f} s to start, then {WARM_UP} + {ITERATIONS} iterations "
    f"(serving: a load test of {TOKENS:,} generated tokens); one that runs out of memory {TO_FAIL[Status.OOM]:.0f} s, "
    f"one that fails {TO_FAIL[Status.FAILED]:.0f} s. The optimizer's own time is not in it; it is in the last column."
)


def seconds(problem: Problem, row: Row | None) -> float:
    """Seconds of a profile; see `ASSUMPTION`."""
    if row is None:
        return TO_FAIL[Status.FAILED]
    if row.status is not Status.OK:
        return TO_FAIL[row.status]
    metric = problem.objectives[0].metric
    return START_UP + (_under_way(metric, row.metrics[metric]) if metric in row.metrics else 0.0)


def _under_way(metric: str, value: float) -> float:
    """Seconds that iterations or a load test take; a latency, say, does not tell."""
    match metric:
        case "seconds_per_iteration" | "seconds":
            return (WARM_UP + ITERATIONS) * value
        case "milliseconds_per_token":
            return TOKENS * value / 1000
        case "tokens_per_second":
            return TOKENS / value
        case _:
            return 0.0
