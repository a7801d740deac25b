"""The catalogue of models: its shapes are those that were published."""

from __future__ import annotations

import pytest

from autoscout.simulators.models import MODELS, architecture_of, complete
from autoscout.simulators.shape import shape
from autoscout.simulators.workload import Architecture, Workload

PUBLISHED = {
    # Billions of parameters as the makers count them: model cards and technical reports (see simulators/models.py).
    "llama-2-7b": 6.74,
    "llama-2-13b": 13.02,
    "llama-2-70b": 68.98,
    "llama-3-8b": 8.03,
    "llama-3.1-8b": 8.03,
    "llama-3.1-70b": 70.55,
    "llama-3.1-405b": 405.85,
    "llama-3.2-1b": 1.24,
    "llama-3.2-3b": 3.21,
    "qwen2-0.5b": 0.494,
    "qwen2.5-1.5b": 1.54,
    "qwen2.5-3b": 3.09,
    "qwen2.5-7b": 7.62,
    "qwen2.5-14b": 14.77,
    "qwen2.5-32b": 32.76,
    "qwen2.5-72b": 72.71,
    "qwen3-0.6b": 0.596,
    "qwen3-1.7b": 1.72,
    "qwen3-4b": 4.02,
    "qwen3-8b": 8.19,
    "qwen3-14b": 14.77,
    "qwen3-32b": 32.76,
    "qwen1.5-moe-a2.7b": 14.32,
    "qwen2-57b-a14b": 57.41,
    "qwen3-30b-a3b": 30.53,
    "qwen3-235b-a22b": 235.09,
    "mixtral-8x7b": 46.70,
    "mixtral-8x22b": 140.62,
    "gpt3-1.3b": 1.31,
    "gpt3-6.7b": 6.65,
    "gpt3-13b": 12.85,
    "gpt3-175b": 174.6,
}


def parameters(name: str) -> float:
    found = shape(Workload(model=name, architecture=MODELS[name]))
    assert found is not None
    return found.parameters / 1e9


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_shape_has_as_many_parameters_as_were_published(name: str):
    assert parameters(name) == pytest.approx(PUBLISHED[name], rel=0.006)


@pytest.mark.parametrize("name", MODELS)
def test_a_shape_divides_as_a_transformer_does(name: str):
    model = MODELS[name]
    assert model.attention_heads is not None
    assert model.query_groups is not None
    assert model.attention_heads % model.query_groups == 0
    assert model.expert_ffn_hidden_size is None or model.experts is not None


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("meta-llama/Meta-Llama-3-8B", "llama-3-8b"),
        ("meta-llama/Llama-2-7b-chat-hf", "llama-2-7b"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen3-30b-a3b"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "qwen2.5-7b"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b"),
        ("mistralai/Mixtral-8x22B-Instruct-v0.1", "mixtral-8x22b-instruct-v0.1"),
        ("liuhaotian/llava-v1.5-7b", "llava-1.5-7b"),
        ("GPT-3-175B", "gpt3-175b"),
    ],
)
def test_a_model_is_found_as_its_users_write_it(written: str, name: str):
    assert architecture_of(written) == MODELS[name]


def test_another_size_or_another_model_is_not_guessed():
    assert architecture_of("meta-llama/Llama-3.1-9B") is None
    assert architecture_of("Qwen/Qwen2.5-Coder-7B") is None
    assert architecture_of(None) is None


def test_what_the_job_gives_wins_and_the_catalogue_fills_the_rest():
    found = complete("Llama-3.1-8B", Architecture(layers=4))
    assert found is not None
    assert (found.layers, found.hidden_size, found.vocab_size) == (4, 4096, 128_256)
    assert complete("unheard-of", Architecture(layers=4)) == Architecture(layers=4)
    assert complete("unheard-of", None) is None
