"""The model of a trial: megatron-core's GPTModel, one for each stage that this rank has."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.models.gpt import GPTModel
from megatron.core.models.gpt.gpt_layer_specs import (
    HAVE_TE,
    get_gpt_layer_local_spec,
    get_gpt_layer_with_transformer_engine_spec,
)
from megatron.core.tensor_parallel.mappings import scatter_to_sequence_parallel_region
from megatron.core.transformer.module import Float16Module
from megatron.core.transformer.moe import moe_utils
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules, get_num_layers_to_build
from megatron.core.transformer.transformer_config import TransformerConfig

from autoscout_profiler.megatron.attention import AllGatherAttention
from autoscout_profiler.megatron.device import Device
from autoscout_profiler.megatron.lora import adapt
from autoscout_profiler.megatron.settings import Settings

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.bfloat16}
BALANCING_LOSS = 0.01
"""Weight of the loss that keeps experts evenly used."""


def has_transformer_engine(device: Device) -> bool:
    """Whether layers are Transformer Engine's: where it is installed, and on GPUs only."""
    return bool(device.gpu and HAVE_TE)


def build(settings: Settings, device: Device) -> tuple[list[Any], TransformerConfig]:
    """The stages of this rank, in the order of their layers, and the configuration that they share."""
    if not hasattr(moe_utils, "te_general_gemm"):
        moe_utils.te_general_gemm = None  # the router asks for this name even where Transformer Engine is missing
    config = configuration(settings, device)
    several = settings.layout.virtual > 1
    stages = []
    for number in range(settings.layout.virtual):
        stage = _stage(settings, config, device, number if several else None).to(device.torch)
        stages.append(Float16Module(config, stage) if config.bf16 or config.fp16 else stage)
    return stages, config


def configuration(settings: Settings, device: Device) -> TransformerConfig:
    """Megatron's own form of the settings."""
    model, layout, task = settings.architecture, settings.layout, settings.task
    engine, gpu, dtype = has_transformer_engine(device), bool(device.gpu), DTYPES[settings.precision]
    biased = not model.gated and not model.experts
    return TransformerConfig(
        num_layers=model.layers,
        hidden_size=model.hidden,
        ffn_hidden_size=model.ffn,
        num_attention_heads=model.heads,
        num_query_groups=model.groups,
        kv_channels=model.head,
        gated_linear_unit=model.gated,
        activation_func=torch.nn.functional.silu if model.gated else torch.nn.functional.gelu,
        add_bias_linear=biased,
        normalization="RMSNorm" if model.rms else "LayerNorm",
        hidden_dropout=0.0,
        attention_dropout=0.0,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        fp8="hybrid" if settings.precision == "fp8" else None,
        tensor_model_parallel_size=layout.tensor,
        pipeline_model_parallel_size=layout.pipeline,
        virtual_pipeline_model_parallel_size=layout.virtual if layout.virtual > 1 else None,
        context_parallel_size=layout.context,
        expert_model_parallel_size=layout.expert,
        expert_tensor_parallel_size=layout.expert_tensor,
        sequence_parallel=layout.sequence,
        overlap_p2p_comm=settings.overlap_p2p,
        batch_p2p_comm=not settings.overlap_p2p,
        # What gloo still sends must stay where it is; NCCL keeps the memory by itself.
        deallocate_pipeline_outputs=gpu or not settings.overlap_p2p,
        tp_comm_overlap=settings.tensor_overlap,
        recompute_granularity=None if settings.recomputation == "none" else settings.recomputation,
        recompute_method=settings.recompute_method if settings.recomputation == "full" else None,
        recompute_num_layers=settings.recompute_layers if settings.recomputation == "full" else None,
        # Rows with padding or images count unequally many tokens: their mean is taken over all of them.
        calculate_per_token_loss=task.samples or model.image_tokens > 0,
        # Fusions are compiled by torch for GPUs, or kernels of Transformer Engine and Apex.
        bias_activation_fusion=gpu and (model.gated or biased),
        bias_dropout_fusion=gpu,
        apply_rope_fusion=engine,
        masked_softmax_fusion=False,
        gradient_accumulation_fusion=gpu and importlib.util.find_spec("fused_weight_gradient_mlp_cuda") is not None,
        attention_softmax_in_fp32=True,
        **(_experts(settings, engine=engine) if model.experts else {}),
    )


class Norm:
    """torch's normalization for Megatron's layers: RMSNorm or LayerNorm, as the configuration says.

    Megatron's own wrapper refuses sequence parallelism. All that it takes is to mark the weights: Megatron then sums
    their gradients over the tensor-parallel ranks, each of which saw a part of the sequence.
    """

    def __new__(cls, config: TransformerConfig, hidden_size: int, eps: float = 1e-5, **_: Any) -> Any:
        """A module of torch."""
        kind = torch.nn.RMSNorm if config.normalization == "RMSNorm" else torch.nn.LayerNorm
        module = kind(hidden_size, eps=eps, device=torch.cuda.current_device(), dtype=config.params_dtype)
        for parameter in module.parameters():
            parameter.sequence_parallel = config.sequence_parallel
        return module


class VisionLanguageModel(GPTModel):  # type: ignore[misc] # megatron has no types
    """The decoder of a vision-language model: some positions come as embeddings of an image, not as tokens."""

    def forward(
        self,
        input_ids: Any,
        position_ids: Any,
        attention_mask: Any,
        *,
        images: Any,
        image_positions: Any,
        **options: Any,
    ) -> Any:
        """As `GPTModel`; `images` [positions, batch, hidden] replace the tokens at `image_positions` [positions]."""
        embeddings = None
        if self.pre_process:
            embeddings = self.embedding(input_ids=input_ids, position_ids=position_ids)
            embeddings = embeddings.index_copy(0, image_positions, images.to(embeddings.dtype))
            if self.config.sequence_parallel:
                embeddings = scatter_to_sequence_parallel_region(embeddings)
        return super().forward(input_ids, position_ids, attention_mask, decoder_input=embeddings, **options)


def _experts(settings: Settings, *, engine: bool) -> dict[str, Any]:
    model = settings.architecture
    return {
        "num_moe_experts": model.experts,
        "moe_ffn_hidden_size": model.expert_ffn,
        "moe_router_topk": model.experts_per_token,
        # Of a single score behind the choice the softmax is 1 whatever the router says: Megatron refuses that.
        "moe_router_pre_softmax": model.experts_per_token == 1,
        "moe_shared_expert_intermediate_size": model.shared_ffn or None,
        "moe_token_dispatcher_type": settings.dispatcher,
        "moe_router_load_balancing_type": "aux_loss",
        "moe_aux_loss_coeff": BALANCING_LOSS,
        # Megatron-LM takes the grouped product in bf16 only.
        "moe_grouped_gemm": engine and not settings.task.adapters and DTYPES[settings.precision] is torch.bfloat16,
    }


def _stage(settings: Settings, config: TransformerConfig, device: Device, virtual: int | None) -> Any:
    if virtual is not None:
        parallel_state.set_virtual_pipeline_model_parallel_rank(virtual)
    vision = settings.architecture.image_tokens > 0
    where = {"ignore_virtual": False, "vp_stage": virtual}
    stage = (VisionLanguageModel if vision else GPTModel)(
        config=config,
        transformer_layer_spec=_specification(settings, config, device, virtual),
        vocab_size=settings.padded_vocabulary,
        max_sequence_length=settings.task.sequence,
        pre_process=parallel_state.is_pipeline_first_stage(**where),
        post_process=parallel_state.is_pipeline_last_stage(**where),
        share_embeddings_and_output_weights=settings.architecture.tied,
        position_embedding_type="rope",
        # Images are put among the embeddings of all positions, before these are split over ranks.
        scatter_embedding_sequence_parallel=not vision,
        vp_stage=virtual,
    )
    if settings.task.adapters:
        adapt(stage, config, settings.task.adapters)
    return stage


def _specification(settings: Settings, config: TransformerConfig, device: Device, virtual: int | None) -> Any:
    experts = settings.architecture.experts or None
    if has_transformer_engine(device):
        layer = get_gpt_layer_with_transformer_engine_spec(
            num_experts=experts, moe_grouped_gemm=config.moe_grouped_gemm
        )
        if settings.task.adapters:
            _unfuse(layer, dense=experts is None)
        return layer
    layer = get_gpt_layer_local_spec(num_experts=experts, normalization=config.normalization)
    parts = layer.submodules
    parts.input_layernorm = parts.pre_mlp_layernorm = Norm
    if settings.layout.context > 1:
        parts.self_attention.submodules.core_attention = AllGatherAttention
    count = get_num_layers_to_build(config, vp_stage=virtual)
    return TransformerBlockSubmodules(layer_specs=[layer] * count, layer_norm=Norm)


def _unfuse(layer: Any, *, dense: bool) -> None:
    """Take the normalization out of Transformer Engine's linear layers: an adapter needs their normalized input."""
    from megatron.core.extensions.transformer_engine import (  # noqa: PLC0415 - not installed everywhere
        TEColumnParallelLinear,
        TENorm,
    )

    parts = layer.submodules
    parts.input_layernorm = TENorm
    parts.self_attention.submodules.linear_qkv = TEColumnParallelLinear
    if dense:
        parts.pre_mlp_layernorm = TENorm
        parts.mlp.submodules.linear_fc1 = TEColumnParallelLinear
