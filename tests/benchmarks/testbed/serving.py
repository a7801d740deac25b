"""A vLLM-like server, request by request: continuous batching, chunked prefill, blocks of the cache, preemption.

The load generator keeps as many requests in flight as the server admits, at most `CLIENTS` over all replicas; a new
one is sent as soon as an answer is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.benchmarks.testbed.batching import Admission, Steady, coarse, steady
from tests.benchmarks.testbed.cards import GIB, Card
from tests.benchmarks.testbed.kernels import flash, gemm, stream
from tests.benchmarks.testbed.links import DEFAULT_SMS, reduce, send
from tests.benchmarks.testbed.memory import COMMUNICATOR, CONTEXT, WORKSPACE
from tests.benchmarks.testbed.model import Model, divided
from tests.benchmarks.testbed.quirks import draw

CLIENTS = 256
BLOCK = 16
"""Tokens of a block of the cache: vLLM's default."""
LONGEST = 4096
"""Tokens that the cache must hold for the server to start: the longest request that it accepts."""
GRAPHS = 0.6 * GIB
"""Captured graphs, outside of what gpu_memory_utilization counts (assumption)."""
_HOST_STEP, _HOST_SEQUENCE = 7e-4, 6e-6
"""Seconds of scheduling and sampling of a step that the GPU waits for, and of each of its sequences (assumption)."""
_HOST_KERNEL, _KERNELS = 7e-6, 14
"""Seconds to launch one kernel without a graph, and the kernels of a layer (assumption)."""
_UNFUSED = 1.8
"""Memory traffic of element-wise work that is not compiled into fewer kernels (assumption)."""
_SIZES = (1, 2, 4, *range(8, 513, 8))
"""Batches for which a graph is captured; a smaller batch is padded."""


@dataclass(frozen=True)
class Server:
    """A serving configuration."""

    tp: int = 1
    pp: int = 1
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    gpu_memory_utilization: float = 0.9
    chunked: bool = True
    eager: bool = False


@dataclass(frozen=True)
class Load:
    """Requests: mean tokens of prompt and answer, lengths log-normal with this spread (assumption)."""

    prompt: int = 1024
    answer: int = 256
    spread: float = 0.35

    def requests(self, count: int) -> list[tuple[int, int]]:
        """(prompt, answer) of each."""
        lengths = draw("load", self.prompt, self.answer).lognormal(-(self.spread**2) / 2, self.spread, (count, 2))
        return [(max(16, round(self.prompt * a)), max(2, round(self.answer * b))) for a, b in lengths]


@dataclass(frozen=True)
class Served:
    """What a load generator reports of all replicas; seconds."""

    tokens_per_second: float
    ttft: float
    tpot: float
    memory: float


class RefusedError(Exception):
    """The server does not start with such a configuration, whatever the memory."""


def cache_tokens(model: Model, card: Card, server: Server) -> int | None:
    """Tokens that the cache of one replica holds; None: it runs out of memory at start.

    Raises:
        RefusedError: whole prompts have to fit into a step where they are not cut into chunks.
    """
    if not server.chunked and server.max_num_batched_tokens < LONGEST:
        raise RefusedError
    layers = divided(model.layers, server.pp)
    experts = model.ffn_parameters / server.tp
    weights = 2 * (layers * (model.attention_parameters / server.tp + experts) + _embeddings(model, server))
    widest = 2 * server.max_num_batched_tokens * (4 * model.hidden + 3 * model.ffn * model.active / server.tp)
    logits = 8 * server.max_num_seqs * model.vocabulary / server.tp
    granted = server.gpu_memory_utilization * card.memory
    inside = granted - weights - widest - logits - WORKSPACE - CONTEXT
    outside = (0 if server.eager else GRAPHS) + COMMUNICATOR * ((server.tp > 1) + (server.pp > 1)) * 2
    if card.memory - granted < outside:
        return None
    token = 2 * 2 * layers * divided(model.groups, server.tp) * model.head
    tokens = int(inside / token) // BLOCK * BLOCK
    return tokens if tokens >= LONGEST else None


def _embeddings(model: Model, server: Server) -> float:
    tables = 1 if model.tied or server.pp > 1 else 2
    return tables * model.vocabulary * model.hidden / server.tp


@cache
def step(
    model: Model, card: Card, tp: int, pp: int, decoding: int, prefill: int, context: int, keys: int, *, eager: bool
) -> float:
    """Seconds of one step through all stages.

    Args:
        decoding: sequences that decode a token each.
        prefill: prompt tokens.
        context: tokens in the cache of all decoding sequences.
        keys: that a prompt token attends to, on average.
    """
    graph = not eager and prefill == 0
    tokens = decoding + prefill
    if graph:
        tokens = next((size for size in _SIZES if size >= tokens), tokens)
    inner = divided(model.ffn, tp)
    wide = divided(model.queries + 2 * model.keys, tp)
    kernels = [
        gemm(card, tokens, wide, model.hidden),
        gemm(card, tokens, model.hidden, divided(model.queries, tp)),
        gemm(card, tokens, 2 * inner, model.hidden),
        gemm(card, tokens, model.hidden, inner),
        stream(card, 2.0 * tokens * (10 * model.hidden + 3 * inner) * (_UNFUSED if eager else 1)),
    ]
    if prefill:
        kernels.append(flash(card, 1, divided(model.heads, tp), prefill, keys, model.head, "forward"))
    if context:
        # Each key is read once for its group of queries; short caches don't fill the GPU.
        kernels.append(stream(card, 2.0 * 2 * context * divided(model.groups, tp) * model.head) * 1.15)
    one = sum(kernels)
    if tp > 1:
        one += 2 * reduce(card, 2.0 * tokens * model.hidden, tp, 1, DEFAULT_SMS)
    if not graph:
        one = max(one, _KERNELS * _HOST_KERNEL)
    hops = (pp - 1) * (send(card, 2.0 * tokens * model.hidden / tp, tp) + 60e-6)
    head = gemm(card, max(1, decoding), divided(model.vocabulary, tp), model.hidden)
    return model.layers * one + head + hops + _HOST_STEP + _HOST_SEQUENCE * decoding


def serve(model: Model, card: Card, server: Server, load: Load, gpus: int) -> Served | None:
    """Serve until things are steady; None: out of memory.

    Raises:
        RefusedError: see `cache_tokens`.
    """
    tokens = cache_tokens(model, card, server)
    if tokens is None:
        return None
    replicas = gpus // (server.tp * server.pp)
    lanes = server.pp
    admitted = max(1, server.max_num_seqs // lanes)
    clients = max(1, min(admitted, CLIENTS // (replicas * lanes)))
    enough = clients * int((load.prompt + load.answer) * 3)
    room = min(tokens // lanes, enough)
    budget = min(server.max_num_batched_tokens, clients * load.prompt * 3)
    found = _steady(
        model, card, server.tp, server.pp, Admission(clients, budget, room, server.chunked), load, eager=server.eager
    )
    used = server.gpu_memory_utilization * card.memory + (0 if server.eager else GRAPHS)
    return Served(found.rate * lanes * replicas, found.ttft, found.tpot, used / GIB)


@cache
def _steady(model: Model, card: Card, tp: int, pp: int, admission: Admission, load: Load, *, eager: bool) -> Steady:
    """One lane: a batch that goes through the stages again and again."""

    def seconds(decoding: int, prefill: int, context: int) -> float:
        held, chunk = coarse(context, 512), coarse(prefill, 32)
        return step(model, card, tp, pp, decoding, chunk, held, max(1, load.prompt // 2), eager=eager)

    return steady(admission, load.requests(max(3 * admission.clients, 24)), seconds)
