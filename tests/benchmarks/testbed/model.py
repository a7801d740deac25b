"""What is trained or served, and how it is laid out on the GPUs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Model:
    """A decoder with a gated feed-forward block; widths and counts from the model's own configuration file.

    Attributes:
        ffn: inner width of the feed-forward block, or of one expert.
        experts, active: of a mixture-of-experts layer; 1, 1: dense.
        skew: spread of the experts' popularity, as standard deviation of its logarithm (assumption).
    """

    name: str
    layers: int
    hidden: int
    ffn: int
    heads: int
    groups: int
    head: int
    vocabulary: int
    experts: int = 1
    active: int = 1
    tied: bool = False
    skew: float = 0.35

    @property
    def queries(self) -> int:
        return self.heads * self.head

    @property
    def keys(self) -> int:
        return self.groups * self.head

    @property
    def attention_parameters(self) -> int:
        """Of one layer, norms and router included."""
        router = self.hidden * self.experts if self.experts > 1 else 0
        return self.hidden * (2 * self.queries + 2 * self.keys + 2) + router

    @property
    def ffn_parameters(self) -> int:
        """Of one layer, all experts."""
        return 3 * self.hidden * self.ffn * self.experts

    @cached_property
    def popularity(self) -> tuple[float, ...]:
        """The share of routed tokens that each expert gets."""
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.experts, self.active))))
        weights = np.exp(self.skew * rng.standard_normal(self.experts))
        return tuple(float(each) for each in weights / weights.sum())


@dataclass(frozen=True)
class Layout:
    """A training configuration: the knobs of the search spaces under their own names.

    Attributes:
        vpp: model chunks of one GPU.
        sp: sequence parallelism; with it, tensor-parallel communication overlaps with products on `tp_comm` SMs.
        ar: recompute every layer in backward.
        zero1: shard optimizer states over data-parallel ranks.
        ddp: groups of gradients, each reduced as soon as its last gradient is there.
        ddp_bucket: megabytes of one message within a group.
    """

    tp: int = 1
    pp: int = 1
    dp: int = 1
    cp: int = 1
    ep: int = 1
    vpp: int = 1
    sp: bool = False
    ar: bool = False
    mbs: int = 1
    zero1: bool = False
    ddp: int = 1
    ddp_bucket: float = 4
    tp_comm: int = 16

    @property
    def replicas(self) -> int:
        """Ranks that hold the same parameters, experts aside."""
        return self.dp * self.cp

    @property
    def expert_replicas(self) -> int:
        return max(1, self.replicas // self.ep)


def divided(count: float, parts: int) -> int:
    """Rows or columns of the largest part."""
    return math.ceil(count / parts)
