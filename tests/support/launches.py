"""Configurations and the TuningJobs that they belong to, for the tests of what is launched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

A100 = {"name": "a100", "gpu": "NVIDIA-A100-SXM4-80GB", "gpusPerNode": 8}
CPU = {"name": "cpu"}
TINY = {"layers": 4, "hiddenSize": 64, "attentionHeads": 4, "queryGroups": 2, "ffnHiddenSize": 128, "vocabSize": 512}
EXPERTS = TINY | {"experts": 8, "expertsPerToken": 2, "expertFfnHiddenSize": 32, "sharedExpertFfnHiddenSize": 64}
TRAINING = {"framework": "megatron", "task": "training", "globalBatchSize": 64, "sequenceLength": 4096}
LLAMA = {"name": "meta-llama/Llama-3.1-8B"}
SERVING = {
    "framework": "vllm",
    "task": "inference",
    "inputTokens": 1024,
    "outputTokens": 256,
    "precision": "bf16",
    "model": LLAMA,
}


@dataclass(frozen=True)
class Case:
    """One configuration of one TuningJob.

    Attributes:
        values: the configuration.
        profile: changes to `spec.profile`.
    """

    values: dict[str, Any]
    workload: dict[str, Any]
    pool: dict[str, Any]
    profile: dict[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """The TuningJob."""
        parameters = [
            {"name": name, "kind": "structural", "values": [value], "default": value}
            for name, value in self.values.items()
        ]
        metric = "milliseconds_per_token" if self.workload.get("task") == "inference" else "seconds_per_iteration"
        return {
            "apiVersion": "autoscout.io/v1alpha1",
            "kind": "TuningJob",
            "metadata": {"name": "llama"},
            "spec": {
                "workload": self.workload,
                "hardware": {"pools": [self.pool]},
                "objectives": [{"metric": metric}],
                "searchSpace": {"parameters": parameters},
                "profile": {"image": "registry.example.com/profiler:1", **self.profile},
            },
        }


def megatron(values: dict[str, Any], pool: dict[str, Any] = A100, **workload: Any) -> Case:
    """A configuration of Megatron for a Llama of 8 billion weights."""
    return Case(values, TRAINING | {"precision": "bf16", "model": LLAMA} | workload, pool, {})


def vllm(values: dict[str, Any], pool: dict[str, Any] = A100, **workload: Any) -> Case:
    """A configuration of vLLM for a Llama of 8 billion weights."""
    return Case(values, SERVING | workload, pool, {})


CUSTOM = Case(
    {"tile": 64, "layout": "it's $(HOME)"},
    {"framework": "custom"},
    A100 | {"gpusPerNode": 1},
    {
        "command": ["python", "-m", "bench", "--tile=$(params.tile)", "--layout", "$(params.layout)"],
        "env": [{"name": "TILE", "value": "t$(params.tile)"}],
    },
)

CASES = {
    "megatron-dense": megatron(
        {"tp": 4, "pp": 2, "sp": True, "mbs": 2, "ar": "selective", "zero1": True, "tpo": True, "tp_comm": 16}
    ),
    "megatron-two-nodes": megatron(
        {
            "tp": 2,
            "pp": 4,
            "cp": 2,
            "vpp": 2,
            "mbs": 1,
            "ar": "full",
            "recompute_method": "block",
            "recompute_num_layers": 2,
            "zero1": True,
            "dpo": True,
            "overlap_param_gather": True,
            "ddp_bucket": 4,
        },
        A100 | {"nodes": 2},
    ),
    "megatron-experts": megatron(
        {"tp": 2, "sp": True, "ep": 4, "etp": 1, "mbs": 1, "moe_dispatcher": "alltoall", "dpo": True, "ddp": 4},
        model={"name": "Qwen/Qwen1.5-MoE-A2.7B"},
    ),
    "megatron-lora": megatron(
        {"tp": 1, "mbs": 4, "grad_fp32": False},
        task="fine-tuning",
        fineTuning={"method": "lora", "loraRank": 8, "loraTargets": ["qkv", "proj"]},
    ),
    "megatron-cpu": megatron({"tp": 2, "mbs": 1}, CPU, precision="fp32", model={"architecture": TINY}),
    "vllm": vllm({"tensor_parallel_size": 2, "max_num_seqs": 256, "max_num_batched_tokens": 8192}),
    "vllm-serving": vllm(
        {
            "tp": 4,
            "dp": 1,
            "max_num_seqs": 128,
            "enable_chunked_prefill": True,
            "enable_prefix_caching": False,
            "gpu_memory_utilization": 0.95,
            "kv_cache_dtype": "fp8",
            "cudagraph_capture_sizes": "[1, 2, 4, 8]",
        },
        load={"mode": "serving", "requestsPerSecond": 4},
        precision="fp8",
    ),
    "vllm-replicas-on-two-nodes": vllm({"tp": 4, "max_num_seqs": 256}, A100 | {"nodes": 2}),
    "vllm-replica-over-three-nodes": vllm(
        {"tp": 8, "pp": 3, "max_num_seqs": 256},
        A100 | {"nodes": 3},
        model={"name": "meta-llama/Llama-3.1-70B"},
        load={"mode": "serving", "concurrency": 64},
    ),
    "vllm-cpu": vllm({"max_num_seqs": 16}, CPU, model={"architecture": TINY}),
    "custom": CUSTOM,
    "custom-two-nodes": Case(
        CUSTOM.values, CUSTOM.workload, CUSTOM.pool | {"nodes": 2}, {"args": ["measure", "--tile=$(params.tile)"]}
    ),
}
"""By what they show."""
