"""What megatron-core is asked for on a GPU with Transformer Engine: accepted by its own checks, without either here."""

from __future__ import annotations

import pytest
import torch
from packaging.version import Version
from tests.profilers.megatron.cases import EXPERTS, LORA, workload

from autoscout_profiler.megatron import settings


class Gpu:
    """A GPU as far as a configuration asks for it."""

    gpu = "NVIDIA H100 80GB HBM3"
    backend = "nccl"
    default_precision = "bf16"
    torch = torch.device("cuda", 0)


@pytest.fixture
def model(monkeypatch):
    """The module that builds models, where Transformer Engine seems to be installed."""
    from megatron.core import utils
    from megatron.core.extensions.transformer_engine_spec_provider import TESpecProvider
    from megatron.core.models.common.embeddings import rope_utils
    from megatron.core.models.gpt import gpt_layer_specs

    from autoscout_profiler.megatron import model

    monkeypatch.setattr(model, "HAVE_TE", True)
    monkeypatch.setattr(utils, "_te_version", Version("2.8.0"))
    monkeypatch.setattr(rope_utils, "fused_apply_rotary_pos_emb", object())
    monkeypatch.setattr(gpt_layer_specs, "TESpecProvider", TESpecProvider, raising=False)
    return model


def read(configuration, given, world=1):
    return settings.read(configuration, given, world=world, default_precision="bf16")


@pytest.mark.parametrize(
    ("configuration", "given", "world", "expected"),
    [
        ({}, workload(), 1, {"bf16": True, "apply_rope_fusion": True, "bias_activation_fusion": True, "fp8": None}),
        ({}, workload(precision="fp8"), 1, {"fp8": "hybrid", "bf16": True, "params_dtype": torch.bfloat16}),
        ({"tp": 2, "sp": True, "tpo": True}, workload(), 2, {"tp_comm_overlap": True, "sequence_parallel": True}),
        ({}, workload(shape=EXPERTS, precision="fp8"), 1, {"fp8": "hybrid", "moe_grouped_gemm": True}),
        ({"cp": 2}, workload(), 2, {"context_parallel_size": 2}),
        ({"ar": "selective"}, workload(), 1, {"recompute_granularity": "selective", "recompute_num_layers": None}),
        ({"pp": 2, "vpp": 2}, workload(), 2, {"overlap_p2p_comm": True, "deallocate_pipeline_outputs": True}),
        ({}, workload(shape={"activation": "gelu"}), 1, {"add_bias_linear": True, "bias_activation_fusion": True}),
        ({}, workload(shape=EXPERTS | {"activation": "gelu"}), 1, {"bias_activation_fusion": False}),
        ({}, workload(shape=EXPERTS | {"expertsPerToken": 1}), 1, {"moe_router_pre_softmax": True}),
    ],
)
def test_a_configuration_is_accepted(model, configuration, given, world, expected):
    made = model.configuration(read(configuration, given, world), Gpu())
    assert {name: getattr(made, name) for name in expected} == expected


@pytest.mark.parametrize(("precision", "grouped"), [("bf16", True), ("fp16", False), ("fp32", False)])
def test_experts_are_one_grouped_product_where_megatron_lm_allows_it(model, precision, grouped):
    given = read({}, workload(shape=EXPERTS, precision=precision))
    assert model.configuration(given, Gpu()).moe_grouped_gemm is grouped


@pytest.mark.parametrize("shape", [{}, EXPERTS], ids=["dense", "experts"])
def test_an_adapter_gets_its_input_normalized(model, shape):
    from megatron.core.extensions import transformer_engine as engine

    plain, adapted = (
        model._specification(given, model.configuration(given, Gpu()), Gpu(), None).submodules
        for given in (read({}, workload(shape=shape)), read({}, workload("fine-tuning", shape, fineTuning=LORA)))
    )
    assert plain.self_attention.submodules.linear_qkv is engine.TELayerNormColumnParallelLinear
    assert adapted.self_attention.submodules.linear_qkv is engine.TEColumnParallelLinear
    assert (adapted.input_layernorm, adapted.pre_mlp_layernorm) == (engine.TENorm, engine.TENorm)
    if not shape:
        assert plain.mlp.submodules.linear_fc1 is engine.TELayerNormColumnParallelLinear
        assert adapted.mlp.submodules.linear_fc1 is engine.TEColumnParallelLinear
