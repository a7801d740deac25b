"""One training iteration: the pipeline is played through, then gradients, optimizer and the memory of every stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

from tests.benchmarks.testbed import gradients, layer, memory, pipeline
from tests.benchmarks.testbed.cards import Card
from tests.benchmarks.testbed.kernels import gemm, stream
from tests.benchmarks.testbed.links import gather, reduce, send
from tests.benchmarks.testbed.model import Layout, Model, divided
from tests.benchmarks.testbed.pipeline import Timeline, Work

OVERHEAD = 12e-3
"""Seconds of an iteration in which the GPU waits: data, gradient norm, logging (assumption)."""


@dataclass(frozen=True)
class Iteration:
    """Seconds, and GiB of the fullest GPU; None: it runs out of memory."""

    seconds: float | None
    memory: float | None


def iteration(model: Model, card: Card, layout: Layout, sequence: int, batch: int) -> Iteration:
    """Train one iteration.

    Args:
        sequence: tokens of one sequence.
        batch: sequences of one iteration, over all replicas.
    """
    microbatches = batch // (layout.dp * layout.mbs)
    # What neither compute nor memory of the passes depends on is left out, so that they are played once.
    plain = replace(layout, ddp=1, ddp_bucket=4)
    held = _memory(model, card, replace(plain, tp_comm=16), sequence, microbatches)
    if held is None:
        return Iteration(None, None)
    timeline = _timeline(model, card, replace(plain, zero1=False), sequence, microbatches)
    ended = max(
        _reduced(model, card, layout, sequence, timeline, stage) + _optimizer(model, card, layout, stage)
        for stage in range(layout.pp)
    )
    return Iteration(ended + _tied(model, card, layout) + OVERHEAD, held)


@cache
def _memory(model: Model, card: Card, layout: Layout, sequence: int, microbatches: int) -> float | None:
    peaks = []
    for stage in sorted({0, layout.pp - 1}):
        work = pipeline.order(stage, layout.pp, microbatches, layout.vpp)
        warm = next(number for number, each in enumerate(work) if each.backward)
        found = memory.peak(model, card, layout, sequence, stage, work[: warm + 4])
        if found is None:
            return None
        peaks.append(found)
    return max(peaks)


@cache
def _passes(
    model: Model, card: Card, layout: Layout, sequence: int, chunk: tuple[int, bool, bool]
) -> tuple[float, float]:
    """Seconds of a forward and a backward pass through a chunk: (layers, has the embedding, has the loss)."""
    layers, first, last = chunk
    tokens = layout.mbs * sequence // layout.cp
    ahead = list(layer.forward(model, card, layout, sequence)) * layers
    back = list(layer.backward(model, card, layout, sequence)) * layers
    if first:
        embedding = stream(card, 2 * 2.0 * tokens * model.hidden)
        ahead = [embedding, reduce(card, 2.0 * tokens * model.hidden, layout.tp), *ahead]
        back = [*back, 2 * embedding]
    if last:
        rows = divided(model.vocabulary, layout.tp)
        ahead += [gemm(card, tokens, rows, model.hidden), stream(card, 12.0 * tokens * rows)]
        back = [
            stream(card, 8.0 * tokens * rows),
            gemm(card, tokens, model.hidden, rows),
            gemm(card, rows, model.hidden, tokens),
            *back,
        ]
    forward = layer.play(ahead, layer.HOST_FORWARD)
    backward = layer.play(back, layer.HOST_BACKWARD)
    if layout.ar:
        backward += layer.play(list(layer.forward(model, card, layout, sequence)) * layers, layer.HOST_FORWARD)
    return forward, backward


@lru_cache(maxsize=64)
def _timeline(model: Model, card: Card, layout: Layout, sequence: int, microbatches: int) -> Timeline:
    layers = model.layers // (layout.pp * layout.vpp)

    def seconds(stage: int, work: Work) -> float:
        first = stage == 0 and work.chunk == 0
        last = stage == layout.pp - 1 and work.chunk == layout.vpp - 1
        return _passes(model, card, layout, sequence, (layers, first, last))[work.backward]

    tokens = layout.mbs * sequence // layout.cp
    message = 2.0 * tokens * model.hidden / (layout.tp if layout.sp else 1)
    hop = send(card, message, layout.tp * layout.cp * layout.dp) + 10e-6
    return pipeline.play(layout.pp, microbatches, layout.vpp, seconds, hop)


def _reduced(model: Model, card: Card, layout: Layout, sequence: int, timeline: Timeline, stage: int) -> float:
    """Seconds at which a stage has its gradients."""
    ends, orders = timeline.ends[stage], timeline.orders[stage]
    if layout.replicas == 1:
        return ends[-1]
    layers = model.layers // (layout.pp * layout.vpp)
    last = {work.chunk: number for number, work in enumerate(orders) if work.backward}
    shared, experts = memory.parameters(model, layout, stage)
    parts: list[gradients.Group] = []
    for count, replicas, stride in (
        (shared, layout.replicas, layout.tp),
        (experts, layout.expert_replicas, layout.tp * layout.ep),
    ):
        if replicas == 1 or not count:
            continue
        ready = []
        for chunk in sorted(last, reverse=True):
            end = ends[last[chunk]]
            is_last = stage == layout.pp - 1 and chunk == layout.vpp - 1
            plain = replace(layout, ddp=1, ddp_bucket=4, zero1=False)
            spent = _passes(model, card, plain, sequence, (layers, stage == 0 and chunk == 0, is_last))[1]
            ready.append((end - spent, end, 4.0 * count / layout.vpp))
        parts += gradients.groups(ready, layout.ddp, replicas, stride)
    if not parts:
        return ends[-1]
    parts.sort(key=lambda group: group.ready)
    waiting = layers * (4 if layout.tp > 1 else 0) + layers * (layout.cp - 1)
    found = gradients.play(card, parts, ends[-1], layout.ddp_bucket * 1e6, sharded=layout.zero1, waiting=waiting)
    return found.ended


def _optimizer(model: Model, card: Card, layout: Layout, stage: int) -> float:
    """Seconds of Adam on the own shard, and of gathering the parameters."""
    seconds = 0.0
    for count, replicas, stride in zip(
        memory.parameters(model, layout, stage),
        (layout.replicas, layout.expert_replicas),
        (layout.tp, layout.tp * layout.ep),
        strict=True,
    ):
        own = count / (replicas if layout.zero1 else 1)
        seconds += stream(card, own * 30.0)
        if layout.zero1:
            seconds += gather(card, 2.0 * count, replicas, stride)
    return seconds


def _tied(model: Model, card: Card, layout: Layout) -> float:
    """Seconds in which first and last stage add up the gradients of one embedding matrix."""
    if not model.tied or layout.pp == 1:
        return 0.0
    stride = layout.tp * layout.replicas * (layout.pp - 1)
    return reduce(card, 4.0 * model.vocabulary * model.hidden / layout.tp, 2, stride)
