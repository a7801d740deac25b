"""What is tuned, and on what: `spec.workload` and `spec.hardware`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StringConstraints

from autoscout.api.fields import Integer, Label, Text
from autoscout.api.model import Model, Rule
from autoscout.api.quantity import NonNegative, Positive

Count = Annotated[Integer, Field(ge=1, le=2_000_000_000)]
LoraTarget = Literal["qkv", "proj", "fc1", "fc2"]
AbsolutePath = Annotated[str, StringConstraints(max_length=1024, pattern=r"^/.*[^/]$")]


class Architecture(Model):
    """The shape of a transformer, for profilers, presets and simulators. Leave out what does not apply."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.imageTokens) || !has(self.kind) || self.kind == 'vision-language'",
            "imageTokens needs kind vision-language: a decoder sees no image",
            ".imageTokens",
        ),
        Rule(
            "!has(self.queryGroups) || !has(self.attentionHeads) || self.attentionHeads % self.queryGroups == 0",
            "queryGroups must divide attentionHeads: each key-value head serves equally many query heads",
            ".queryGroups",
        ),
        Rule(
            "!has(self.expertsPerToken) || !has(self.experts) || self.expertsPerToken <= self.experts",
            "expertsPerToken must not be greater than experts",
            ".expertsPerToken",
        ),
    )

    layers: Count | None = Field(None, description="Number of transformer layers. Example: 32.")
    hidden_size: Count | None = Field(None, description="Width of the residual stream. Example: 4096.")
    ffn_hidden_size: Count | None = Field(None, description="Inner width of the feed-forward block. Example: 14336.")
    attention_heads: Count | None = Field(None, description="Number of attention (query) heads. Example: 32.")
    query_groups: Count | None = Field(
        None, description="Number of key-value heads (grouped-query attention). Example: 8."
    )
    head_dimension: Count | None = Field(
        None, description="Width of one head; hiddenSize / attentionHeads where it is left out. Example: 128."
    )
    vocab_size: Count | None = Field(None, description="Size of the vocabulary, in tokens. Example: 128256.")
    experts: Count | None = Field(
        None, description="Number of experts of a mixture-of-experts layer; leave it out for a dense model."
    )
    experts_per_token: Count | None = Field(None, description="Experts that one token is routed to. Example: 2.")
    expert_ffn_hidden_size: Count | None = Field(
        None, description="Inner width of one expert; ffnHiddenSize where it is left out. Example: 768."
    )
    shared_expert_ffn_hidden_size: Count | None = Field(
        None, description="Inner width of the expert that sees every token; left out: there is none. Example: 5632."
    )
    tied_embeddings: StrictBool | None = Field(
        None, description="Whether the output layer shares the weights of the embedding. Left out: it does not."
    )
    activation: Literal["swiglu", "gelu"] | None = Field(
        None, description="Activation of the feed-forward block. Left out: swiglu."
    )
    normalization: Literal["rmsnorm", "layernorm"] | None = Field(
        None, description="Normalization of the layers. Left out: rmsnorm."
    )
    kind: Literal["decoder", "vision-language"] | None = Field(
        None,
        description=(
            "decoder reads text tokens only; vision-language puts the embeddings of an image before them. Left out: "
            "decoder."
        ),
    )
    image_tokens: Count | None = Field(
        None,
        description="With kind vision-language: positions of a sequence that come from its image. Example: 256.",
    )


class MLModel(Model):
    """The model that is trained or served."""

    name: Text | None = Field(
        None, description="Name of the model, as its users know it. Example: meta-llama/Llama-3.1-8B."
    )
    architecture: Architecture | None = Field(
        None,
        description=(
            "Shape of the model, for profilers, presets and simulators. What it leaves out is that of the model known "
            "by this name, if one is."
        ),
    )


class FineTuning(Model):
    """How a model is fine-tuned."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *(
            Rule(
                f"self.method == 'lora' || !has(self.{field})",
                f"{field} needs method lora: full fine-tuning has no adapters",
                f".{field}",
            )
            for field in ("loraRank", "loraAlpha", "loraTargets")
        ),
        Rule(
            "!has(self.loraTargets) || self.loraTargets.all(t, self.loraTargets.exists_one(u, u == t))",
            "loraTargets must be distinct",
            ".loraTargets",
        ),
    )

    method: Literal["full", "lora"] = Field(
        "full", description="full trains every weight; lora trains low-rank adapters beside frozen weights."
    )
    lora_rank: Annotated[Integer, Field(ge=1, le=65_536)] | None = Field(
        None, description="With method lora: inner width of an adapter. Left out: 16."
    )
    lora_alpha: Annotated[Integer, Field(ge=1, le=65_536)] | None = Field(
        None, description="With method lora: an adapter's output is multiplied by loraAlpha / loraRank. Left out: 32."
    )
    lora_targets: Annotated[tuple[LoraTarget, ...], Field(min_length=1, max_length=4)] | None = Field(
        None,
        description=(
            "With method lora: the linear layers that get an adapter. qkv and proj belong to the attention, fc1 and "
            "fc2 to the feed-forward block. Left out: all four."
        ),
    )
    packed: StrictBool = Field(
        True,
        description=(
            "true packs samples of different lengths into each sequence, which attends within a sample only; false "
            "has one sample in each sequence."
        ),
    )


class Load(Model):
    """The requests that a served model answers while it is measured."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.mode != 'serving' || has(self.concurrency) != has(self.requestsPerSecond)",
            "give either concurrency or requestsPerSecond with mode serving: how the requests arrive",
            ".concurrency",
            "FieldValueRequired",
        ),
        *(
            Rule(
                f"self.mode == 'serving' || !has(self.{field})",
                f"{field} needs mode serving: offline hands over all requests at once",
                f".{field}",
            )
            for field in ("concurrency", "requestsPerSecond")
        ),
    )

    mode: Literal["offline", "serving"] = Field(
        "offline",
        description=(
            "offline hands over all requests at once and measures throughput; serving lets them arrive over time and "
            "measures latency too."
        ),
    )
    requests: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        64, description="Requests that are measured, besides those of the warm-up."
    )
    concurrency: Annotated[Integer, Field(ge=1, le=100_000)] | None = Field(
        None, description="With mode serving: requests in flight at once, each followed by the next. Example: 32."
    )
    requests_per_second: Positive | None = Field(
        None,
        description='With mode serving: mean rate at which requests arrive (a Poisson process). Example: "2.5".',
    )
    lengths: Literal["fixed", "sampled"] = Field(
        "fixed",
        description=(
            "fixed: every request has inputTokens and outputTokens; sampled: lengths vary around them. With data.path "
            "the file says."
        ),
    )


class Data(Model):
    """Where the samples come from, in place of synthetic ones."""

    path: AbsolutePath = Field(
        description=(
            "A file inside the container, mounted through profile.template: tokens for megatron, prompts as JSON lines "
            "for vllm. Example: /data/tokens.bin."
        )
    )


class Workload(Model):
    """What is tuned. It steers profilers, presets and simulators and is handed to the profiler."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.fineTuning) || self.task == 'fine-tuning'",
            "fineTuning needs task fine-tuning",
            ".fineTuning",
        ),
        Rule("!has(self.load) || self.task == 'inference'", "load needs task inference", ".load"),
    )

    framework: Literal["custom", "megatron", "vllm"] = Field(
        "custom",
        description=(
            "What runs the workload. megatron and vllm have a built-in profiler, which profile.command or profile.args "
            "replace; custom is any image with profile.command or profile.args."
        ),
    )
    task: Literal["training", "fine-tuning", "inference", "custom"] = Field(
        "custom", description="What the workload does."
    )
    model: MLModel | None = Field(None, description="The model that is trained or served.")
    global_batch_size: Count | None = Field(
        None, description="Sequences in one optimizer step, over all GPUs. Example: 64."
    )
    sequence_length: Count | None = Field(None, description="Tokens in one training sequence. Example: 4096.")
    input_tokens: Count | None = Field(None, description="Tokens of one inference prompt, on average. Example: 1024.")
    output_tokens: Count | None = Field(None, description="Tokens generated for one prompt, on average. Example: 256.")
    precision: Annotated[str, StringConstraints(max_length=32, pattern=r"^[a-z0-9][-a-z0-9_]*$")] | None = Field(
        None, description="Number format of the computation. Example: bf16, fp16, fp8, fp32."
    )
    fine_tuning: FineTuning | None = Field(
        None, description="With task fine-tuning: how. Left out: every weight is trained, samples are packed."
    )
    load: Load | None = Field(
        None, description="With task inference: the requests. Left out: 64 requests of fixed length, all at once."
    )
    data: Data | None = Field(None, description="Samples to measure with. Left out: synthetic ones.")


class Toleration(Model):
    """A taint that the profiles' pods accept, as in a pod's spec.tolerations."""

    key: Text | None = Field(None, description="Key of the taint; left out with operator Exists: every taint.")
    operator: Literal["Equal", "Exists"] = Field(
        "Equal", description="Equal compares the value too, Exists the key only."
    )
    value: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        None, description="Value of the taint, with operator Equal."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint; left out: every effect."
    )
    toleration_seconds: Annotated[Integer, Field(ge=0, le=10**9)] | None = Field(
        None, description="With effect NoExecute: seconds until the pod is evicted; left out: never."
    )


LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]


class Pool(Model):
    """A group of like nodes that profiles may use."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.gpusPerNode == 0 || has(self.gpu)",
            "gpu is required where gpusPerNode is above 0: name the product as in node label nvidia.com/gpu.product",
            ".gpu",
            "FieldValueRequired",
        ),
        Rule(
            "!has(self.gpu) || self.gpusPerNode > 0",
            "gpusPerNode must be at least 1 where gpu is given: without it no GPU would be requested",
            ".gpusPerNode",
        ),
    )

    name: Label = Field(description="Name of the pool within this job. Example: a100.")
    gpu: LabelValue | None = Field(
        None,
        min_length=1,
        description="GPU product, as in the node label nvidia.com/gpu.product. Example: NVIDIA-A100-SXM4-80GB.",
    )
    nodes: Annotated[Integer, Field(ge=1, le=10_000)] = Field(1, description="Nodes that one profile uses.")
    gpus_per_node: Annotated[Integer, Field(ge=0, le=64)] = Field(
        0, description="GPUs that one profile requests on each node (nvidia.com/gpu); 0: none, the CPU is measured."
    )
    price_per_gpu_hour: NonNegative | None = Field(
        None,
        description='Price of one GPU for one hour, in any currency; gives the status a cost. Example: "2.21".',
    )
    node_selector: dict[str, LabelValue] = Field(
        {}, max_length=32, description="Further labels that the nodes must carry. Example: {disktype: ssd}."
    )
    tolerations: tuple[Toleration, ...] = Field(
        (), max_length=32, description="Taints that the profiles' pods accept, as in a pod's spec.tolerations."
    )


CPU_POOL = Pool(name="cpu")


class Hardware(Model):
    """The nodes that profiles may use."""

    pools: tuple[Pool, ...] = Field(
        (CPU_POOL,),
        min_length=1,
        max_length=8,
        description="Groups of like nodes; distinct names. Default: one pool `cpu` without GPUs.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "default": [{name: value for name, value in CPU_POOL.manifest().items() if value not in ({}, [])}],
        },
    )
