"""Attention without Transformer Engine: which tokens see each other, and keys and values from all context ranks."""

from __future__ import annotations

import copy
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel.mappings import gather_from_sequence_parallel_region
from megatron.core.transformer.dot_product_attention import DotProductAttention
from megatron.core.transformer.transformer_config import TransformerConfig

from autoscout_profiler.megatron.samples import zigzag


class AllGatherAttention(DotProductAttention):  # type: ignore[misc] # megatron has no types
    """Megatron's own attention for context parallelism: its queries are this rank's, its keys and values everybody's.

    Megatron leaves context parallelism to Transformer Engine, whose `all_gather` communication this is. Backward sums
    the gradients of keys and values over the ranks and gives each its share.
    """

    def __init__(self, config: TransformerConfig, *arguments: Any, **options: Any) -> None:
        alone = copy.copy(config)
        alone.context_parallel_size = 1  # the check that refuses more than one would not see us
        super().__init__(alone, *arguments, **options)

    def forward(self, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any) -> Any:
        """Context of our queries, [sequence / ranks, batch, width of its heads]; the mask says what they see."""
        group = parallel_state.get_context_parallel_group()
        key, value = (gather_from_sequence_parallel_region(each.contiguous(), group=group) for each in (key, value))
        return super().forward(query, key, value, attention_mask, **options)


def hidden_pairs(segments: torch.Tensor | None, sequence: int, ranks: int, rank: int, device: torch.device) -> Any:
    """Which keys a query must not see: those behind it, and those of other samples.

    Args:
        segments: the sample of each position, [batch, sequence]; None: one sample a row.
        sequence: tokens of a whole row.
        ranks: over which a row is spread.
        rank: of these, whose queries are asked for.
        device: of the mask.

    Returns:
        True where hidden: [batch or 1, 1, queries of this rank, keys in the order in which ranks hold them].
    """
    queries = torch.from_numpy(zigzag(sequence, ranks, rank)).to(device)
    keys = torch.cat([torch.from_numpy(zigzag(sequence, ranks, each)) for each in range(ranks)]).to(device)
    hidden = (keys[None, :] > queries[:, None])[None]
    if segments is not None:
        hidden = hidden | (segments[:, None, keys] != segments[:, queries, None])
    return hidden[:, None]
