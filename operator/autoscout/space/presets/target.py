"""What a preset derives its space from: the model, the GPUs, the batch."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_MEMORY = 40 * 2**30
"""Bytes that defaults count on where the memory of a GPU is not known."""


@dataclass(frozen=True)
class Model:
    """A transformer decoder. All sizes are counts.

    Attributes:
        layers: transformer layers.
        heads: query heads.
        groups: key-value heads.
        ffn: inner width of the feed-forward block; with experts, of one expert.
        shared: inner width of the expert that sees every token; 0: there is none.
        experts: experts of a layer; 1: a dense model.
        cache_width: elements of the key-value cache for one token in one layer.
        dense_parameters: all parameters that are not in routed experts.
        expert_parameters: those in routed experts, of all layers.
    """

    layers: int
    heads: int
    groups: int
    ffn: int
    experts: int
    cache_width: int
    dense_parameters: int
    expert_parameters: int
    shared: int = 0

    @property
    def group_rule(self) -> str:
        """Key-value heads are split over tp ranks or, where there are fewer of them, copied."""
        return f"{self.groups} % tp == 0 || tp % {self.groups} == 0"


@dataclass(frozen=True)
class Gpus:
    """What one configuration runs on.

    Attributes:
        nodes: like nodes.
        per_node: GPUs of each node, at least 1.
        memory: bytes of one GPU; None: not known.
        fp8: whether it computes in 8-bit floating point.
        ample: whether vLLM takes it for a large one, whose defaults are greater: 70 GiB or more, but no A100.
    """

    nodes: int
    per_node: int
    memory: int | None
    fp8: bool = False
    ample: bool = False

    @property
    def total(self) -> int:
        """GPUs of all nodes."""
        return self.nodes * self.per_node


@dataclass(frozen=True)
class Target:
    """A job, as far as a preset looks at it.

    Attributes:
        sequence: tokens of one training sequence, or of the longest prompt and answer together.
        global_batch: sequences in one optimizer step; 0: the model is served, not trained.
        precision: number format of the computation: bf16, fp16, fp8, fp32.
        frozen: whether the weights stay as they are and only adapters are trained.
        packed: whether a sequence holds several samples, each of which attends to itself only.
        whole_experts: whether adapters keep experts from being split.
        offline: whether requests come all at once, and nobody waits for a single one.
    """

    model: Model
    gpus: Gpus
    sequence: int
    global_batch: int = 0
    precision: str = "bf16"
    frozen: bool = False
    packed: bool = False
    whole_experts: bool = False
    offline: bool = True


def degrees(total: int, most: int) -> tuple[int, ...]:
    """The divisors of a number of GPUs up to a limit, ascending: 1, 2, 4, 8 for 64 and 8."""
    return tuple(degree for degree in range(1, min(total, most) + 1) if total % degree == 0)


def powers(most: int, least: int = 1) -> tuple[int, ...]:
    """`least` doubled until `most`: 1, 2, 4, 8 for 10."""
    found = []
    while least <= most:
        found.append(least)
        least *= 2
    return tuple(found)
