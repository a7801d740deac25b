"""The catalogue of models: shapes that a job gets from the name of its model.

Every figure is that of the `config.json` that its makers publish beside the weights, or of the paper named above it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace

from autoscout.simulators.workload import Architecture


def _decoder(
    layers: int,
    hidden: int,
    ffn: int,
    heads: int,
    groups: int,
    vocabulary: int,
    *,
    head: int | None = None,
    tied: bool = False,
) -> Architecture:
    """A decoder of the Llama family: RMSNorm, SwiGLU, grouped queries."""
    return Architecture(
        layers=layers,
        hidden_size=hidden,
        ffn_hidden_size=ffn,
        attention_heads=heads,
        query_groups=groups,
        head_dimension=head or hidden // heads,
        vocab_size=vocabulary,
        tied_embeddings=tied,
        activation="swiglu",
        normalization="rmsnorm",
        kind="decoder",
    )


def _experts(base: Architecture, experts: int, routed: int, ffn: int, shared: int | None = None) -> Architecture:
    return replace(
        base,
        experts=experts,
        experts_per_token=routed,
        expert_ffn_hidden_size=ffn,
        shared_expert_ffn_hidden_size=shared,
    )


def _gpt(layers: int, hidden: int, heads: int) -> Architecture:
    return replace(
        _decoder(layers, hidden, 4 * hidden, heads, heads, 50_257, tied=True),
        activation="gelu",
        normalization="layernorm",
    )


def _vision(decoder: Architecture, *, vocabulary: int | None = None, image_tokens: int | None = None) -> Architecture:
    """A vision-language model: its decoder; the encoder of images is not part of the shape."""
    return replace(
        decoder,
        kind="vision-language",
        vocab_size=vocabulary or decoder.vocab_size,
        image_tokens=image_tokens,
    )


# Touvron et al. 2023, "Llama 2"; config.json of meta-llama/Llama-2-{7b,13b,70b}-hf.
_LLAMA_2 = {
    "llama-2-7b": _decoder(32, 4096, 11_008, 32, 32, 32_000),
    "llama-2-13b": _decoder(40, 5120, 13_824, 40, 40, 32_000),
    "llama-2-70b": _decoder(80, 8192, 28_672, 64, 8, 32_000),
}

_LLAMA_8B = _decoder(32, 4096, 14_336, 32, 8, 128_256)
_LLAMA_70B = _decoder(80, 8192, 28_672, 64, 8, 128_256)
# Dubey et al. 2024, "The Llama 3 Herd of Models"; config.json of meta-llama/Meta-Llama-3-{8B,70B},
# Llama-3.1-{8B,70B,405B}, Llama-3.2-{1B,3B}, Llama-3.3-70B-Instruct.
_LLAMA_3 = {
    "llama-3-8b": _LLAMA_8B,
    "llama-3-70b": _LLAMA_70B,
    "llama-3.1-8b": _LLAMA_8B,
    "llama-3.1-70b": _LLAMA_70B,
    "llama-3.1-405b": _decoder(126, 16_384, 53_248, 128, 8, 128_256),
    "llama-3.2-1b": _decoder(16, 2048, 8192, 32, 8, 128_256, tied=True),
    "llama-3.2-3b": _decoder(28, 3072, 8192, 24, 8, 128_256, tied=True),
    "llama-3.3-70b": _LLAMA_70B,
}

_QWEN_SMALL = _decoder(24, 896, 4864, 14, 2, 151_936, tied=True)
_QWEN_1_5B = _decoder(28, 1536, 8960, 12, 2, 151_936, tied=True)
_QWEN_3B = _decoder(36, 2048, 11_008, 16, 2, 151_936, tied=True)
_QWEN_7B = _decoder(28, 3584, 18_944, 28, 4, 152_064)
_QWEN_72B = _decoder(80, 8192, 29_568, 64, 8, 152_064)
# Yang et al. 2024, "Qwen2 Technical Report" and "Qwen2.5 Technical Report"; config.json of Qwen/Qwen2-SIZE,
# Qwen2.5-SIZE.
_QWEN_2 = {
    "qwen2-0.5b": _QWEN_SMALL,
    "qwen2-1.5b": _QWEN_1_5B,
    "qwen2-7b": _QWEN_7B,
    "qwen2-72b": _QWEN_72B,
    "qwen2.5-0.5b": _QWEN_SMALL,
    "qwen2.5-1.5b": _QWEN_1_5B,
    "qwen2.5-3b": _QWEN_3B,
    "qwen2.5-7b": _QWEN_7B,
    "qwen2.5-14b": _decoder(48, 5120, 13_824, 40, 8, 152_064),
    "qwen2.5-32b": _decoder(64, 5120, 27_648, 40, 8, 152_064),
    "qwen2.5-72b": _QWEN_72B,
}
# Yang et al. 2025, "Qwen3 Technical Report"; config.json of Qwen/Qwen3-SIZE.
_QWEN_3 = {
    "qwen3-0.6b": _decoder(28, 1024, 3072, 16, 8, 151_936, head=128, tied=True),
    "qwen3-1.7b": _decoder(28, 2048, 6144, 16, 8, 151_936, head=128, tied=True),
    "qwen3-4b": _decoder(36, 2560, 9728, 32, 8, 151_936, head=128, tied=True),
    "qwen3-8b": _decoder(36, 4096, 12_288, 32, 8, 151_936, head=128),
    "qwen3-14b": _decoder(40, 5120, 17_408, 40, 8, 151_936, head=128),
    "qwen3-32b": _decoder(64, 5120, 25_600, 64, 8, 151_936, head=128),
}
# config.json of Qwen/Qwen1.5-MoE-A2.7B, Qwen2-57B-A14B, Qwen3-30B-A3B, Qwen3-235B-A22B (reports as above).
_QWEN_EXPERTS = {
    "qwen1.5-moe-a2.7b": _experts(_decoder(24, 2048, 5632, 16, 16, 151_936), 60, 4, 1408, 5632),
    "qwen2-57b-a14b": _experts(_decoder(28, 3584, 18_944, 28, 4, 151_936), 64, 8, 2560, 20_480),
    "qwen3-30b-a3b": _experts(_decoder(48, 2048, 6144, 32, 4, 151_936, head=128), 128, 8, 768),
    "qwen3-235b-a22b": _experts(_decoder(94, 4096, 12_288, 64, 4, 151_936, head=128), 128, 8, 1536),
}
# Jiang et al. 2024, "Mixtral of Experts"; config.json of mistralai/Mixtral-8x7B-v0.1, Mixtral-8x22B-v0.1; the
# instruction-tuned 8x22B has a larger vocabulary.
_MIXTRAL = {
    "mixtral-8x7b": _experts(_decoder(32, 4096, 14_336, 32, 8, 32_000), 8, 2, 14_336),
    "mixtral-8x22b": _experts(_decoder(56, 6144, 16_384, 48, 8, 32_000), 8, 2, 16_384),
    "mixtral-8x22b-instruct-v0.1": _experts(_decoder(56, 6144, 16_384, 48, 8, 32_768), 8, 2, 16_384),
}
# Brown et al. 2020, "Language Models are Few-Shot Learners", Table 2.1, with the feed-forward block four times as wide
# as the model (section 2.1). Two rows of that table do not multiply out: the XL model has 16 heads of 128 here, the 13B
# a width of 5120, as in Narayanan et al. 2021.
_GPT_3 = {
    "gpt3-125m": _gpt(12, 768, 12),
    "gpt3-350m": _gpt(24, 1024, 16),
    "gpt3-760m": _gpt(24, 1536, 16),
    "gpt3-1.3b": _gpt(24, 2048, 16),
    "gpt3-2.7b": _gpt(32, 2560, 32),
    "gpt3-6.7b": _gpt(32, 4096, 32),
    "gpt3-13b": _gpt(40, 5120, 40),
    "gpt3-175b": _gpt(96, 12_288, 96),
}
# config.json of Qwen/Qwen2-VL-7B-Instruct, Qwen2.5-VL-{3B,7B}-Instruct (images of any size: the job says how many
# tokens they take) and llava-hf/llava-1.5-{7b,13b}-hf (Liu et al. 2023: 24 x 24 patches; text_config is that of
# Vicuna, a Llama 2, with 64 more rows of vocabulary).
_VISION = {
    "qwen2-vl-7b": _vision(_QWEN_7B),
    "qwen2.5-vl-3b": _vision(_QWEN_3B),
    "qwen2.5-vl-7b": _vision(_QWEN_7B),
    "llava-1.5-7b": _vision(_LLAMA_2["llama-2-7b"], vocabulary=32_064, image_tokens=576),
    "llava-1.5-13b": _vision(_LLAMA_2["llama-2-13b"], vocabulary=32_064, image_tokens=576),
}

MODELS: Mapping[str, Architecture] = {
    **_LLAMA_2,
    **_LLAMA_3,
    **_QWEN_2,
    **_QWEN_3,
    **_QWEN_EXPERTS,
    **_MIXTRAL,
    **_GPT_3,
    **_VISION,
}
"""Shapes by name, in lower case, without the maker's name and what says how the weights were tuned or packed."""

_SUFFIXES = re.compile(
    r"-(?:hf|base|instruct|chat|thinking|v\d+(?:\.\d+)*|\d{4}|fp8|bf16|awq|gptq|int[48]|w\da\d+)(?=-|$)"
)


def architecture_of(name: str | None) -> Architecture | None:
    """The shape of a model.

    Args:
        name: as its users write it: `meta-llama/Llama-3.1-8B-Instruct`.

    Returns:
        None where the catalogue has no such model.
    """
    last = (name or "").strip().lower().replace("_", "-").rsplit("/", 1)[-1].removeprefix("meta-")
    last = last.replace("gpt-3-", "gpt3-").replace("llava-v1.5", "llava-1.5")
    return MODELS.get(last) or MODELS.get(_SUFFIXES.sub("", last))


def complete(name: str | None, given: Architecture | None) -> Architecture | None:
    """The shape of a job's model: what the job gives, and for what it leaves out the model known by this name.

    Returns:
        None where the job gives nothing and the catalogue has no such model.
    """
    known = architecture_of(name)
    if given is None or known is None:
        return given or known
    holes = {
        field.name: getattr(known, field.name) for field in fields(Architecture) if getattr(given, field.name) is None
    }
    return replace(given, **holes)
