"""Gradients on their way to the other replicas while backward still runs: groups, messages, and what they disturb."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.benchmarks.testbed.cards import Card
from tests.benchmarks.testbed.links import DEFAULT_SMS, gather, reduce

CONTENTION = 0.05
"""Share by which compute slows down for memory traffic of communication beside it, on top of the SMs (assumption)."""


@dataclass(frozen=True)
class Group:
    """Gradients that are reduced together.

    Attributes:
        ready: seconds since the iteration began at which the last of them is there.
        size: bytes.
        replicas, stride: the ranks that hold the same parameters.
    """

    ready: float
    size: float
    replicas: int
    stride: int


@dataclass(frozen=True)
class Reduction:
    """How it went: seconds at which backward and the last group ended."""

    backward: float
    ended: float


def play(card: Card, groups: list[Group], backward: float, bucket: float, *, sharded: bool, waiting: int) -> Reduction:
    """Reduce the groups one after another, each in messages.

    Args:
        groups: in the order in which they become ready.
        backward: seconds since the iteration began at which backward ends if nothing disturbs it.
        bucket: bytes of a message.
        sharded: sum them into shards instead of everywhere.
        waiting: collectives of backward that share the links, in the time in which gradients travel at most.
    """
    slower = DEFAULT_SMS / card.sms + CONTENTION
    window = max(backward - groups[0].ready, 1e-9)
    delay = free = 0.0
    for group in groups:
        size = min(bucket, group.size)
        collective = gather if sharded else reduce
        message = collective(card, size, group.replicas, group.stride)
        start = max(group.ready + delay, free)
        free = start + group.size / size * message
        beside = max(0.0, min(free, backward + delay) - start)
        # A collective of backward that comes meanwhile waits for half a message on average.
        delay += slower * beside + waiting * min(1.0, beside / window) * message / 2
    return Reduction(backward + delay, max(free, backward + delay))


def groups(ready: list[tuple[float, float, float]], count: int, replicas: int, stride: int) -> list[Group]:
    """Split the gradients of a stage.

    Args:
        ready: of each chunk, last layers first: when its last backward pass begins and ends, and its bytes.
        count: of the whole stage.
    """
    found = []
    each = max(1, math.ceil(count / len(ready)))
    for begin, end, size in ready:
        found += [
            Group(begin + (end - begin) * (number + 1) / each, size / each, replicas, stride) for number in range(each)
        ]
    return sorted(found, key=lambda group: group.ready)
