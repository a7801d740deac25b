"""What is tuned, and on what: `spec.workload` and `spec.hardware`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from autoscout.api.fields import Integer, Label, Text
from autoscout.api.model import Model, Rule
from autoscout.api.quantity import NonNegative

Count = Annotated[Integer, Field(ge=1, le=2_000_000_000)]


class Architecture(Model):
    """The shape of a transformer, for presets and simulators. Leave out what does not apply."""

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


class MLModel(Model):
    """The model that is trained or served."""

    name: Text | None = Field(
        None, description="Name of the model, as its users know it. Example: meta-llama/Llama-3.1-8B."
    )
    architecture: Architecture | None = Field(
        None, description="Shape of the model, for presets and simulators; explicit search spaces need none."
    )


class Workload(Model):
    """What is tuned. It steers presets and simulators and is handed to the profiler as it is."""

    framework: Literal["custom", "megatron", "vllm"] = Field(
        "custom",
        description="What runs the workload. `custom` is any image with profile.command or profile.args.",
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
