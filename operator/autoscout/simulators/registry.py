"""Which simulator fits a workload."""

from __future__ import annotations

from collections.abc import Sequence

from autoscout.simulators.hardware import find
from autoscout.simulators.knobs import canonical
from autoscout.simulators.protocol import Simulator
from autoscout.simulators.serving import ServingSimulator
from autoscout.simulators.shape import shape
from autoscout.simulators.training import TrainingSimulator
from autoscout.simulators.workload import Hardware, Workload

_TRAINING = frozenset({"tp", "pp", "dp", "cp", "mbs", "ar", "zero1", "vpp"})
_SERVING = frozenset({"max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization"})


def simulator_for(workload: Workload | None, hardware: Hardware | None, names: Sequence[str]) -> Simulator | None:
    """The simulator that understands a job; None where nothing can be said without measuring.

    Args:
        workload: what runs; its model's layers and hidden size are needed.
        hardware: where; the first pool's GPU must be in the catalogue.
        names: parameters of the search space; they decide for workloads that name neither task nor framework.
    """
    if workload is None or hardware is None or not hardware.pools or shape(workload) is None:
        return None
    pool = hardware.pools[0]
    gpu = find(pool.gpu)
    if gpu is None:
        return None
    known = {canonical(name) for name in names}
    if workload.task == "inference" or workload.framework == "vllm" or (known & _SERVING and workload.task == "custom"):
        return ServingSimulator(gpu, pool)
    if workload.task in ("training", "fine-tuning") or workload.framework == "megatron" or known & _TRAINING:
        return TrainingSimulator(gpu, pool)
    return None
