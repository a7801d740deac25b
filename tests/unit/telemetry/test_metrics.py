"""Metrics: what the TuningJobs' statuses say at the moment of the scrape, and nothing of those that are gone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from autoscout.telemetry.metrics import JobView, Metrics

STATUS: dict[str, Any] = {
    "phase": "Searching",
    "progress": {
        "profiled": 12,
        "infeasible": 3,
        "lost": 1,
        "inFlight": 2,
        "maxProfiles": 50,
        "stoppedEarly": 4,
        "gpuHours": 3.25,
    },
    "best": {"speedup": 1.5, "metrics": {"seconds": 2.0, 'odd "name"\\\n': 1.0}},
}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(metrics: Metrics) -> Samples:
    """Samples as Prometheus reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
        for sample in family.samples
    }


def watching(jobs: list[JobView], requests: Counter[tuple[str, str]] | None = None, age: float | None = 7.0) -> Metrics:
    metrics = Metrics()
    metrics.watch(jobs=lambda: jobs, requests=requests or Counter(), queue_length=lambda: 4, relist_age=lambda: age)
    return metrics


def of_job(samples: Samples, name: str, job: str = "tune", **labels: str) -> float | None:
    return samples.get((name, tuple(sorted({"namespace": "team", "tuningjob": job, **labels}.items()))))


def test_a_scrape_shows_every_job_from_its_status() -> None:
    samples = scrape(watching([JobView("team", "tune", STATUS)]))
    assert of_job(samples, "autoscout_job_phase", phase="Searching") == 1
    trials = {
        outcome: of_job(samples, "autoscout_job_trials", outcome=outcome)
        for outcome in ("measured", "infeasible", "lost", "in_flight")
    }
    assert trials == {"measured": 9, "infeasible": 3, "lost": 1, "in_flight": 2}
    assert of_job(samples, "autoscout_job_budget_profiles") == 50
    assert of_job(samples, "autoscout_job_gpu_hours") == 3.25
    assert of_job(samples, "autoscout_job_speedup_ratio") == 1.5
    assert of_job(samples, "autoscout_job_best", metric="seconds") == 2.0
    assert of_job(samples, "autoscout_job_best", metric='odd "name"\\\n') == 1.0


def test_a_job_without_a_status_is_pending_and_has_no_result() -> None:
    samples = scrape(watching([JobView("team", "tune", {})]))
    assert of_job(samples, "autoscout_job_phase", phase="Pending") == 1
    assert of_job(samples, "autoscout_job_trials", outcome="measured") == 0
    assert of_job(samples, "autoscout_job_speedup_ratio") is None
    assert not any(name == "autoscout_job_best" for name, _ in samples)


def test_a_deleted_job_and_a_former_phase_leave_no_series() -> None:
    jobs = [JobView("team", "tune", STATUS), JobView("team", "other", STATUS)]
    metrics = watching(jobs)
    assert of_job(scrape(metrics), "autoscout_job_gpu_hours") == 3.25
    jobs[:] = [JobView("team", "other", {**STATUS, "phase": "Complete"})]
    samples = scrape(metrics)
    assert not [labels for _, labels in samples if ("tuningjob", "tune") in labels]
    assert of_job(samples, "autoscout_job_phase", job="other", phase="Searching") is None
    assert of_job(samples, "autoscout_job_phase", job="other", phase="Complete") == 1


def test_the_operator_counts_its_requests_its_queue_and_its_reconciles() -> None:
    requests = Counter({("get", "jobs"): 2})
    metrics = watching([], requests)
    requests["get", "jobs"] += 1
    metrics.reconciles.labels("ok").inc()
    samples = scrape(metrics)
    assert samples["autoscout_api_requests_total", (("resource", "jobs"), ("verb", "get"))] == 3
    assert samples["autoscout_queue_length", ()] == 4
    assert samples["autoscout_relist_age_seconds", ()] == 7
    assert samples["autoscout_reconciles_total", (("result", "ok"),)] == 1


def test_before_the_first_relist_there_is_no_age() -> None:
    assert ("autoscout_relist_age_seconds", ()) not in scrape(watching([], age=None))
