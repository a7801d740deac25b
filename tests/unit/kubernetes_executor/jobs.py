"""TuningJobs for the tests of manifests."""

from __future__ import annotations

from typing import Any

from autoscout.api import convert
from autoscout.api.tuning_job import TuningJob
from autoscout.search.ledger import Trial
from autoscout.space.configuration import Configuration

UID = "5f0c1f6e-8d5c-4b0e-9d4f-0d6f6f0a3a11"

A100 = {
    "name": "a100",
    "gpu": "NVIDIA-A100-SXM4-80GB",
    "gpusPerNode": 2,
    "nodeSelector": {"zone": "a"},
    "tolerations": [{"key": "reserved", "operator": "Equal", "value": "ml", "effect": "NoSchedule"}],
}


def tuning_job(pools: list[dict[str, Any]] | None = None, **profile: Any) -> TuningJob:
    spec: dict[str, Any] = {
        "workload": {"task": "training", "globalBatchSize": 64},
        "objectives": [{"metric": "seconds_per_iteration"}],
        "searchSpace": {
            "parameters": [
                {"name": "mode", "kind": "structural", "values": ["eager", "$(HOME)"], "default": "eager"},
                {"name": "tile", "kind": "execution", "values": [8, 16], "default": 8, "activeWhen": "mode == 'eager'"},
            ]
        },
        "profile": {
            "image": "registry.example.com/bench:1.4",
            "command": ["bench", "--mode=$(params.mode)"],
            "args": ["--tile=$(params.tile)", "$HOME"],
            "env": [{"name": "MODE", "value": "$(params.mode)"}],
        }
        | profile,
    }
    if pools is not None:
        spec["hardware"] = {"pools": pools}
    return convert.job(
        {
            "apiVersion": "autoscout.io/v1alpha1",
            "kind": "TuningJob",
            "metadata": {"name": "tune", "namespace": "ml"},
            "spec": spec,
        }
    )


DEFAULT = Trial(0, Configuration((("mode", "eager"), ("tile", 8))), "default")
WITHOUT_TILE = Trial(3, Configuration((("mode", "$(HOME)"),)), "random")
