"""The vocabulary of knobs, as Megatron-LM, vLLM and the literature spell them; configurations as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from autoscout.space.configuration import Configuration
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ALIASES: Mapping[str, tuple[str, ...]] = {
    # Parallelism
    "tp": ("tensor_parallel", "tensor_parallel_size", "tensor_model_parallel_size", "tensor_par"),
    "pp": ("pipeline_parallel", "pipeline_parallel_size", "pipeline_model_parallel_size", "pipeline_par"),
    "dp": ("data_parallel", "data_parallel_size", "data_par"),
    "cp": ("context_parallel", "context_parallel_size"),
    "ep": ("expert_parallel", "expert_parallel_size", "expert_model_parallel_size", "moe_ep", "moe_ep_size"),
    "etp": ("expert_tensor_parallel", "expert_tensor_parallel_size", "moe_tp", "moe_tp_size"),
    "enable_expert_parallel": (),
    "moe_dispatcher": ("moe_token_dispatcher_type", "token_dispatcher"),
    "sp": ("sequence_parallel", "enable_sequence_parallel"),
    "pool": ("hardware_pool", "gpu_pool"),
    # Batches and pipeline
    "mbs": ("micro_batch_size", "microbatch_size", "microbatch"),
    "vpp": ("virtual_pipeline", "virtual_pipeline_model_parallel_size", "pipeline_interleaving", "interleaving", "vp"),
    "overlap_p2p": ("overlap_p2p_comm", "overlap_p2p_communication"),
    "layers_per_virtual_stage": ("num_layers_per_virtual_pipeline_stage",),
    # Recomputation
    "ar": ("activation_recompute", "activation_recomputation", "recompute", "recompute_granularity", "recomputation"),
    "ar_layers_frac": ("recompute_layers_fraction",),
    "recompute_num_layers": ("recompute_layers",),
    "recompute_method": (),
    # Tensor-parallel communication
    "tpc": ("tensor_par_comm_type", "tp_comm_type"),
    "redo": ("seq_par_ag_redo",),
    "tpo": ("tensor_par_overlap", "tp_overlap", "tp_comm_overlap"),
    "tp_comm": ("tp_comm_sms", "tp_comm_num_sm"),
    # Gradients and optimizer
    "zero": ("zero_stage",),
    "zero1": ("use_distributed_optimizer", "distributed_optimizer", "optimizer_sharding", "ddp_optim"),
    "dpo": ("overlap_grad_reduce", "data_par_overlap", "dp_overlap", "ddp_overlap"),
    "overlap_param_gather": (),
    "grad_bf16": ("grad_reduce_in_bf16",),
    "grad_fp32": ("accumulate_allreduce_grads_in_fp32",),
    "ddp_bucket": ("ddp_bucket_mb", "bucket_size_mb"),
    "ddp": ("ddp_buckets", "ddp_num_buckets"),
    "bucket_size": ("ddp_bucket_size",),
    "bucketing": (),
    # Kernels
    "fused": ("fused_activation", "bias_gelu_fusion", "bias_swiglu_fusion", "fused_acts"),
    "flash": ("use_flash_attn", "flash_attention", "use_flash_attention"),
    "attention_backend": (),
    # Serving
    "max_num_seqs": ("max_batch_size", "batch_size", "concurrency"),
    "max_num_batched_tokens": ("max_num_tokens", "chunk_size", "chunked_prefill_size"),
    "gpu_memory_utilization": ("gpu_mem_util", "mem_fraction", "memory_utilization"),
    "enable_chunked_prefill": ("chunked_prefill",),
    "kv_cache_dtype": (),
    "quantization": ("dtype", "weight_dtype"),
    "enforce_eager": (),
    "block_size": (),
    "enable_prefix_caching": (),
    "long_prefill_token_threshold": (),
    "async_scheduling": (),
    "max_cudagraph_capture_size": (),
}
"""Our name for a knob, and the others that mean the same."""

_CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in (name, *aliases)}

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", "none", ""})


def canonical(name: str) -> str | None:
    """Our name for a knob; None if it is not known. Case, dashes and leading dashes don't matter."""
    return _known(name)


@lru_cache(maxsize=4096)
def _known(name: str) -> str | None:
    return _CANONICAL.get(name.strip().lstrip("-").lower().replace("-", "_"))


class Columns:
    """Configurations as one array for each knob.

    Attributes:
        count: configurations, N.
        unknown: how many names of each configuration mean nothing to us, [N].
    """

    def __init__(self, configurations: Sequence[Mapping[str, Value]]) -> None:
        # A plain dict answers far faster than a Mapping, and this is where the time goes.
        plain = [
            dict(each.items_) if isinstance(each, Configuration) else each if isinstance(each, dict) else dict(each)
            for each in configurations
        ]
        self.count = len(plain)
        self.unknown: Floats = np.zeros(self.count)
        self._values: dict[str, list[Value | None]] = {}
        names: dict[str, None] = {}
        for signature in dict.fromkeys(map(tuple, plain)):
            names.update(dict.fromkeys(signature))
        for name in names:
            values: list[Value | None] = [each.get(name) for each in plain]
            meaning = canonical(name)
            if meaning is None:
                self.unknown += np.fromiter((value is not None for value in values), float, self.count)
            elif meaning in self._values:
                known = self._values[meaning]
                self._values[meaning] = [new if old is None else old for old, new in zip(known, values, strict=True)]
            else:
                self._values[meaning] = values

    def has(self, name: str) -> Flags:
        """Which configurations give the knob a value, [N]."""
        if name not in self._values:
            return np.zeros(self.count, bool)
        return np.fromiter((value is not None for value in self._values[name]), bool, self.count)

    def number(self, name: str, default: float | Floats) -> Floats:
        """The knob as a number, [N]; the default where it is absent or no number."""
        values = self._values.get(name)
        if values is None:
            return np.broadcast_to(np.asarray(default, float), (self.count,)).copy()
        found = np.fromiter((_number(value) for value in values), float, self.count)
        return np.where(np.isnan(found), default, found)

    def flag(self, name: str, default: bool | Flags) -> Flags:
        """The knob as a boolean, [N]; any text that does not say no counts as yes."""
        values = self._values.get(name)
        if values is None:
            return np.broadcast_to(np.asarray(default, bool), (self.count,)).copy()
        code = np.fromiter((_flag(value) for value in values), float, self.count)
        return np.where(np.isnan(code), default, code > 0)

    def text(self, name: str) -> npt.NDArray[np.str_]:
        """The knob in lower case, [N]; empty where it is absent."""
        values = self._values.get(name)
        if values is None:
            return np.full(self.count, "")
        return np.array(["" if value is None else str(value).lower() for value in values])


def _number(value: Value | None) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    if value is None:
        return float("nan")
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _flag(value: Value | None) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, str):
        lower = value.lower()
        return 1.0 if lower in _TRUE or lower not in _FALSE else 0.0
    return float(bool(value))
