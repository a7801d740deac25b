"""One transformer layer and one micro-batch on one GPU: seconds of its parts and bytes that it keeps for backward.

Counts of activations after Korthikanti et al. 2022 (Reducing Activation Recomputation in Large Transformer Models),
generalised to grouped queries, gated feed-forward blocks, fused attention, context parallelism and experts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.machine import Machine
from autoscout.simulators.shape import Shape
from autoscout.simulators.training_knobs import TrainingKnobs

Floats = npt.NDArray[np.float64]

_WIDTH = 2.0
"""Bytes of an activation."""


@dataclass(frozen=True)
class LayerTime:
    """Seconds, [N] each.

    Attributes:
        forward: compute of a forward pass.
        backward: compute of a backward pass, without recomputation.
        recompute: compute that backward repeats.
        exposed: communication within the layer that nothing hides, forward and backward and recomputation together.
        hidden: communication within the layer that runs beside compute.
        experts: products of experts, all passes together; they are part of the compute. 0 in a dense layer.
    """

    forward: Floats
    backward: Floats
    recompute: Floats
    exposed: Floats
    hidden: Floats
    experts: Floats

    @property
    def total(self) -> Floats:
        return self.forward + self.backward + self.recompute + self.exposed


@dataclass(frozen=True)
class LayerSpace:
    """Bytes, [N] each.

    Attributes:
        kept: for one micro-batch from its forward to its backward pass.
        working: at most beside what is kept, while one layer runs backward.
    """

    kept: Floats
    working: Floats


def layer_time(knobs: TrainingKnobs, shape: Shape, machine: Machine, sequence: int) -> LayerTime:
    """How long one layer takes.

    Args:
        sequence: tokens of one sequence.
    """
    tokens = knobs.mbs * sequence / knobs.cp
    outside = np.where(knobs.sequence_parallel, tokens / knobs.tp, tokens)
    queries, keys = shape.attention_width, shape.key_width

    projections = machine.gemm(tokens, (queries + 2 * keys) / knobs.tp, shape.hidden)
    projections = projections + machine.gemm(tokens, shape.hidden, queries / knobs.tp)
    core, core_backward = _core(knobs, shape, machine, tokens, sequence)
    norms = machine.stream(outside * shape.hidden * 2 * _WIDTH)
    residual = machine.stream(outside * shape.hidden * (3 * _WIDTH + (1 + 2 * _WIDTH if shape.dropout else 0)))
    # Experts are spread over ep groups of ranks, and each split over etp of them: a rank has fewer experts, each with
    # more tokens.
    routed = tokens * shape.active_experts * _ranks_of_an_expert(knobs, shape) / knobs.tp
    experts = np.maximum(1.0, shape.experts / knobs.ep)
    per_expert = np.maximum(1.0, routed / experts)
    inner = shape.ffn / _ranks_of_an_expert(knobs, shape)
    products = experts * (
        machine.gemm(per_expert, inner * (2 if shape.gated else 1), shape.hidden)
        + machine.gemm(per_expert, shape.hidden, inner)
    )
    routed_products = products
    # Unfused: the activation function reads its input and writes its output (a gate: three such kernels).
    passes = np.where(knobs.fused_activation, 3.0 if shape.gated else 1.0, 6.0 if shape.gated else 2.0)
    activation = machine.stream(routed * inner * _WIDTH * passes)
    if shape.shared:
        width = shape.shared / knobs.tp
        products = products + machine.gemm(tokens, width * (2 if shape.gated else 1), shape.hidden)
        products = products + machine.gemm(tokens, shape.hidden, width)
        activation = activation + machine.stream(tokens * width * _WIDTH * passes)

    attention = projections + core + norms + residual
    ffn = products + activation + norms + residual
    # Two products for each one of forward: the gradients of input and weight. A frozen weight has none.
    gradients = 1 if shape.frozen else 2
    backward = gradients * (projections + products) + core_backward + 2 * activation + 3 * norms + 2 * residual
    recompute = (
        knobs.recompute_core * core
        + knobs.recompute_attention * (projections + core + norms)
        + knobs.recompute_ffn * (products + activation + norms)
        + knobs.recompute_block * (attention + ffn)
    )
    # Multiprocessors that serve communication are missing to compute.
    slowdown = 1 + np.where(knobs.tp > 1, knobs.communication_sms / machine.gpu.sms, 0.0)
    exposed, hidden = _communication(knobs, shape, machine, tokens, sequence)
    # What overlaps is bounded by the products beside which it runs.
    spill = np.maximum(0.0, hidden - (projections + products) * 3)
    passes_of_experts = (1 + gradients + knobs.recompute_ffn + knobs.recompute_block) * (shape.experts > 1)
    return LayerTime(
        (attention + ffn) * slowdown,
        backward * slowdown,
        recompute * slowdown,
        exposed + spill,
        hidden - spill,
        routed_products * passes_of_experts * slowdown,
    )


def _core(knobs: TrainingKnobs, shape: Shape, machine: Machine, tokens: Floats, sequence: int) -> tuple[Floats, Floats]:
    """Seconds of softmax(QK)V, forward and backward."""
    heads = shape.heads / knobs.tp
    flops = 4 * tokens * sequence * shape.head * heads
    traffic = _WIDTH * tokens * (2 * shape.attention_width + 2 * shape.key_width) / knobs.tp
    # The causal mask leaves half; backward computes five products for the two of forward.
    fused, fused_backward = machine.attention(flops / 2, traffic), machine.attention(flops * 1.25, 2 * traffic)
    scores = tokens * sequence * heads
    products = 2 * machine.gemm(tokens * heads, sequence, shape.head)
    # Written by QK; read and written by the softmax (masked and scaled in one kernel) and by the dropout with its mask.
    elementwise = machine.stream(scores * (4 + (5 if shape.dropout else 0)), 2)
    written = products + elementwise
    return (
        np.where(knobs.fused_attention, fused, written),
        np.where(knobs.fused_attention, fused_backward, 2 * products + 1.5 * elementwise),
    )


def _communication(
    knobs: TrainingKnobs, shape: Shape, machine: Machine, tokens: Floats, sequence: int
) -> tuple[Floats, Floats]:
    """Seconds of communication within the layer: exposed and hidden."""
    message = tokens * shape.hidden * _WIDTH
    # Two sums forward and two backward, as all-reduce or as reduce-scatter and all-gather: the same bytes.
    one = np.where(
        knobs.sequence_parallel,
        machine.reduce_scatter(message, knobs.tp) + machine.all_gather(message, knobs.tp),
        machine.all_reduce(message, knobs.tp),
    )
    repeated = np.maximum.reduce(
        [2 * knobs.recompute_block, knobs.recompute_attention + knobs.recompute_ffn, np.zeros_like(message)]
    )
    sums = (4 + repeated) * one
    gathers = np.where(knobs.regather, 2 * (1 - knobs.recompute_block) * machine.all_gather(message, knobs.tp), 0.0)
    tensor = np.where(knobs.tp > 1, sums + gathers, 0.0)
    hidden = tensor * knobs.overlap_tp
    exposed = tensor - hidden

    # Context parallelism passes keys and values around a ring beside attention, and their gradients backward.
    block = tokens * 2 * shape.key_width / knobs.tp * _WIDTH
    ring = machine.all_gather(block * knobs.cp, knobs.cp, knobs.tp)
    flops = 2 * tokens * sequence * shape.attention_width / knobs.tp
    beside = machine.attention(flops, block)
    again = np.maximum(knobs.recompute_block, np.maximum(knobs.recompute_attention, knobs.recompute_core))
    passed = (3 + again) * ring
    # A block travels while the block before it is worked on; nothing is left to hide behind the last one.
    covered = np.minimum(passed, (3.5 + again) * beside * (knobs.cp - 1) / knobs.cp)
    # After each block the partial results, kept in fp32, are rescaled and added up; so are the gradients.
    merged = machine.stream(tokens * shape.attention_width / knobs.tp * (10 * (1 + again) + 12)) * (knobs.cp - 1)
    exposed = exposed + np.where(knobs.cp > 1, passed - covered + merged, 0.0)
    hidden = hidden + np.where(knobs.cp > 1, covered, 0.0)
    if shape.experts > 1:
        routed = message * shape.active_experts * knobs.etp / knobs.tp
        exchange = machine.all_to_all(routed, knobs.ep, knobs.tp)
        exposed = exposed + (4 + 2 * (knobs.recompute_block + knobs.recompute_ffn)) * exchange
    return exposed, hidden


def _ranks_of_an_expert(knobs: TrainingKnobs, shape: Shape) -> Floats:
    return knobs.etp if shape.experts > 1 else knobs.tp


def layer_space(knobs: TrainingKnobs, shape: Shape, sequence: int) -> LayerSpace:
    """What one layer keeps and needs, bytes of one micro-batch."""
    tokens = knobs.mbs * sequence / knobs.cp
    outside = np.where(knobs.kept_sharded, tokens / knobs.tp, tokens)
    gathered = np.where(knobs.kept_gathered, tokens, outside)
    mask = outside * shape.hidden if shape.dropout else 0.0
    stream = _WIDTH * shape.hidden * outside
    normed = _WIDTH * shape.hidden * gathered
    qkv = _WIDTH * tokens * (shape.attention_width + 2 * shape.key_width) / knobs.tp
    result = _WIDTH * tokens * shape.attention_width / knobs.tp
    scores = tokens * sequence * shape.heads / knobs.tp * (2 * _WIDTH + 1 if shape.dropout else _WIDTH)
    core = np.where(knobs.fused_attention, 0.0, scores)
    # A recomputed core is needed whole again; fused, its result can be dropped.
    core_saved = np.where(knobs.fused_attention, result, scores)
    attention = normed + qkv + core + result
    inner = tokens * (shape.active_experts * shape.ffn + shape.shared) / knobs.tp * _WIDTH
    ffn = normed + inner * (3.0 if shape.gated else np.where(knobs.fused_activation, 1.0, 2.0))
    if shape.experts > 1:
        # Tokens are copied for each of their experts, and what comes back is kept to be weighted.
        ffn = ffn + 2 * _WIDTH * tokens * shape.active_experts * shape.hidden * knobs.etp / knobs.tp
    whole = 2 * stream + attention + ffn + 2 * mask
    kept = (
        whole
        - knobs.recompute_core * core_saved
        - knobs.recompute_attention * attention
        - knobs.recompute_ffn * ffn
        - knobs.recompute_block * (whole - stream)
    )
    restored = np.maximum.reduce(
        [
            np.where(knobs.recompute_core > 0, core_saved, 0.0),
            np.where(knobs.recompute_attention > 0, attention, 0.0),
            np.where(knobs.recompute_ffn > 0, ffn, 0.0),
            np.where(knobs.recompute_block > 0, whole - stream, 0.0),
        ]
    )
    # Gradients of the widest activations live beside the activations themselves.
    gradients = np.maximum(inner * (3.0 if shape.gated else 2.0), core + qkv) + 2 * stream
    return LayerSpace(kept, restored + gradients)
