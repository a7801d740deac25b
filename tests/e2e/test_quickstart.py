"""From `kubectl apply` to a best configuration: the quickstart, with real pods that measure for real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.kubectl import Kubectl
from tests.support.noise import pessimistic
from tests.support.operator_process import OperatorProcess

from autoscout.controller.status import PATIENCE_SECONDS

pytestmark = pytest.mark.cluster

QUICKSTART = Path(__file__).resolve().parents[2] / "docs/examples/quickstart.yaml"
WRITES = ("create", "update", "patch", "delete")


def bound(trial: dict[str, Any]) -> float:
    status = trial["status"]
    return pessimistic(status["metrics"]["milliseconds_per_call"], status["samples"]["milliseconds_per_call"])


def slow_to_start(pod: dict[str, Any]) -> bool:
    """Whether the status has told why a pod takes so long to start: writes that a quick one does without."""
    created, started = (
        datetime.fromisoformat(text)
        for text in (
            pod["metadata"]["creationTimestamp"],
            pod["status"]["containerStatuses"][0]["state"]["terminated"]["startedAt"],
        )
    )
    return (started - created).total_seconds() >= PATIENCE_SECONDS - 1


def test_the_quickstart_finds_a_best_configuration(
    kubectl: Kubectl, operator: OperatorProcess, figure: Callable[[str, object], None]
) -> None:
    kubectl.run("apply", "-f", str(QUICKSTART))
    # Its five minutes are for a machine that does nothing else.
    kubectl.patch("tuningjob", "quickstart", {"spec": {"budget": {"maxDuration": "1h"}}})
    kubectl.wait("condition=Complete", "tuningjob", "quickstart", 1800)

    job = kubectl.get("tuningjob", "quickstart")
    trials = sorted(kubectl.list("tuningtrials"), key=lambda item: item["spec"]["number"])
    jobs = {item["metadata"]["name"] for item in kubectl.list("jobs")}
    assert len(trials) >= 12
    assert [trial["spec"]["number"] for trial in trials] == list(range(len(trials)))
    for trial in trials:
        assert trial["spec"]["configuration"]["algorithm"] in {"naive", "tiled"}
        assert trial["status"]["phase"] == "Measured"
        assert trial["status"]["metrics"]["milliseconds_per_call"] > 0
        assert len(trial["status"]["samples"]["milliseconds_per_call"]) == 15
        assert trial["status"]["job"] in jobs
    assert sorted(trial["status"]["position"] for trial in trials) == list(range(len(trials)))
    assert len({trial["spec"]["fingerprint"] for trial in trials}) == len(trials), "nothing is measured twice"

    accepted = [t for t in trials if t["status"]["metrics"]["peak_memory_mib"] <= 64]
    best = min(accepted, key=bound)
    shown = job["status"]["best"]
    assert shown["trial"] == best["spec"]["number"]
    assert shown["configuration"] == best["spec"]["configuration"]
    default, found = (t["status"]["metrics"]["milliseconds_per_call"] for t in (trials[0], best))
    assert shown["speedup"] == pytest.approx(default / found, rel=1e-3)
    assert shown["command"].startswith("python3 -m autoscout_profiler.workloads.attention")

    columns = kubectl.run("get", "tuningjob", "quickstart").stdout
    assert "Complete" in columns
    assert f"{len(trials)}/16" in columns

    published = kubectl.get("configmap", "quickstart-result")["data"]
    assert json.loads(published["result.json"])["best"]["configuration"] == shown["configuration"]
    assert published["command"] == shown["command"]
    assert "<html" in published["report.html"]
    assert json.loads(published["configuration.json"]) == shown["configuration"]
    assert "exec python3" in published["launch.sh"]
    kubectl.run("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=published["manifest.yaml"])

    audit = [sys.executable, "-m", "autoscout", "replay", "tj/quickstart", "--check", "--kubeconfig"]
    audit += [str(kubectl.kubeconfig), "--namespace", str(kubectl.namespace)]
    replayed = subprocess.run(audit, capture_output=True, text=True, check=False, timeout=600)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert f"{len(trials)} the same, 0 otherwise" in replayed.stdout

    requests = operator.metric("autoscout_api_requests_total")
    writes = sum(count for labels, count in requests.items() if any(f'verb="{verb}"' in labels for verb in WRITES))
    reads = sum(requests.values()) - writes
    figure("quickstart on the cluster: API writes per trial", f"{writes / len(trials):.2f}")
    figure("quickstart on the cluster: API reads per trial, watches excluded", f"{reads / len(trials):.2f}")
    figure("quickstart on the cluster: size of the status", f"{len(json.dumps(job['status']))} bytes")
    figure("quickstart on the cluster: best against default", f"{shown['speedup']:.2f}x in {len(trials)} profiles")
    told = sum(slow_to_start(pod) for pod in kubectl.list("pods"))
    assert writes <= 8 * len(trials) + 2 * told, "\n".join(
        f"{labels}: {count:.0f}" for labels, count in requests.items()
    )
