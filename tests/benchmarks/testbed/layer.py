"""One transformer layer on one rank: its kernels and collectives in the order in which a stream runs them."""

from __future__ import annotations

from functools import cache

from tests.benchmarks.testbed.cards import Card
from tests.benchmarks.testbed.kernels import flash, gemm, grouped_gemm, stream
from tests.benchmarks.testbed.links import exchange, gather, reduce, send
from tests.benchmarks.testbed.model import Layout, Model, divided

HOST_FORWARD, HOST_BACKWARD = 9e-6, 6e-6
"""Seconds in which the host launches one kernel: from Python, and from the autograd engine (assumption)."""


def play(kernels: list[float], host: float) -> float:
    """Seconds until the last of the kernels ends; none starts before the host, which runs ahead, launched it."""
    launched = ended = 0.0
    for kernel in kernels:
        launched += host
        ended = max(ended, launched) + kernel
    return ended


@cache
def forward(model: Model, card: Card, layout: Layout, sequence: int) -> tuple[float, ...]:
    """Seconds of each kernel of a forward pass of one micro-batch."""
    tokens = layout.mbs * sequence // layout.cp
    outer = tokens // layout.tp if layout.sp else tokens
    norm = stream(card, 2 * 2.0 * outer * model.hidden)
    residual = stream(card, 3 * 2.0 * outer * model.hidden)
    wide = model.queries + 2 * model.keys
    rotary = stream(card, 2 * 2.0 * tokens * wide / layout.tp)
    attention = (
        norm,
        *_column(card, layout, tokens, divided(wide, layout.tp), model.hidden),
        rotary,
        *_core(model, card, layout, sequence, "forward"),
        *_row(card, layout, tokens, model.hidden, divided(model.queries, layout.tp)),
        residual,
    )
    return (*attention, norm, *_feed_forward(model, card, layout, tokens), residual)


@cache
def backward(model: Model, card: Card, layout: Layout, sequence: int) -> tuple[float, ...]:
    """The same of its backward pass, recomputation not included."""
    tokens = layout.mbs * sequence // layout.cp
    outer = tokens // layout.tp if layout.sp else tokens
    norm = stream(card, 4 * 2.0 * outer * model.hidden)
    residual = stream(card, 2 * 2.0 * outer * model.hidden)
    wide = model.queries + 2 * model.keys
    rotary = stream(card, 2 * 2.0 * tokens * wide / layout.tp)
    own = divided(model.queries, layout.tp)
    return (
        residual,
        *_feed_forward_backward(model, card, layout, tokens),
        norm,
        residual,
        *_column(card, layout, tokens, own, model.hidden),
        gemm(card, own, model.hidden, tokens),
        *_core(model, card, layout, sequence, "backward"),
        rotary,
        *_column_backward(card, layout, tokens, divided(wide, layout.tp), model.hidden),
        norm,
    )


def _column(card: Card, layout: Layout, m: int, n: int, k: int) -> tuple[float, ...]:
    """A product whose input is gathered. With sequence parallelism chunks travel while others are multiplied."""
    if layout.tp == 1 or not layout.sp:
        return (gemm(card, m, n, k),)
    chunk = gemm(card, m // layout.tp, n, k, card.sms - layout.tp_comm)
    hop = send(card, 2.0 * m * k / layout.tp, 1, layout.tp_comm)
    return (chunk + (layout.tp - 1) * max(chunk, hop),)


def _row(card: Card, layout: Layout, m: int, n: int, k: int) -> tuple[float, ...]:
    """A product whose output is summed over the group."""
    if layout.tp == 1:
        return (gemm(card, m, n, k),)
    if not layout.sp:
        return (gemm(card, m, n, k), reduce(card, 2.0 * m * n, layout.tp, 1, layout.tp_comm))
    chunk = gemm(card, m // layout.tp, n, k, card.sms - layout.tp_comm)
    hop = send(card, 2.0 * m * n / layout.tp, 1, layout.tp_comm)
    # Each partial sum is added on arrival; the last one has nothing to hide behind.
    added = stream(card, 3 * 2.0 * m * n / layout.tp)
    return (chunk + (layout.tp - 1) * max(chunk, hop + added) + hop,)


def _column_backward(card: Card, layout: Layout, m: int, n: int, k: int) -> tuple[float, ...]:
    """Gradients of input and weight of a column-parallel product; the input is gathered again beside the first."""
    again = gather(card, 2.0 * m * k, layout.tp, 1, layout.tp_comm) if layout.sp else 0.0
    first, *rest = _row(card, layout, m, k, n)
    return (max(first, again), *rest, gemm(card, n, k, m))


def _core(model: Model, card: Card, layout: Layout, sequence: int, direction: str) -> tuple[float, ...]:
    """Attention itself; context parallelism passes keys and values on while it works on those that are there."""
    rows = sequence // layout.cp
    heads = divided(model.heads, layout.tp)
    if layout.cp == 1:
        return (flash(card, layout.mbs, heads, rows, sequence // 2, model.head, direction),)
    block = flash(card, layout.mbs, heads, rows, max(1, sequence // 2 // layout.cp), model.head, direction)
    passed = 2.0 * layout.mbs * rows * 2 * divided(model.keys, layout.tp) * (1 if direction == "forward" else 2)
    hop = send(card, passed, layout.tp)
    merged = stream(card, 10.0 * layout.mbs * rows * heads * model.head)
    return (block, *((max(block, hop) + merged) for _ in range(layout.cp - 1)))


def expert_rows(model: Model, layout: Layout, tokens: int) -> tuple[int, ...]:
    """Tokens of each expert of the rank that has most."""
    routed = tokens * model.active * layout.ep
    each = [round(routed * share) for share in model.popularity]
    local = model.experts // layout.ep
    ranks = [tuple(each[first : first + local]) for first in range(0, model.experts, local)]
    return max(ranks, key=sum)


def _feed_forward(model: Model, card: Card, layout: Layout, tokens: int) -> tuple[float, ...]:
    inner = divided(model.ffn, layout.tp)
    if model.experts == 1:
        return (
            *_column(card, layout, tokens, 2 * inner, model.hidden),
            stream(card, 3 * 2.0 * tokens * inner),
            *_row(card, layout, tokens, model.hidden, inner),
        )
    rows = expert_rows(model, layout, tokens)
    return (
        gemm(card, tokens, model.experts, model.hidden),
        *_dispatch(model, card, layout, tokens),
        grouped_gemm(card, rows, 2 * inner, model.hidden),
        stream(card, 3 * 2.0 * sum(rows) * inner),
        grouped_gemm(card, rows, model.hidden, inner),
        *_dispatch(model, card, layout, tokens),
    )


def _feed_forward_backward(model: Model, card: Card, layout: Layout, tokens: int) -> tuple[float, ...]:
    inner = divided(model.ffn, layout.tp)
    if model.experts == 1:
        return (
            *_column(card, layout, tokens, inner, model.hidden),
            gemm(card, inner, model.hidden, tokens),
            stream(card, 5 * 2.0 * tokens * inner),
            *_column_backward(card, layout, tokens, 2 * inner, model.hidden),
        )
    rows = expert_rows(model, layout, tokens)
    mean = max(1, sum(rows) // len(rows))
    weights = grouped_gemm(card, (2 * inner,) * len(rows), model.hidden, mean)
    return (
        *_dispatch(model, card, layout, tokens),
        grouped_gemm(card, rows, inner, model.hidden),
        grouped_gemm(card, (inner,) * len(rows), model.hidden, mean),
        stream(card, 5 * 2.0 * sum(rows) * inner),
        grouped_gemm(card, rows, model.hidden, 2 * inner),
        weights,
        *_dispatch(model, card, layout, tokens),
        gemm(card, tokens, model.hidden, model.experts),
    )


def _dispatch(model: Model, card: Card, layout: Layout, tokens: int) -> tuple[float, ...]:
    """Tokens are copied for their experts, sent to their ranks, and gathered over the tensor-parallel group."""
    routed = 2.0 * tokens * model.active * model.hidden
    copied = stream(card, 2 * routed / (layout.tp if layout.sp else 1))
    sent = exchange(card, routed / layout.tp, layout.ep, layout.tp)
    shared = gather(card, routed, layout.tp, 1, layout.tp_comm) if layout.sp else 0.0
    return tuple(each for each in (copied, sent, shared) if each)
