"""Bytes that a configuration needs at the very least, as expressions: what they exclude can't run.

A GPU of the fullest pipeline stage holds no less than its share of the average stage.
"""

from __future__ import annotations

from autoscout.space.presets.target import Target

_RESIDENT = {"fp32": 8, "fp16": 4}
"""Bytes of a parameter and its gradient; where a format is not listed 6: two of the weight, four of the gradient."""
_SHARDED = {"fp32": 8}
"""Bytes of optimizer states, which the distributed optimizer shards; else 12: fp32 copy and Adam's two moments."""
_WIDTHS = {"fp32": 4, "fp8": 1, "int8": 1}
"""Bytes of a served weight; else 2."""


def least(target: Target) -> int:
    """Bytes that all GPUs together need, however the model is divided: nothing of it is there twice."""
    model = target.model
    return sum(_widths(target)) * (model.dense_parameters + model.expert_parameters)


def _widths(target: Target) -> tuple[int, int]:
    """Bytes of one parameter that every replica holds, and those that the distributed optimizer shards."""
    if not target.global_batch:
        return _WIDTHS.get(target.precision, 2), 0
    if target.frozen:
        return 2, 0
    return _RESIDENT.get(target.precision, 6), _SHARDED.get(target.precision, 12)


def training(target: Target, memory: int) -> str:
    """Weights, gradients and optimizer states of mixed-precision training (Rajbhandari et al. 2020) fit into memory.

    Reads tp, pp, cp, dp, zero1 and, with experts, ep and etp. Expert parallelism leaves experts fewer replicas than the
    rest has.
    """
    resident, sharded = _widths(target)
    dense, experts = target.model.dense_parameters, target.model.expert_parameters
    held = f"({resident * dense} + {sharded * dense} / (zero1 ? dp * cp : 1)) / (tp * pp)"
    if experts:
        shares = "(ep * etp > tp * dp * cp ? 1 : tp * dp * cp / (ep * etp))"
        held += f" + ({resident * experts} + {sharded * experts} / (zero1 ? {shares} : 1)) / (ep * etp * pp)"
    return f"{held} <= {memory}"


def serving(target: Target, memory: int) -> str:
    """Weights and the key-value cache of one longest sequence fit into the share of the memory that vLLM may take.

    Reads tp, pp, dp, gpu_memory_utilization and, with experts, enable_expert_parallel. Experts are spread over the
    tensor-parallel ranks of all replicas then.
    """
    model = target.model
    width, _ = _widths(target)
    cache = target.sequence * model.layers * model.cache_width * (1 if target.gpus.fp8 else 2)
    held = f"({width * model.dense_parameters} + {cache}) / (tp * pp)"
    if model.expert_parameters:
        held += f" + {width * model.expert_parameters} / (pp * tp * (enable_expert_parallel ? dp : 1))"
    return f"double({held}) <= double(gpu_memory_utilization) * {float(memory)}"
