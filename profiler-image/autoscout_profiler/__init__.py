"""What runs beside a measurement: frames to report it, a wrapper, a supervisor, sample workloads.

    from statistics import median
    from autoscout_profiler import Reporter

    with Reporter() as reporter:
        samples = reporter.measure(lambda: step(**reporter.configuration), warmup=3, iterations=20)
        reporter.result({"seconds_per_iteration": median(samples)}, samples={"seconds_per_iteration": samples})

The standard library suffices; only the sample workloads need numpy.
"""

from __future__ import annotations

from autoscout_profiler.reporter import Reporter, measure

__all__ = ["Reporter", "measure"]
