"""TuningJobs as manifests."""

from __future__ import annotations

from typing import Any

ARCHITECTURE = {
    "layers": 32,
    "hiddenSize": 4096,
    "ffnHiddenSize": 11008,
    "attentionHeads": 32,
    "queryGroups": 8,
    "vocabSize": 32000,
}
DEGREES = [1, 2, 4, 8]


def trainer(gpus: int = 8) -> dict[str, Any]:
    return manifest(
        "trainer",
        {
            "framework": "megatron",
            "task": "training",
            "globalBatchSize": 64,
            "sequenceLength": 4096,
            "precision": "bf16",
            "model": {"name": "llama", "architecture": ARCHITECTURE},
        },
        "seconds_per_iteration",
        [
            parameter("tp", DEGREES, 1),
            parameter("dp", DEGREES, 8),
            parameter("ar", ["none", "mlp_only", "full"], "full"),
            parameter("zero1", [False, True], False, activeWhen="dp > 1"),
            parameter("mbs", DEGREES, 1, kind="execution"),
        ],
        [f"tp * dp == {gpus}"],
    )


def server() -> dict[str, Any]:
    return manifest(
        "server",
        {
            "framework": "vllm",
            "task": "inference",
            "inputTokens": 1024,
            "outputTokens": 256,
            "model": {"name": "llama", "architecture": ARCHITECTURE},
        },
        "milliseconds_per_token",
        [parameter("tp", DEGREES, 1), parameter("max_num_seqs", [1, 8, 64, 256], 256, kind="execution")],
        [],
    )


def manifest(name: str, workload: Any, metric: str, parameters: list[Any], constraints: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": name},
        "spec": {
            "workload": workload,
            "hardware": {"pools": [{"name": "a100", "gpu": "NVIDIA-A100-SXM4-80GB", "nodes": 1, "gpusPerNode": 8}]},
            "objectives": [{"metric": metric, "goal": "minimize"}],
            "searchSpace": {"parameters": parameters, "constraints": constraints},
            "profile": {"image": "bench:1", "command": ["bench"], "args": ["--tp=$(params.tp)"]},
        },
    }


def parameter(name: str, values: list[Any], default: Any, kind: str = "structural", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "values": values, "default": default} | more
