"""What a workload asks for: the model, its precision, the task. From `spec.workload` as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from autoscout_profiler.errors import InvalidConfiguration

Precision = Literal["fp32", "bf16", "fp16", "fp8"]
Target = Literal["qkv", "proj", "fc1", "fc2"]

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16", "fp8")
TARGETS: tuple[Target, ...] = ("qkv", "proj", "fc1", "fc2")

_GATED_MULTIPLE = 256
"""Llama rounds the inner width of its gated feed-forward block, 8/3 of the outer one, up to a multiple of this."""


@dataclass(frozen=True)
class Architecture:
    """A decoder. All sizes are counts; they are those of `workload.model.architecture`.

    Attributes:
        groups: key-value heads.
        head: width of one head.
        experts: of a mixture-of-experts layer; 0: dense.
        experts_per_token: experts that one token is routed to; 0: dense.
        expert_ffn: inner width of one expert.
        shared_ffn: inner width of the expert that sees every token; 0: there is none.
        tied: whether the output layer shares the weights of the embedding.
        gated: SwiGLU (three matrices, no bias) or GELU (two, with bias).
        rms: RMSNorm or LayerNorm.
        image_tokens: positions at the beginning of every sequence that are given as embeddings; 0: text only.
    """

    layers: int
    hidden: int
    ffn: int
    heads: int
    groups: int
    head: int
    vocabulary: int
    experts: int = 0
    experts_per_token: int = 0
    expert_ffn: int = 0
    shared_ffn: int = 0
    tied: bool = False
    gated: bool = True
    rms: bool = True
    image_tokens: int = 0


@dataclass(frozen=True)
class Adapters:
    """LoRA (Hu et al. 2021): beside a frozen matrix W the product of two narrow ones, (alpha / rank) B A.

    Attributes:
        rank: the narrow width.
        alpha: of the scale alpha / rank.
        targets: the linear layers that get an adapter.
    """

    rank: int
    alpha: int
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Task:
    """What is trained, and on what.

    Attributes:
        batch: sequences of one optimizer step, over all ranks.
        sequence: tokens of one sequence.
        precision: of the computation; None: the device's default.
        samples: whether sequences hold samples of different lengths (fine-tuning), not one stretch of text.
        packed: whether one sequence holds several samples; else one sample and padding.
        adapters: None: all weights are trained.
        path: of a token file; None: synthetic tokens.
    """

    batch: int
    sequence: int
    precision: Precision | None = None
    samples: bool = False
    packed: bool = False
    adapters: Adapters | None = None
    path: str | None = None


def architecture(workload: Mapping[str, Any]) -> Architecture:
    """Read `workload.model.architecture`.

    Raises:
        InvalidConfiguration: a size that has no default is missing, or a value is of another kind.
    """
    given = (workload.get("model") or {}).get("architecture") or {}

    def size(name: str, default: int | None = None) -> int:
        return _size(f"workload.model.architecture.{name}", given.get(name), default)

    def word(name: str, choices: tuple[str, ...]) -> str:
        return _word(f"workload.model.architecture.{name}", given.get(name), choices)

    gated = word("activation", ("swiglu", "gelu")) == "swiglu"
    hidden, heads = size("hiddenSize"), size("attentionHeads")
    ffn = size("ffnHiddenSize", -(-8 * hidden // (3 * _GATED_MULTIPLE)) * _GATED_MULTIPLE if gated else 4 * hidden)
    experts = size("experts", 0)
    vision = word("kind", ("decoder", "vision-language")) == "vision-language"
    return Architecture(
        layers=size("layers"),
        hidden=hidden,
        ffn=ffn,
        heads=heads,
        groups=size("queryGroups", heads),
        head=size("headDimension", max(1, hidden // heads)),
        vocabulary=size("vocabSize"),
        experts=experts,
        experts_per_token=size("expertsPerToken", 1) if experts else 0,
        expert_ffn=size("expertFfnHiddenSize", ffn) if experts else 0,
        shared_ffn=size("sharedExpertFfnHiddenSize", 0) if experts else 0,
        tied=bool(given.get("tiedEmbeddings")),
        gated=gated,
        rms=word("normalization", ("rmsnorm", "layernorm")) == "rmsnorm",
        image_tokens=size("imageTokens", 0) if vision else 0,
    )


def task(workload: Mapping[str, Any]) -> Task:
    """Read what is trained, and on what.

    Raises:
        InvalidConfiguration: the batch or the sequence is missing, or a value is of another kind.
    """
    kind = _word("workload.task", workload.get("task"), ("training", "fine-tuning", "custom", "inference"))
    if kind == "inference":
        raise InvalidConfiguration("workload.task", "Megatron is measured at training; inference is vllm's task")
    tuning = kind == "fine-tuning"
    given = (workload.get("fineTuning") or {}) if tuning else {}
    adapters = None
    if _word("workload.fineTuning.method", given.get("method"), ("full", "lora")) == "lora":
        targets = given.get("loraTargets") or TARGETS
        adapters = Adapters(
            rank=_size("workload.fineTuning.loraRank", given.get("loraRank"), 16),
            alpha=_size("workload.fineTuning.loraAlpha", given.get("loraAlpha"), 32),
            targets=tuple(cast("Target", _word("workload.fineTuning.loraTargets", each, TARGETS)) for each in targets),
        )
    precision = workload.get("precision")
    return Task(
        batch=_size("workload.globalBatchSize", workload.get("globalBatchSize")),
        sequence=_size("workload.sequenceLength", workload.get("sequenceLength")),
        precision=cast("Precision", _word("workload.precision", precision, PRECISIONS)) if precision else None,
        samples=tuning,
        packed=tuning and given.get("packed", True) is not False,
        adapters=adapters,
        path=(workload.get("data") or {}).get("path"),
    )


def _size(field: str, value: object, default: int | None = None) -> int:
    if value is None:
        if default is None:
            raise InvalidConfiguration(field, "is missing: Megatron builds its model and batch from it")
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidConfiguration(field, f"{value!r} is no whole number from 1")
    return value


def _word(field: str, value: object, choices: tuple[str, ...]) -> str:
    if value is None:
        return choices[0]
    if value not in choices:
        raise InvalidConfiguration(field, f"{value!r} is not one of {', '.join(choices)}")
    return str(value)
