"""What one rank allocates during an iteration, tensor by tensor, in the order of its schedule."""

from __future__ import annotations

from functools import cache

from tests.benchmarks.testbed.allocator import Allocator, Block, OutOfMemoryError
from tests.benchmarks.testbed.cards import GIB, Card
from tests.benchmarks.testbed.layer import expert_rows
from tests.benchmarks.testbed.model import Layout, Model, divided
from tests.benchmarks.testbed.pipeline import Work

CONTEXT = 0.8 * GIB
"""CUDA context with the kernels of the framework (assumption)."""
COMMUNICATOR = 0.14 * GIB
"""Buffers of one process group (assumption: NCCL's default buffers for 16 channels, in and out)."""
WORKSPACE = 0.3 * GIB
"""Of the matrix library and of the fused kernels (assumption)."""


def parameters(model: Model, layout: Layout, stage: int) -> tuple[float, float]:
    """Parameters of a stage on one GPU: those that all replicas hold, and those of experts."""
    layers = model.layers // layout.pp
    shared = layers * model.attention_parameters / layout.tp
    experts = layers * model.ffn_parameters / (layout.tp * layout.ep)
    embedding = model.vocabulary * model.hidden / layout.tp
    if stage == 0:
        shared += embedding
    if stage == layout.pp - 1 and not (model.tied and layout.pp == 1):
        shared += embedding
    if model.experts == 1:
        return shared + experts, 0.0
    return shared, experts


@cache
def saved(model: Model, layout: Layout, sequence: int) -> tuple[int, ...]:
    """Bytes of each tensor that a layer's forward pass leaves for backward."""
    tokens = layout.mbs * sequence // layout.cp
    outer = tokens // layout.tp if layout.sp else tokens
    stream = 2 * outer * model.hidden
    if model.experts == 1:
        inner = 2 * tokens * divided(model.ffn, layout.tp)
        wide: tuple[int, ...] = (2 * inner, inner)
    else:
        routed = sum(expert_rows(model, layout, tokens))
        inner = 2 * routed * divided(model.ffn, layout.tp)
        wide = (2 * routed * model.hidden, 2 * inner, inner, 2 * routed * model.hidden, 4 * tokens * model.experts)
    queries, keys = divided(model.queries, layout.tp), divided(model.keys, layout.tp)
    return (
        stream,
        stream,
        2 * tokens * (queries + 2 * keys),
        2 * tokens * queries,
        4 * tokens * divided(model.heads, layout.tp),
        stream,
        stream,
        *wide,
    )


@cache
def peak(model: Model, card: Card, layout: Layout, sequence: int, stage: int, work: tuple[Work, ...]) -> float | None:
    """GiB that the process of a stage takes at most; None: it runs out of memory.

    Args:
        work: what the stage runs, from the beginning to beyond the point where most is in flight.
    """
    groups = sum(size > 1 for size in (layout.tp, layout.pp, layout.cp, layout.ep, layout.replicas))
    outside = CONTEXT + COMMUNICATOR * groups
    memory = Allocator(card.memory - outside)
    try:
        _states(memory, model, layout, stage)
        _iteration(memory, model, layout, sequence, stage, work)
    except OutOfMemoryError:
        return None
    return (memory.peak + outside) / GIB


def _states(memory: Allocator, model: Model, layout: Layout, stage: int) -> None:
    shared, experts = parameters(model, layout, stage)
    for count, replicas in ((shared, layout.replicas), (experts, layout.expert_replicas)):
        layers = model.layers // layout.pp
        for _ in range(layers if count else 0):
            memory.allocate(2 * count / layers)
        if count:
            # One buffer of fp32 gradients, and Adam's two moments beside an fp32 copy.
            memory.allocate(4 * count)
            for _ in range(3):
                memory.allocate(4 * count / (replicas if layout.zero1 else 1))
    memory.allocate(WORKSPACE)


def _iteration(
    memory: Allocator, model: Model, layout: Layout, sequence: int, stage: int, work: tuple[Work, ...]
) -> None:
    tensors = saved(model, layout, sequence)
    layers = model.layers // (layout.pp * layout.vpp)
    held: dict[tuple[int, int], list[list[Block]]] = {}
    tokens = layout.mbs * sequence // layout.cp
    for each in work:
        key = (each.microbatch, each.chunk)
        if not each.backward:
            held[key] = [_forward(memory, tensors, recompute=layout.ar) for _ in range(layers)]
            if stage == layout.pp - 1 and each.chunk == layout.vpp - 1:
                # Logits, their fp32 copy, and the softmax that becomes their gradient.
                logits = tokens * divided(model.vocabulary, layout.tp)
                held[key].append([memory.allocate(2 * logits), memory.allocate(4 * logits)])
                memory.release(memory.allocate(4 * logits))
            continue
        for blocks in reversed(held.pop(key)):
            _backward(memory, tensors, blocks, recompute=layout.ar)


def _forward(memory: Allocator, tensors: tuple[int, ...], *, recompute: bool) -> list[Block]:
    if not recompute:
        return [memory.allocate(size) for size in tensors]
    kept = memory.allocate(tensors[0])
    for block in [memory.allocate(size) for size in tensors[1:]]:
        memory.release(block)
    return [kept]


def _backward(memory: Allocator, tensors: tuple[int, ...], blocks: list[Block], *, recompute: bool) -> None:
    again = [memory.allocate(size) for size in tensors[1:]] if recompute and len(blocks) == 1 else []
    # Gradients of the widest two activations live beside the activations themselves.
    widest = [memory.allocate(size) for size in sorted(tensors)[-2:]]
    for block in (*widest, *again, *blocks):
        memory.release(block)
