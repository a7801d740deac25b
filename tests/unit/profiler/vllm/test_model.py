from __future__ import annotations

import json

import pytest

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.vllm.model import description, dtype_and_quantization, is_dense, mounted, written

LLAMA = {"layers": 2, "hiddenSize": 64, "ffnHiddenSize": 192, "attentionHeads": 4, "queryGroups": 2, "vocabSize": 500}


def test_a_dense_architecture_is_a_llama():
    config = description(LLAMA, "llama-3-8b", 1280)
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["num_hidden_layers"] == 2
    assert config["intermediate_size"] == 192
    assert config["num_key_value_heads"] == 2
    assert config["head_dim"] == 16
    assert config["max_position_embeddings"] == 1280
    assert not config["tie_word_embeddings"]


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("Qwen/Qwen2.5-7B", {}, "Qwen2ForCausalLM"),
        ("Qwen/Qwen3-8B", {}, "Qwen3ForCausalLM"),
        ("", {"experts": 8}, "MixtralForCausalLM"),
        ("mixtral-8x7b", {"experts": 8, "expertFfnHiddenSize": 192}, "MixtralForCausalLM"),
        ("", {"experts": 8, "expertFfnHiddenSize": 48}, "Qwen3MoeForCausalLM"),
        ("Qwen/Qwen3-30B-A3B", {"experts": 8}, "Qwen3MoeForCausalLM"),
        ("", {"experts": 8, "expertFfnHiddenSize": 48, "sharedExpertFfnHiddenSize": 96}, "Qwen2MoeForCausalLM"),
    ],
)
def test_the_family_follows_from_the_shape_and_then_from_the_name(name, more, expected):
    assert description(LLAMA | more, name, 100)["architectures"] == [expected]


def test_experts_have_their_own_width_where_they_are_given_one():
    config = description(LLAMA | {"experts": 8, "expertsPerToken": 3, "expertFfnHiddenSize": 48}, "", 100)
    assert (config["num_experts"], config["num_experts_per_tok"], config["moe_intermediate_size"]) == (8, 3, 48)
    mixtral = description(LLAMA | {"experts": 8}, "", 100)
    assert (mixtral["num_local_experts"], mixtral["intermediate_size"]) == (8, 192)


@pytest.mark.parametrize(
    ("architecture", "field"),
    [
        ({}, "workload.model.architecture.layers"),
        (LLAMA | {"layers": 0}, "workload.model.architecture.layers"),
        (LLAMA | {"attentionHeads": None}, "workload.model.architecture.attentionHeads"),
        (LLAMA | {"activation": "gelu"}, "workload.model.architecture.activation"),
        (LLAMA | {"normalization": "layernorm"}, "workload.model.architecture.normalization"),
    ],
)
def test_what_can_not_be_made_is_refused_with_its_field(architecture, field):
    with pytest.raises(InvalidConfiguration) as refusal:
        description(architecture, "", 100)
    assert refusal.value.field == field


def test_the_defaults_of_an_architecture_may_be_said_aloud():
    assert description(LLAMA | {"activation": "swiglu", "normalization": "rmsnorm"}, "", 100)


def test_a_made_model_has_no_weights(tmp_path):
    source = written(LLAMA, "llama", 100, tmp_path)
    assert (source.load_format, source.vocabulary, source.layers) == ("dummy", 500, 2)
    assert json.loads((source.path / "config.json").read_text())["hidden_size"] == 64


def test_mounted_files_are_used_with_their_weights_if_they_have_some(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(description(LLAMA, "", 100)))
    assert mounted(str(tmp_path)).load_format == "dummy"
    (tmp_path / "model-00001.safetensors").touch()
    assert mounted(str(tmp_path)).load_format == "auto"


def test_the_decoder_of_a_vision_language_model_is_found(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"vocab_size": 9, "num_hidden_layers": 3}}))
    assert (mounted(str(tmp_path)).vocabulary, mounted(str(tmp_path)).layers) == (9, 3)


def test_a_model_that_should_be_mounted_and_is_not_is_missed(tmp_path):
    assert mounted("meta-llama/Llama-3.1-8B") is None
    with pytest.raises(InvalidConfiguration, match="mount the model there"):
        mounted(str(tmp_path / "absent"))


def test_precisions():
    assert dtype_and_quantization("") == ("auto", None)
    assert dtype_and_quantization("bf16") == ("bfloat16", None)
    assert dtype_and_quantization("fp32") == ("float32", None)
    assert dtype_and_quantization("fp8") == ("bfloat16", "fp8")
    with pytest.raises(InvalidConfiguration, match=r"workload.precision: 'int3'; there are bf16"):
        dtype_and_quantization("int3")


def test_whether_a_model_has_experts_is_seen_in_its_files(tmp_path):
    assert written(LLAMA, "", 64, tmp_path).dense
    assert not written(LLAMA | {"experts": 8}, "", 64, tmp_path).dense
    found = mounted(str(tmp_path))
    assert found is not None
    assert not found.dense


@pytest.mark.parametrize(
    ("model", "dense"),
    [
        ({"architecture": LLAMA}, True),
        ({"name": "meta-llama/Llama-3.1-8B", "architecture": LLAMA}, True),
        ({"architecture": LLAMA | {"experts": 8}}, False),
        ({"name": "/models/ours"}, False),  # nobody has looked at it
    ],
)
def test_a_model_that_is_mounted_may_have_experts(model, dense):
    assert is_dense({"model": model}) is dense
