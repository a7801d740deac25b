"""The knobs of a Megatron configuration: their names, those of others that mean the same, and their values. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from autoscout_profiler.errors import InvalidConfiguration

KNOBS: Mapping[str, tuple[str, ...]] = {
    "tp": ("tensor_parallel", "tensor_parallel_size", "tensor_model_parallel_size", "tensor_par"),
    "pp": ("pipeline_parallel", "pipeline_parallel_size", "pipeline_model_parallel_size", "pipeline_par"),
    "dp": ("data_parallel", "data_parallel_size", "data_par"),
    "cp": ("context_parallel", "context_parallel_size"),
    "ep": ("expert_parallel", "expert_parallel_size", "expert_model_parallel_size", "moe_ep", "moe_ep_size"),
    "etp": ("expert_tensor_parallel", "expert_tensor_parallel_size", "moe_tp", "moe_tp_size"),
    "sp": ("sequence_parallel", "enable_sequence_parallel"),
    "mbs": ("micro_batch_size", "microbatch_size", "microbatch"),
    "vpp": ("virtual_pipeline", "virtual_pipeline_model_parallel_size", "pipeline_interleaving", "interleaving", "vp"),
    "overlap_p2p": ("overlap_p2p_comm", "overlap_p2p_communication"),
    "ar": ("activation_recompute", "activation_recomputation", "recompute", "recompute_granularity", "recomputation"),
    "recompute_method": (),
    "recompute_num_layers": ("recompute_layers",),
    "dpo": ("overlap_grad_reduce", "data_par_overlap", "dp_overlap", "ddp_overlap"),
    "zero1": ("use_distributed_optimizer", "distributed_optimizer", "optimizer_sharding", "ddp_optim"),
    "overlap_param_gather": (),
    "ddp_bucket": ("ddp_bucket_mb", "bucket_size_mb"),
    "ddp": ("ddp_buckets", "ddp_num_buckets"),
    "bucket_size": ("ddp_bucket_size",),
    "bucketing": (),
    "grad_fp32": ("accumulate_allreduce_grads_in_fp32",),
    "tpo": ("tensor_par_overlap", "tp_overlap", "tp_comm_overlap"),
    "tp_comm": ("tp_comm_sms", "tp_comm_num_sm"),
    "moe_dispatcher": ("moe_token_dispatcher_type", "token_dispatcher"),
    "pool": ("hardware_pool", "gpu_pool"),
}
"""Our name for a knob, and the others that mean the same: a part of the operator's vocabulary
(autoscout.simulators.knobs), which this package must not import. `pool` is for the operator to realise, `bucketing`
(`auto`, `count`, `size`) says only which of the bucket's knobs is there."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "ar": ("none", "selective", "full"),
    "recompute_method": ("uniform", "block"),
    "bucketing": ("auto", "count", "size"),
    "moe_dispatcher": ("alltoall", "allgather"),
}
"""The words that a knob takes, its default first."""

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", "none", ""})
_CANONICAL = {spelling: name for name, aliases in KNOBS.items() for spelling in (name, *aliases)}


class Knobs:
    """One configuration under our names.

    Every reader takes the value of a knob, or the default where the configuration does not give one, and raises
    InvalidConfiguration, which names the knob, where the value is of another kind.
    """

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        """Take in a configuration.

        Args:
            configuration: parameter to value, in any spelling of `KNOBS`; case, dashes and leading dashes don't matter.

        Raises:
            InvalidConfiguration: a name means nothing here, or two names mean the same knob.
        """
        self._values: dict[str, Any] = {}
        for spelling, value in configuration.items():
            name = _CANONICAL.get(_plain(spelling))
            if name is None:
                raise InvalidConfiguration(spelling, f"no knob of Megatron has this name{_suggestion(spelling)}")
            if name in self._values:
                raise InvalidConfiguration(spelling, f"means the same as another parameter that is given, {name}")
            self._values[name] = value

    def given(self, name: str) -> bool:
        """Whether the configuration says anything about a knob."""
        return self._values.get(name) is not None

    def count(self, name: str, default: int, least: int = 1) -> int:
        """A whole number from `least`."""
        value = self._values.get(name)
        if value is None:
            return default
        try:
            number = int(str(value)) if not isinstance(value, float) else int(value)
        except (ValueError, OverflowError):
            number = least - 1
        if isinstance(value, bool) or number < least or (isinstance(value, float) and number != value):
            raise InvalidConfiguration(name, f"{value!r} is no whole number from {least}")
        return number

    def amount(self, name: str) -> float | None:
        """A number above 0; None where it is not given."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        if isinstance(value, bool) or not 0 < number < float("inf"):
            raise InvalidConfiguration(name, f"{value!r} is no number above 0")
        return number

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Yes or no, as a boolean, 0 or 1, or a word such as `true` or `off`."""
        value = self._values.get(name)
        if value is None:
            return default
        word = str(value).strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise InvalidConfiguration(name, f"{value!r} is neither true nor false")

    def choice(self, name: str) -> str:
        """One of the words of `CHOICES`; the first where it is not given."""
        value, choices = self._values.get(name), CHOICES[name]
        if value is None:
            return choices[0]
        word = "none" if value is False else str(value).strip().lower()
        if word not in choices:
            raise InvalidConfiguration(name, f"{value!r} is not one of {', '.join(choices)}")
        return word


def _plain(name: str) -> str:
    return name.strip().lstrip("-").lower().replace("-", "_")


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(_plain(name), _CANONICAL, n=1, cutoff=0.6)
    if not near:
        return f"; there are {', '.join(KNOBS)}"
    return f"; did you mean {near[0]}?"
