"""The transformer behind a workload: sizes that every model needs, filled in where the job leaves them out."""

from __future__ import annotations

from dataclasses import dataclass

from autoscout.simulators.workload import Workload

_GATED = ("llama", "mistral", "mixtral", "qwen", "gemma", "deepseek", "phi-3", "phi3", "yi-", "baichuan", "glm", "olmo")
_PLAIN = ("gpt", "megatron", "opt-", "bloom", "falcon", "bert", "t5", "starcoder")


@dataclass(frozen=True)
class Shape:
    """A decoder. All sizes are counts.

    Attributes:
        gated: whether the feed-forward block has a gate (SwiGLU: three matrices) or not (two).
        tied: whether input and output embedding are one matrix.
        dropout: whether masks of hidden dropout are kept (the GPT family's training recipe).
        attention_width: query heads times head dimension.
        key_width: key-value heads times head dimension.
    """

    layers: int
    hidden: int
    ffn: int
    heads: int
    groups: int
    head: int
    vocabulary: int
    experts: int
    active_experts: int
    gated: bool
    tied: bool
    dropout: bool

    @property
    def attention_width(self) -> int:
        return self.heads * self.head

    @property
    def key_width(self) -> int:
        return self.groups * self.head

    @property
    def attention_parameters(self) -> int:
        """Of one layer."""
        return self.hidden * (2 * self.attention_width + 2 * self.key_width)

    @property
    def expert_parameters(self) -> int:
        """Of one expert, or of the whole feed-forward block if it is dense."""
        return (3 if self.gated else 2) * self.hidden * self.ffn

    @property
    def embedding_parameters(self) -> int:
        """Of one embedding matrix."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Of the whole model."""
        block = self.attention_parameters + self.experts * self.expert_parameters + 2 * self.hidden
        return self.layers * block + self.embedding_parameters * (1 if self.tied else 2)


def shape(workload: Workload) -> Shape | None:
    """The shape of a job's model; None if the job does not give layers and hidden size."""
    given = workload.architecture
    if given is None or given.layers is None or given.hidden_size is None:
        return None
    hidden = given.hidden_size
    heads = given.attention_heads or max(1, hidden // 128)
    name = (workload.model or "").lower()
    ffn = given.ffn_hidden_size
    gated = any(word in name for word in _GATED)
    if not gated and not any(word in name for word in _PLAIN):
        # Two matrices of four times the width, or three of about 8/3 of it: the same number of parameters.
        gated = ffn is not None and ffn != 4 * hidden
    return Shape(
        layers=given.layers,
        hidden=hidden,
        ffn=ffn or (8 * hidden // 3 if gated else 4 * hidden),
        heads=heads,
        groups=given.query_groups or heads,
        head=given.head_dimension or max(1, hidden // heads),
        vocabulary=given.vocab_size or 50_000,
        experts=given.experts or 1,
        active_experts=(given.experts_per_token or 1) if given.experts else 1,
        gated=gated,
        tied=not gated,
        dropout=not gated,
    )
