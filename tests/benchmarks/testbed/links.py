"""Seconds of communication: protocols that trade latency for bandwidth, channels that cost multiprocessors.

NCCL picks the fastest of its algorithms and protocols for a message; so does this. All shares and latencies are
assumptions, of the order of NCCL's own tuning tables.
"""

from __future__ import annotations

import math
from functools import cache

from tests.benchmarks.testbed.cards import Card

PROTOCOLS = ((1.0, 0.22), (1.5, 0.6), (3.6, 0.93))
"""Latency of a step in hops, and the share of the bandwidth: LL, LL128, Simple."""
_START = 7e-6
"""Seconds until a collective's kernel runs on every rank."""
_CHANNEL = 17e9
"""Bytes/s that one multiprocessor can move."""
_ACROSS = 0.62
"""Share of PCIe's bandwidth that is left when traffic crosses the processors."""
DEFAULT_SMS = 16
_HALF = 4


@cache
def path(card: Card, size: int, stride: int) -> tuple[float, float]:
    """Bytes/s and hop of the slowest step around a ring of `size` ranks, `stride` apart."""
    reach = (size - 1) * stride + 1
    if reach <= card.island:
        return card.link, card.hop[0]
    crosses = reach > _HALF
    # Groups with a stride run side by side, over the same uplinks.
    shared = 1.0 if stride == 1 else 0.5
    return card.outside * (_ACROSS * shared if crosses else 1.0), card.hop[1]


@cache
def ring(card: Card, message: float, size: int, stride: int, rounds: int, sms: int = DEFAULT_SMS) -> float:
    """A collective along a ring.

    Args:
        message: bytes of the whole vector.
        rounds: 1 to gather it or to scatter its sum, 2 to sum it everywhere.
        sms: that drive it.
    """
    if size == 1 or not message:
        return 0.0
    bandwidth, hop = path(card, size, stride)
    bandwidth = min(bandwidth, sms * _CHANNEL)
    moved = rounds * message * (size - 1) / size
    best = min(rounds * (size - 1) * hop * steps + moved / (bandwidth * share) for steps, share in PROTOCOLS)
    if rounds == 2:
        tree = min(
            2 * math.log2(size) * hop * steps + 2 * message / (bandwidth * share * 0.9) for steps, share in PROTOCOLS
        )
        best = min(best, tree)
    return best + _START


def gather(card: Card, message: float, size: int, stride: int = 1, sms: int = DEFAULT_SMS) -> float:
    """All-gather, or reduce-scatter, which costs the same."""
    return ring(card, message, size, stride, 1, sms)


def reduce(card: Card, message: float, size: int, stride: int = 1, sms: int = DEFAULT_SMS) -> float:
    """All-reduce."""
    return ring(card, message, size, stride, 2, sms)


@cache
def exchange(card: Card, message: float, size: int, stride: int) -> float:
    """All-to-all: every rank sends `message` bytes, a share to each; pairs collide, so links are half used."""
    if size == 1 or not message:
        return 0.0
    bandwidth, hop = path(card, size, stride)
    bandwidth = min(bandwidth, DEFAULT_SMS * _CHANNEL) * 0.55
    return message * (size - 1) / size / bandwidth + (size - 1) * hop + _START


def send(card: Card, message: float, stride: int, sms: int = DEFAULT_SMS) -> float:
    """From one rank to the one `stride` further."""
    bandwidth, hop = path(card, 2, stride)
    return message / (min(bandwidth, sms * _CHANNEL) * 0.85) + 2 * hop
