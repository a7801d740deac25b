"""What runs and where, as simulators see it: the core's mirror of `spec.workload` and `spec.hardware`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """The shape of a transformer; None where it is not known or does not apply.

    Attributes:
        layers: transformer layers.
        hidden_size: width of the residual stream.
        ffn_hidden_size: inner width of the feed-forward block.
        attention_heads: query heads.
        query_groups: key-value heads; None: as many as there are query heads.
        head_dimension: width of one head; None: hidden_size / attention_heads.
        vocab_size: tokens in the vocabulary.
        experts: experts of a mixture-of-experts layer; None: dense.
        experts_per_token: experts that one token is routed to.
        expert_ffn_hidden_size: inner width of one expert; None: ffn_hidden_size.
        shared_expert_ffn_hidden_size: inner width of the expert that sees every token; None: there is none.
        tied_embeddings: whether the output layer shares the weights of the embedding.
        activation: `swiglu` (a gate: three matrices) or `gelu` (two).
        normalization: `rmsnorm` or `layernorm`.
        kind: `decoder` or `vision-language`.
        image_tokens: positions of a sequence that come from its image.
    """

    layers: int | None = None
    hidden_size: int | None = None
    ffn_hidden_size: int | None = None
    attention_heads: int | None = None
    query_groups: int | None = None
    head_dimension: int | None = None
    vocab_size: int | None = None
    experts: int | None = None
    experts_per_token: int | None = None
    expert_ffn_hidden_size: int | None = None
    shared_expert_ffn_hidden_size: int | None = None
    tied_embeddings: bool | None = None
    activation: str | None = None
    normalization: str | None = None
    kind: str | None = None
    image_tokens: int | None = None


@dataclass(frozen=True)
class Workload:
    """What is tuned.

    Attributes:
        framework: `megatron`, `vllm` or `custom`.
        task: `training`, `fine-tuning`, `inference` or `custom`.
        model: name of the model, as its users know it.
        architecture: its shape, if the job gives it.
        global_batch_size: sequences in one optimizer step, over all GPUs.
        sequence_length: tokens in one training sequence.
        input_tokens: tokens of one prompt, on average.
        output_tokens: tokens generated for one prompt, on average.
        precision: number format of the computation: bf16, fp16, fp8, fp32.
        adapters: whether low-rank adapters are trained and the model's own weights stay as they are (LoRA).
        in_flight: requests that a served model has in flight at most, over all replicas.
    """

    framework: str = "custom"
    task: str = "custom"
    model: str | None = None
    architecture: Architecture | None = None
    global_batch_size: int | None = None
    sequence_length: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    precision: str | None = None
    adapters: bool = False
    in_flight: int | None = None


@dataclass(frozen=True)
class Pool:
    """A group of like nodes that one profile may use.

    Attributes:
        name: of the pool within the job.
        gpu: product, as in the node label nvidia.com/gpu.product; None: no GPU.
        nodes: nodes that one profile uses.
        gpus_per_node: GPUs that one profile requests on each node.
        price_per_gpu_hour: of one GPU, in any currency; None: not given.
    """

    name: str
    gpu: str | None = None
    nodes: int = 1
    gpus_per_node: int = 0
    price_per_gpu_hour: float | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the whole pool."""
        return self.nodes * self.gpus_per_node


@dataclass(frozen=True)
class Hardware:
    """The nodes that profiles may use; the first pool is used where a configuration names none."""

    pools: tuple[Pool, ...] = (Pool("cpu"),)

    @property
    def gpus(self) -> int:
        """GPUs of the first pool."""
        return self.pools[0].gpus
