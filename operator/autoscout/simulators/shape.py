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
        ffn: inner width of the feed-forward block; with experts, of one expert.
        shared: inner width of the expert that sees every token; 0: there is none.
        gated: whether the feed-forward block has a gate (SwiGLU: three matrices) or not (two).
        tied: whether input and output embedding are one matrix.
        dropout: whether masks of hidden dropout are kept (the GPT family's training recipe).
        frozen: whether its weights have neither gradients nor optimizer states, because adapters are trained instead;
            those are so small (about 1 % of the weights) that they are left out.
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
    shared: int = 0
    frozen: bool = False

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
    def shared_parameters(self) -> int:
        """Of the expert that sees every token, in one layer."""
        return (3 if self.gated else 2) * self.hidden * self.shared

    @property
    def embedding_parameters(self) -> int:
        """Of one embedding matrix."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Of the whole model."""
        ffn = self.experts * self.expert_parameters + self.shared_parameters
        block = self.attention_parameters + ffn + 2 * self.hidden
        return self.layers * block + self.embedding_parameters * (1 if self.tied else 2)


def shape(workload: Workload) -> Shape | None:
    """The shape of a job's model; None if the job does not give layers and hidden size."""
    given = workload.architecture
    if given is None or given.layers is None or given.hidden_size is None:
        return None
    hidden = given.hidden_size
    heads = given.attention_heads or max(1, hidden // 128)
    name = (workload.model or "").lower()
    ffn = (given.expert_ffn_hidden_size if given.experts else None) or given.ffn_hidden_size
    gated = any(word in name for word in _GATED)
    if given.activation is not None:
        gated = given.activation == "swiglu"
    elif not gated and not any(word in name for word in _PLAIN):
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
        tied=not gated if given.tied_embeddings is None else given.tied_embeddings,
        dropout=not gated,
        shared=(given.shared_expert_ffn_hidden_size or 0) if given.experts else 0,
        frozen=workload.adapters,
    )
