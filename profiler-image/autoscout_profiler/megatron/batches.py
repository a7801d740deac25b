"""From rows of tokens to the micro-batches of one rank, on its device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from megatron.core.packed_seq_params import PackedSeqParams

from autoscout_profiler.megatron.attention import hidden_pairs
from autoscout_profiler.megatron.samples import Rows, Source, SyntheticSamples, SyntheticText, zigzag
from autoscout_profiler.megatron.settings import Settings
from autoscout_profiler.megatron.token_file import TokenFile

IMAGE_SEED = 4321


@dataclass(frozen=True)
class Share:
    """Which part of a batch a rank has: its place among the data-parallel and the context-parallel ranks."""

    data_rank: int
    context_rank: int


@dataclass(frozen=True)
class MicroBatch:
    """What one pass through the model gets; tensors are [batch, this rank's positions] if nothing else is said.

    Attributes:
        tokens, labels: of each position.
        counted: whether its label counts in the loss.
        positions: in the whole sequence.
        segments: the sample of each position of whole rows, where attention stays within samples by a mask.
        ends: where samples end in the concatenated rows, from 0 on, [samples + 1]; where attention is Transformer
            Engine's, for which all rows are one.
        patches: which embedding stands at each image position of this rank, [image positions, batch].
    """

    tokens: torch.Tensor
    labels: torch.Tensor
    counted: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor | None
    ends: torch.Tensor | None
    patches: torch.Tensor | None

    def on(self, device: torch.device) -> MicroBatch:
        """The same on a device; from page-locked memory the copy does not hold up the host."""
        return MicroBatch(
            **{
                each.name: None if (value := getattr(self, each.name)) is None else value.to(device, non_blocking=True)
                for each in fields(self)
            }
        )


@dataclass(frozen=True)
class Batch:
    """One optimizer step's work for one rank.

    Attributes:
        micro_batches: in their order.
        lengths: tokens of each sample of the whole step, all ranks together.
    """

    micro_batches: tuple[MicroBatch, ...]
    lengths: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """That the whole step trains on; padding does not count."""
        return sum(self.lengths)


class Batches:
    """The batches of one rank."""

    def __init__(self, settings: Settings, share: Share, device: torch.device, *, transformer_engine: bool) -> None:
        """Open the source of tokens.

        Args:
            settings: of the trial.
            share: of this rank.
            device: where the model is.
            transformer_engine: whether attention is its: it takes where samples end, and no mask.

        Raises:
            InvalidConfiguration: the token file can't be used.
        """
        self._settings = settings
        self._share = share
        self._device = device
        self._transformer_engine = transformer_engine
        self._source = source(settings)
        self._positions = zigzag(settings.task.sequence, settings.layout.context, share.context_rank)
        model = settings.architecture
        ours = np.flatnonzero(self._positions < model.image_tokens)
        self._image_positions = torch.from_numpy(ours).to(device)
        # What a frozen encoder would give, on the scale of a fresh embedding.
        image = np.random.default_rng(IMAGE_SEED).standard_normal((model.image_tokens, model.hidden), np.float32)
        self._image = torch.from_numpy(image * 0.02).to(device)

    def load(self, step: int) -> Batch:
        """The batch of a step, in the host's memory as Megatron-LM's loader leaves it."""
        settings = self._settings
        # Neighbouring rows go to different ranks, so that each has the same rows whatever the micro-batch.
        mine = range(self._share.data_rank, settings.task.batch, settings.layout.data)
        size = settings.micro_batch
        parts = [mine[begin : begin + size] for begin in range(0, len(mine), size)]
        return Batch(
            tuple(self._micro_batch(self._source.rows(step, part), part) for part in parts),
            tuple(self._source.lengths(step)),
        )

    def arguments(self, batch: MicroBatch) -> dict[str, Any]:
        """The model's further arguments: which tokens see each other, and images."""
        images = {}
        if batch.patches is not None:
            images = {"images": self._image[batch.patches], "image_positions": self._image_positions}
        return self._attention(batch) | images

    def _micro_batch(self, rows: Rows, numbers: Sequence[int]) -> MicroBatch:
        settings, task = self._settings, self._settings.task
        images = settings.architecture.image_tokens
        counted = rows.counted & (np.arange(task.sequence) >= images)
        joined = task.packed and self._transformer_engine
        # Rows differ in their image by where it begins.
        ours = self._positions[self._positions < images]
        patches = self._host((ours[:, None] + np.array(numbers)) % images) if images else None

        def part(values: Any) -> torch.Tensor:
            mine = self._host(values[:, self._positions])
            return mine.reshape(1, -1) if joined else mine

        return MicroBatch(
            tokens=part(rows.tokens),
            labels=part(rows.labels),
            counted=part(counted),
            positions=part(np.broadcast_to(np.arange(task.sequence), rows.tokens.shape)),
            segments=self._host(rows.segments) if task.packed and not joined else None,
            ends=self._host(sample_ends(rows)) if joined else None,
            patches=patches,
        )

    def _host(self, values: Any) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return tensor.pin_memory() if self._device.type == "cuda" else tensor

    def _attention(self, batch: MicroBatch) -> dict[str, Any]:
        layout, sequence = self._settings.layout, self._settings.task.sequence
        if batch.ends is not None:
            ends = PackedSeqParams(
                qkv_format="thd",
                cu_seqlens_q=batch.ends,
                cu_seqlens_kv=batch.ends,
                max_seqlen_q=sequence,
                max_seqlen_kv=sequence,
            )
            return {"attention_mask": None, "packed_seq_params": ends}
        if batch.segments is None and (layout.context == 1 or self._transformer_engine):
            return {"attention_mask": None}  # causal, which attention knows by itself
        rank = self._share.context_rank
        return {"attention_mask": hidden_pairs(batch.segments, sequence, layout.context, rank, self._device)}


def source(settings: Settings) -> Source:
    """Where the tokens of a trial come from.

    Raises:
        InvalidConfiguration: the token file can't be used.
    """
    task, vocabulary = settings.task, settings.architecture.vocabulary
    if task.path:
        return TokenFile(task, vocabulary)
    if task.samples:
        return SyntheticSamples(task.batch, task.sequence, vocabulary, packed=task.packed)
    return SyntheticText(task.batch, task.sequence, vocabulary)


def sample_ends(rows: Rows) -> Any:
    """Where samples and padding end in the rows, one behind the other: [samples + 1], from 0 on."""
    changes = np.ones(rows.segments.shape, bool)
    changes[:, 1:] = rows.segments[:, 1:] != rows.segments[:, :-1]
    return np.append(np.flatnonzero(changes.reshape(-1)), rows.segments.size).astype(np.int32)
