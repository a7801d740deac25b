"""Prometheus metrics. What a TuningJob's status says is read from the cache at each scrape: a restart loses nothing,
a deleted job leaves no stale series behind.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_JOB = ("namespace", "tuningjob")


@dataclass(frozen=True)
class JobView:
    """What the cache knows of one TuningJob."""

    namespace: str
    name: str
    status: Mapping[str, Any]


class JobCollector(Collector):
    """The progress of every TuningJob, from its status."""

    def __init__(self, jobs: Callable[[], Iterable[JobView]]) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        phase = GaugeMetricFamily(
            "autoscout_job_phase", "1 for the phase that the TuningJob is in", labels=[*_JOB, "phase"]
        )
        trials = GaugeMetricFamily(
            "autoscout_job_trials", "Trials by outcome, and those in flight", labels=[*_JOB, "outcome"]
        )
        early = GaugeMetricFamily(
            "autoscout_job_stopped_early", "Measured profiles that were stopped early: they couldn't win", labels=_JOB
        )
        budget = GaugeMetricFamily("autoscout_job_budget_profiles", "budget.maxProfiles", labels=_JOB)
        hours = GaugeMetricFamily(
            "autoscout_job_gpu_hours", "GPU-hours of all attempts, start-up included", labels=_JOB
        )
        speedup = GaugeMetricFamily(
            "autoscout_job_speedup_ratio", "How many times better the best is than the default", labels=_JOB
        )
        best = GaugeMetricFamily("autoscout_job_best", "Metrics of the best configuration", labels=[*_JOB, "metric"])
        for job in self._jobs():
            names = (job.namespace, job.name)
            progress = job.status.get("progress") or {}
            phase.add_metric([*names, str(job.status.get("phase") or "Pending")], 1)
            infeasible, profiled = progress.get("infeasible", 0), progress.get("profiled", 0)
            for outcome, count in (
                ("measured", profiled - infeasible),
                ("infeasible", infeasible),
                ("lost", progress.get("lost", 0)),
                ("in_flight", progress.get("inFlight", 0)),
            ):
                trials.add_metric([*names, outcome], count)
            budget.add_metric(names, progress.get("maxProfiles", 0))
            early.add_metric(names, progress.get("stoppedEarly", 0))
            hours.add_metric(names, progress.get("gpuHours", 0.0))
            found = job.status.get("best") or {}
            if "speedup" in found:
                speedup.add_metric(names, found["speedup"])
            for metric, value in (found.get("metrics") or {}).items():
                best.add_metric([*names, metric], value)
        yield from (phase, trials, early, budget, hours, speedup, best)


class RequestCollector(Collector):
    """Requests to the API server, from the client's own count."""

    def __init__(self, counts: Counts[tuple[str, str]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "autoscout_api_requests", "Requests sent to the API server, watches excluded", labels=["verb", "resource"]
        )
        for (verb, resource), count in sorted(self._counts.items()):
            family.add_metric([verb, resource], count)
        yield family


class ValueCollector(Collector):
    """One number, asked for at each scrape."""

    def __init__(self, name: str, documentation: str, value: Callable[[], float | None]) -> None:
        self._name, self._documentation, self._value = name, documentation, value

    def collect(self) -> Iterator[Metric]:
        value = self._value()
        if value is not None:
            yield GaugeMetricFamily(self._name, self._documentation, value=value)


class Metrics:
    """The operator's own metrics.

    Attributes:
        registry: what `/metrics` prints.
        reconciles: by result: `ok` or `error`.
        reconcile_seconds: how long one took.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter("autoscout_reconciles", "Reconciles by result", ["result"], registry=self.registry)
        self.reconcile_seconds = Histogram(
            "autoscout_reconcile_seconds", "Duration of a reconcile", registry=self.registry
        )

    def watch(
        self,
        *,
        jobs: Callable[[], Iterable[JobView]],
        requests: Counts[tuple[str, str]],
        queue_length: Callable[[], int],
        relist_age: Callable[[], float | None],
    ) -> None:
        """Add what is asked for at each scrape.

        Args:
            jobs: every TuningJob that exists.
            requests: sent to the API server, by verb and resource.
            queue_length: TuningJobs that wait for a worker.
            relist_age: seconds since the last complete re-list; None before the first one.
        """
        for collector in (
            JobCollector(jobs),
            RequestCollector(requests),
            ValueCollector("autoscout_queue_length", "TuningJobs that wait for a worker", queue_length),
            ValueCollector("autoscout_relist_age_seconds", "Age of the last complete re-list", relist_age),
        ):
            self.registry.register(collector)
