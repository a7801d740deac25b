"""LoRA (Hu et al. 2021) on Megatron's parallel layers: everything is frozen, adapters of a few columns are trained.

An adapter computes (alpha / rank) B A x beside the frozen W x. Its wide side is split as W is: a column-parallel layer
splits B, a row-parallel one A. What crosses the ranks is as narrow as the adapter.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from megatron.core.tensor_parallel import get_cuda_rng_tracker
from megatron.core.tensor_parallel.layers import set_tensor_model_parallel_attributes
from megatron.core.tensor_parallel.mappings import (
    copy_to_tensor_model_parallel_region,
    gather_from_sequence_parallel_region,
    reduce_from_tensor_model_parallel_region,
    reduce_scatter_to_sequence_parallel_region,
)
from megatron.core.transformer.transformer_config import TransformerConfig

from autoscout_profiler.megatron.shape import Adapters

LAYERS = {"qkv": "linear_qkv", "proj": "linear_proj", "fc1": "linear_fc1", "fc2": "linear_fc2"}
_COLUMN_PARALLEL = ("linear_qkv", "linear_fc1")
_EXPERTS = "local_experts"
"""Megatron's list of the experts that a rank has, one module each (SequentialMLP)."""


class Adapted(torch.nn.Module):  # type: ignore[misc] # torch is not installed where types are checked
    """A frozen parallel layer with its adapter."""

    def __init__(
        self, frozen: Any, config: TransformerConfig, adapters: Adapters, *, column: bool, expert: bool
    ) -> None:
        """Put an adapter beside a layer.

        Args:
            frozen: the layer; its weight is [outputs, inputs], of this rank.
            config: of the model.
            adapters: rank and scale.
            column: whether the outputs are split over the tensor-parallel ranks, or the inputs.
            expert: whether it belongs to one expert of a layer.
        """
        super().__init__()
        self.frozen = frozen
        self._column = column
        self._scale = adapters.alpha / adapters.rank
        # An expert's tokens were brought to it already, and an expert is not split (rules._fine_tuning).
        self._alone = expert or config.tensor_model_parallel_size == 1
        self._sequence = config.sequence_parallel
        weight = frozen.weight
        outputs, inputs = weight.shape
        self.a = torch.nn.Parameter(weight.new_empty((adapters.rank, inputs)))
        self.b = torch.nn.Parameter(weight.new_zeros((outputs, adapters.rank)))
        self._initialize(split=not column and not self._alone)
        if not self._alone:
            set_tensor_model_parallel_attributes(self.a, not column, 1, 1)
            set_tensor_model_parallel_attributes(self.b, column, 0, 1)
            # What is not split sees this rank's part of the sequence only: its gradient is summed over the ranks.
            (self.a if column else self.b).sequence_parallel = config.sequence_parallel
        for parameter in (self.a, self.b):
            parameter.allreduce = not (expert and config.expert_model_parallel_size > 1)

    def forward(self, inputs: Any, *arguments: Any, **options: Any) -> Any:
        """Output and bias, as the frozen layer gives them."""
        output, bias = self.frozen(inputs, *arguments, **options)
        narrow = torch.nn.functional.linear(inputs, self.a)
        return output + self._scale * torch.nn.functional.linear(self._across_ranks(narrow), self.b), bias

    def _across_ranks(self, narrow: Any) -> Any:
        if self._alone:
            return narrow
        if self._column:
            if self._sequence:
                return gather_from_sequence_parallel_region(narrow)
            return copy_to_tensor_model_parallel_region(narrow)
        if self._sequence:
            return reduce_scatter_to_sequence_parallel_region(narrow)
        return reduce_from_tensor_model_parallel_region(narrow)

    def _initialize(self, *, split: bool) -> None:
        bound = 1 / math.sqrt(self.a.shape[1])
        if split:
            with get_cuda_rng_tracker().fork():
                torch.nn.init.uniform_(self.a, -bound, bound)
        else:
            torch.nn.init.uniform_(self.a, -bound, bound)


def adapt(model: Any, config: TransformerConfig, adapters: Adapters) -> None:
    """Freeze a model and put adapters beside the layers that `adapters` names."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    wanted = {LAYERS[target] for target in adapters.targets}
    for path, module in list(model.named_modules()):
        # By its place: layers of Transformer Engine do not say whether they are an expert's.
        expert = _EXPERTS in path.split(".")
        for name, layer in list(module.named_children()):
            if name in wanted:
                adapted = Adapted(layer, config, adapters, column=name in _COLUMN_PARALLEL, expert=expert)
                setattr(module, name, adapted)
    if model.pre_process:
        # A recomputed layer has a gradient only if its input wants one, and a frozen embedding's does not.
        model.embedding.register_forward_hook(lambda *call: call[-1].requires_grad_())
