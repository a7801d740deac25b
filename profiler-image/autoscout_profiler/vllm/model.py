"""Which model is measured: the files that are mounted, or a configuration without weights for an architecture.

Weights that nobody trained cost what real ones cost: the same matrices are multiplied, the same bytes moved. Only what
depends on what the model says differs: which experts are chosen, how well a speculation is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscout_profiler.errors import InvalidConfiguration

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.gguf")
_EXPERTS = ("num_experts", "moe_num_experts", "n_routed_experts", "num_local_experts", "block_configs")
"""Names in a config.json that tell of experts, those that vLLM looks for; layers of several kinds may have some."""
_DTYPES = {
    "": "auto",
    "bf16": "bfloat16",
    "bfloat16": "bfloat16",
    "fp8": "bfloat16",
    "fp16": "float16",
    "float16": "float16",
    "fp32": "float32",
    "float32": "float32",
}
_FAMILIES = {
    "llama": ("LlamaForCausalLM", "llama"),
    "qwen2": ("Qwen2ForCausalLM", "qwen2"),
    "qwen3": ("Qwen3ForCausalLM", "qwen3"),
    "mixtral": ("MixtralForCausalLM", "mixtral"),
    "qwen2-moe": ("Qwen2MoeForCausalLM", "qwen2_moe"),
    "qwen3-moe": ("Qwen3MoeForCausalLM", "qwen3_moe"),
}
"""Family to vLLM's class and the type in a Hugging Face config.json."""


@dataclass(frozen=True)
class Source:
    """What vLLM loads.

    Attributes:
        path: the folder that holds config.json.
        load_format: `auto`, or `dummy` where there are no weights: random ones.
        vocabulary: tokens that the model knows.
        layers: transformer layers.
        dense: whether the model has no experts.
    """

    path: Path
    load_format: str
    vocabulary: int
    layers: int
    dense: bool


def dtype_and_quantization(precision: str) -> tuple[str, str | None]:
    """`dtype` and `quantization` of the engine for `workload.precision`; without one the model's own.

    Raises:
        InvalidConfiguration: a precision that names no format of the computation.
    """
    if precision not in _DTYPES:
        known = ", ".join(name for name in _DTYPES if name)
        raise InvalidConfiguration(
            "workload.precision", f"{precision!r}; there are {known}; other formats by the parameter quantization"
        )
    return _DTYPES[precision], "fp8" if precision == "fp8" else None


def is_dense(workload: Mapping[str, Any]) -> bool:
    """Whether a model is known to have no experts without looking at its files; a mounted one is not."""
    described = workload.get("model") or {}
    mounted_path = Path(described.get("name") or "").is_absolute()
    return not mounted_path and not (described.get("architecture") or {}).get("experts")


def mounted(name: str) -> Source | None:
    """The model in the folder that `workload.model.name` names; None: it names no folder.

    Raises:
        InvalidConfiguration: it is an absolute path where no model is.
    """
    path = Path(name)
    if not (path / "config.json").is_file():
        if path.is_absolute():
            raise InvalidConfiguration(
                "workload.model.name", f"{name} has no config.json: mount the model there (profile.template)"
            )
        return None
    description = json.loads((path / "config.json").read_text())
    text = description.get("text_config", description)
    has_weights = any(next(path.glob(pattern), None) for pattern in _WEIGHTS)
    return Source(
        path=path,
        load_format="auto" if has_weights else "dummy",
        vocabulary=int(text["vocab_size"]),
        layers=int(text["num_hidden_layers"]),
        dense=not any(text.get(name) for name in _EXPERTS),
    )


def written(architecture: Mapping[str, Any], name: str, longest: int, directory: Path) -> Source:
    """A folder with a config.json of that architecture.

    Args:
        architecture: `workload.model.architecture`, camelCase.
        name: of the model: its family decides on details that the architecture does not name.
        longest: tokens of the longest request.
        directory: where to write it.

    Raises:
        InvalidConfiguration: as `description`.
    """
    config = description(architecture, name, longest)
    (directory / "config.json").write_text(json.dumps(config, indent=1))
    return Source(
        path=directory,
        load_format="dummy",
        vocabulary=config["vocab_size"],
        layers=config["num_hidden_layers"],
        dense=not any(config.get(name) for name in _EXPERTS),
    )


def vocabulary(architecture: Mapping[str, Any]) -> int:
    """Tokens that a model of this architecture knows.

    Raises:
        InvalidConfiguration: it is no whole number from 1.
    """
    return _size(architecture, "vocabSize", 32000)


def description(architecture: Mapping[str, Any], name: str, longest: int) -> dict[str, Any]:
    """The config.json of a decoder of that architecture, as Hugging Face's transformers writes it.

    Without `experts` it is a Llama, Qwen2 (biases in attention) or Qwen3 (normalised queries and keys), by the model's
    name; with `experts` a Qwen2-MoE where there is a shared expert, a Qwen3-MoE by name or where the experts have a
    width of their own, else a Mixtral.

    Raises:
        InvalidConfiguration: a size is missing, or a feature that none of these has.
    """
    _refuse_other_decoders(architecture)
    size = {key: _size(architecture, key) for key in ("layers", "hiddenSize", "attentionHeads")}
    family = _family(architecture, name.lower())
    class_name, model_type = _FAMILIES[family]
    heads, hidden = size["attentionHeads"], size["hiddenSize"]
    config: dict[str, Any] = {
        "architectures": [class_name],
        "model_type": model_type,
        "hidden_size": hidden,
        "num_hidden_layers": size["layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": _size(architecture, "queryGroups", heads),
        "head_dim": _size(architecture, "headDimension", max(1, hidden // heads)),
        "vocab_size": vocabulary(architecture),
        "max_position_embeddings": longest,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": bool(architecture.get("tiedEmbeddings") or False),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
    }
    if not architecture.get("experts"):
        return config | {"intermediate_size": _size(architecture, "ffnHiddenSize", 4 * hidden)}
    return config | _experts(architecture, family, hidden)


def _experts(architecture: Mapping[str, Any], family: str, hidden: int) -> dict[str, Any]:
    dense = _size(architecture, "ffnHiddenSize", 4 * hidden)
    width = _size(architecture, "expertFfnHiddenSize", dense)
    chosen = {"num_experts_per_tok": _size(architecture, "expertsPerToken", 2)}
    if family == "mixtral":
        return chosen | {"num_local_experts": architecture["experts"], "intermediate_size": width}
    shared = _size(architecture, "sharedExpertFfnHiddenSize", 0)
    return (
        chosen
        | {
            "num_experts": architecture["experts"],
            "intermediate_size": dense,
            "moe_intermediate_size": width,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "norm_topk_prob": True,
        }
        | ({"shared_expert_intermediate_size": shared} if family == "qwen2-moe" else {})
    )


def _family(architecture: Mapping[str, Any], name: str) -> str:
    if architecture.get("experts"):
        if architecture.get("sharedExpertFfnHiddenSize"):
            return "qwen2-moe"
        own_width = architecture.get("expertFfnHiddenSize") not in (None, architecture.get("ffnHiddenSize"))
        return "qwen3-moe" if own_width or "qwen3" in name else "mixtral"
    return next((family for family in ("qwen2", "qwen3") if family in name), "llama")


def _refuse_other_decoders(architecture: Mapping[str, Any]) -> None:
    for key, expected in (("activation", "swiglu"), ("normalization", "rmsnorm")):
        if architecture.get(key, expected) != expected:
            raise InvalidConfiguration(
                f"workload.model.architecture.{key}",
                f"{architecture[key]}: without model files there are Llama, Qwen and Mixtral decoders, which have "
                f"{expected}; mount the model and name its folder in workload.model.name",
            )


def _size(architecture: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = architecture.get(key)
    value = default if value is None else value
    if isinstance(value, int) and not isinstance(value, bool) and (value >= 1 or value == default):
        return value
    problem = "is missing" if value is None else f"{value!r} is no whole number from 1"
    raise InvalidConfiguration(
        f"workload.model.architecture.{key}",
        f"{problem}; give the architecture, a workload.model.name that the operator knows, or the folder of a model",
    )
