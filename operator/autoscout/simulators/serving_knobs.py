"""What a serving configuration means, whichever framework's names it uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.knobs import Columns
from autoscout.simulators.shape import Shape
from autoscout.simulators.workload import Workload

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_WIDTHS = {"fp8": 1.0, "int8": 1.0, "w8a8": 1.0, "awq": 0.56, "gptq": 0.56, "int4": 0.56, "fp4": 0.56, "nvfp4": 0.56}
"""Bytes of a quantised weight, scales included."""


@dataclass(frozen=True)
class ServingKnobs:
    """N configurations as arrays [N].

    Attributes:
        tp, pp: degrees of parallelism of one replica.
        expert_ranks: ranks over which experts are spread, beyond tp those of other replicas too; each expert is split
            over tp / expert_ranks of them, if that is more than one.
        sequences: that run at once in one batch; each pipeline stage has a batch of its own.
        budget: tokens of one step.
        memory_share: of the GPU's memory that the server may take.
        weight_width: bytes of a weight.
        cache_width: bytes of an element of the cache.
        eager: whether kernels are launched one by one.
        unknown: knobs that mean nothing to us.
        valid: whether the model can be split like that at all.
    """

    tp: Floats
    pp: Floats
    expert_ranks: Floats
    sequences: Floats
    budget: Floats
    memory_share: Floats
    weight_width: Floats
    cache_width: Floats
    eager: Flags
    unknown: Floats
    valid: Flags


def serving_knobs(columns: Columns, shape: Shape, workload: Workload) -> ServingKnobs:
    """Read the columns; what a configuration leaves out has vLLM's default."""
    tp, pp = (np.maximum(columns.number(name, 1.0), 1.0) for name in ("tp", "pp"))
    sequences = np.maximum(1.0, columns.number("max_num_seqs", 256.0))
    budget = np.maximum(1.0, columns.number("max_num_batched_tokens", 2048.0))
    # Without chunks a prompt takes a step of its own, however long.
    chunked = columns.flag("enable_chunked_prefill", True)
    budget = np.where(chunked, budget, np.maximum(budget, float(workload.input_tokens or 1024)))
    # vLLM spreads experts over the ranks of all replicas.
    most = np.where(columns.flag("enable_expert_parallel", False), tp * columns.number("dp", 1.0), tp)
    spread = np.where(columns.flag("enable_expert_parallel", False), most, columns.number("ep", 1.0))
    experts = np.clip(spread, 1.0, np.minimum(most, max(1, shape.experts)))
    precision = workload.precision or "bf16"
    default = {"fp8": 1.0, "int8": 1.0, "fp32": 4.0}.get(precision, 2.0)
    return ServingKnobs(
        tp=tp,
        pp=pp,
        expert_ranks=experts,
        sequences=sequences,
        budget=budget,
        memory_share=np.clip(columns.number("gpu_memory_utilization", 0.92), 0.01, 1.0),
        weight_width=_width(columns, "quantization", default),
        cache_width=_width(columns, "kv_cache_dtype", 2.0),
        eager=columns.flag("enforce_eager", False),
        unknown=columns.unknown,
        valid=(shape.heads % tp == 0) & (shape.layers >= pp),
    )


def _width(columns: Columns, name: str, default: float) -> Floats:
    text = columns.text(name)
    found = np.full(columns.count, default)
    for word, width in _WIDTHS.items():
        found = np.where(np.char.startswith(text, word), width, found)
    return found
