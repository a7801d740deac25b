"""Jobs as they are sent to the API server, letter by letter. After a change that is meant: --update-golden, then read
the diff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.kubernetes_executor.jobs import A100, DEFAULT, UID, WITHOUT_TILE, tuning_job

from autoscout.executors.kubernetes.manifests import job_manifest
from autoscout.executors.kubernetes.peers import service_manifest

EXPECTED = Path(__file__).parent / "expected"

OVERRIDES: dict[str, Any] = {
    "metadata": {"labels": {"team": "ml"}},
    "spec": {
        "priorityClassName": "low",
        "securityContext": {"runAsNonRoot": None, "fsGroup": 2000},
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "corpus"}}],
        "containers": [
            {
                "name": "profile",
                "resources": {"limits": {"memory": "64Gi"}},
                "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
                "env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}],
            }
        ],
    },
}

CASES = {
    "cpu": job_manifest(tuning_job(), UID, DEFAULT, 0),
    "gpu-second-attempt": job_manifest(tuning_job([A100]), UID, WITHOUT_TILE, 1),
    "queue-and-overrides": job_manifest(
        tuning_job([A100], queueName="gpus", template=OVERRIDES, warmupIterations=2, iterations=10), UID, DEFAULT, 0
    ),
    "two-nodes": job_manifest(tuning_job([A100 | {"nodes": 2}]), UID, DEFAULT, 0),
    "two-nodes-service": service_manifest("tune", UID, "ml"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_manifest_is_as_expected(case: str, pytestconfig: pytest.Config) -> None:
    written = yaml.safe_dump(CASES[case], sort_keys=False, width=100)
    file = EXPECTED / f"{case}.yaml"
    if pytestconfig.getoption("--update-golden"):
        file.write_text(written, encoding="utf-8")
    assert written == file.read_text(encoding="utf-8")


def test_there_is_no_expectation_without_its_case() -> None:
    assert {file.stem for file in EXPECTED.iterdir()} == set(CASES)
