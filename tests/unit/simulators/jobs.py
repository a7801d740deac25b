"""Two jobs that the tests of the simulators share."""

from __future__ import annotations

from autoscout.simulators.hardware import find
from autoscout.simulators.serving import ServingSimulator
from autoscout.simulators.training import TrainingSimulator
from autoscout.simulators.workload import Architecture, Hardware, Pool, Workload

SHAPE = Architecture(
    layers=32,
    hidden_size=4096,
    ffn_hidden_size=11008,
    attention_heads=32,
    query_groups=8,
    head_dimension=128,
    vocab_size=32000,
)
TRAINING = Workload(
    "megatron", "training", "llama", SHAPE, global_batch_size=64, sequence_length=4096, precision="bf16"
)
SERVING = Workload("vllm", "inference", "llama", SHAPE, input_tokens=1024, output_tokens=256, precision="bf16")


def pool(gpu: str = "NVIDIA-A100-SXM4-80GB", nodes: int = 1, gpus: int = 8) -> Pool:
    return Pool("pool", gpu, nodes, gpus)


def hardware(gpu: str = "NVIDIA-A100-SXM4-80GB", nodes: int = 1, gpus: int = 8) -> Hardware:
    return Hardware((pool(gpu, nodes, gpus),))


def train(*configurations, gpu="NVIDIA-A100-SXM4-80GB", nodes=1, workload=TRAINING):
    """(seconds_per_iteration, GiB, probability that it fits), [N] each."""
    where = pool(gpu, nodes)
    prediction = TrainingSimulator(find(gpu), where).predict(configurations, workload, Hardware((where,)))
    return prediction.column("seconds_per_iteration")[0], prediction.peak_memory_gib, prediction.feasible


def serve(*configurations, gpu="NVIDIA-A100-SXM4-80GB", workload=SERVING):
    """The prediction for serving."""
    where = pool(gpu)
    return ServingSimulator(find(gpu), where).predict(configurations, workload, Hardware((where,)))
