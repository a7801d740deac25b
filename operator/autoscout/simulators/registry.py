"""Which simulator fits a workload."""

from __future__ import annotations

from collections.abc import Sequence

from autoscout.simulators.aiconfigurator import KernelsError, tables
from autoscout.simulators.hardware import CATALOGUE, find
from autoscout.simulators.knobs import canonical
from autoscout.simulators.protocol import Simulator
from autoscout.simulators.serving import ServingSimulator
from autoscout.simulators.shape import shape
from autoscout.simulators.training import TrainingSimulator
from autoscout.simulators.workload import Hardware, Workload

_TRAINING = frozenset({"tp", "pp", "dp", "cp", "mbs", "ar", "zero1", "vpp"})
_SERVING = frozenset({"max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization"})


DATASHEET, AICONFIGURATOR = "datasheet", "aiconfigurator"
"""Where the time of a kernel comes from: `search.settings.kernels`."""


def simulator_for(
    workload: Workload | None, hardware: Hardware | None, names: Sequence[str], kernels: str = DATASHEET
) -> Simulator | None:
    """The simulator that understands a job; None where nothing can be said without measuring.

    Args:
        workload: what runs; its model's layers and hidden size are needed.
        hardware: where; the first pool's GPU must be in the catalogue.
        names: parameters of the search space; they decide where neither task nor framework does.
        kernels: `aiconfigurator` takes measured ones for serving.
    """
    if workload is None or hardware is None or obstacle(workload, hardware, names, kernels) is not None:
        return None
    pool = hardware.pools[0]
    gpu = find(pool.gpu)
    if gpu is None:
        return None
    if _kind(workload, names) == "serving":
        return ServingSimulator(gpu, pool, tables(workload, pool.gpu) if kernels == AICONFIGURATOR else None)
    return TrainingSimulator(gpu, pool)


def obstacle(
    workload: Workload | None, hardware: Hardware | None, names: Sequence[str], kernels: str = DATASHEET
) -> str | None:
    """Why there is no simulator for a job, with the field to change; None if there is one."""
    if workload is None or hardware is None or not hardware.pools:
        return "give spec.workload and spec.hardware"
    if shape(workload) is None:
        return "give spec.workload.model.architecture, at least layers and hiddenSize, or the name of a known model"
    product = hardware.pools[0].gpu
    if find(product) is None:
        known = ", ".join(CATALOGUE)
        return (
            f"spec.hardware.pools[0].gpu is {product!r}, which the catalogue of GPUs does not have; there are {known}"
        )
    if _kind(workload, names) is None:
        return "set spec.workload.task to training, fine-tuning or inference"
    return _without_kernels(workload, product, names) if kernels == AICONFIGURATOR else None


def _without_kernels(workload: Workload, product: str | None, names: Sequence[str]) -> str | None:
    """Why there are no measured kernels for a job; None if there are."""
    if _kind(workload, names) != "serving":
        return "search.settings.kernels: aiconfigurator is for serving; leave it out"
    try:
        tables(workload, product)
    except KernelsError as error:
        return str(error)
    return None


def _kind(workload: Workload, names: Sequence[str]) -> str | None:
    if workload.task == "inference" or workload.framework == "vllm":
        return "serving"
    if workload.task in ("training", "fine-tuning") or workload.framework == "megatron":
        return "training"
    known = {canonical(name) for name in names}
    if known & _SERVING:
        return "serving"
    return "training" if known & _TRAINING else None
