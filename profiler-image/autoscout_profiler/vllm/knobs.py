"""From the names and values of a configuration to the engine's own arguments. Pure.

vLLM's own names come first; the short ones of presets and literature are a small table. What exists, and of which form
its values are, the installed vLLM says (`arguments`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from autoscout_profiler.errors import InvalidConfiguration

ALIASES: Mapping[str, tuple[str, ...]] = {
    "tensor_parallel_size": ("tp", "tensor_parallel", "tensor_model_parallel_size", "tensor_par"),
    "pipeline_parallel_size": ("pp", "pipeline_parallel", "pipeline_model_parallel_size", "pipeline_par"),
    "data_parallel_size": ("dp", "data_parallel", "data_par"),
    "max_num_seqs": ("max_batch_size", "batch_size", "concurrency"),
    "max_num_batched_tokens": ("max_num_tokens", "chunk_size", "chunked_prefill_size"),
    "gpu_memory_utilization": ("gpu_mem_util", "mem_fraction", "memory_utilization"),
    "enable_chunked_prefill": ("chunked_prefill",),
    "quantization": ("weight_dtype",),
}
"""vLLM's name for a knob, and the others that mean the same: those of the operator's simulators."""

DEGREES = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Their product is the number of the engine's workers."""

REPLICAS = "data_parallel_size"
"""The one of them that counts replicas."""

PLACEMENT = frozenset({"pool", "hardware_pool", "gpu_pool"})
"""Where a trial runs; the operator has seen to it."""

RESERVED = frozenset(
    {
        "model",
        "model_weights",
        "tokenizer",
        "skip_tokenizer_init",
        "hf_config_path",
        "load_format",
        "seed",
        "disable_log_stats",
        "enable_log_requests",
        "worker_extension_cls",
        "nnodes",
        "node_rank",
        "master_addr",
        "master_port",
    }
)
"""What the profiler sets itself: what is measured, and where, is the same for all configurations."""

_AUTO = "auto"
_YES_NO = {"true": True, "false": False}


@dataclass(frozen=True)
class Option:
    """What vLLM's command line says of an argument.

    Attributes:
        form: `flag` is --x or --no-x, `list` takes several values, `value` one.
        optional: vLLM chooses a value where none is given.
    """

    form: Literal["value", "flag", "list"] = "value"
    optional: bool = False


def resolve(configuration: Mapping[str, Any], options: Collection[str]) -> dict[str, Any]:
    """The configuration under the engine's names.

    Args:
        configuration: parameter name to value. Case, dashes and leading dashes of a name don't matter.
        options: arguments of the installed vLLM.

    Raises:
        InvalidConfiguration: a name means nothing to the installed vLLM (the message has the nearest), it belongs to
            the profiler, or two names mean the same.
    """
    meaning = {alias: name for name, aliases in ALIASES.items() for alias in aliases if name in options}
    meaning |= {name: name for name in options}
    values: dict[str, Any] = {}
    spelling: dict[str, str] = {}
    for given, value in configuration.items():
        name = given.strip().lstrip("-").lower().replace("-", "_")
        if name in PLACEMENT:
            continue
        if name in RESERVED:
            raise InvalidConfiguration(given, "the profiler sets it, the same for all configurations: remove it")
        if name not in meaning:
            raise InvalidConfiguration(given, f"the installed vLLM has no such argument; {_nearest(name, meaning)}")
        field = meaning[name]
        if field in spelling:
            raise InvalidConfiguration(given, f"means the same as {spelling[field]} ({field}): keep one of them")
        spelling[field] = given
        values[field] = value
    return values


def command_line(values: Mapping[str, Any], options: Mapping[str, Option]) -> list[str]:
    """The arguments of `vllm serve` that say the same. `auto` leaves the choice to vLLM, where it offers to choose.

    Args:
        values: argument to value, a list as JSON or separated by commas.
        options: of the installed vLLM.

    Raises:
        InvalidConfiguration: an argument that is a flag has another value than true or false.
    """
    words: list[str] = []
    for name, value in values.items():
        option, flag = options[name], "--" + name.replace("_", "-")
        if option.optional and value == _AUTO:
            continue
        if option.form == "flag":
            words.append(flag if _flag(name, value) else "--no-" + flag[2:])
        elif option.form == "list":
            words += [flag, *_items(value)]
        else:
            words.append(f"{flag}={value}")
    return words


def _nearest(name: str, meaning: Mapping[str, str]) -> str:
    found = difflib.get_close_matches(name, meaning, n=1, cutoff=0.0)
    nearest = found[0]
    explained = "" if meaning[nearest] == nearest else f" ({meaning[nearest]})"
    return f"the nearest is {nearest}{explained}"


def _flag(name: str, value: object) -> bool:
    answer = value if isinstance(value, bool) else _YES_NO.get(str(value).lower())
    if answer is None:
        raise InvalidConfiguration(name, f"{value!r}: true or false is expected")
    return answer


def _items(value: object) -> list[str]:
    text = str(value).strip()
    if text.startswith("["):
        try:
            return [str(each) for each in json.loads(text)]
        except ValueError:
            return [text]  # vLLM says what is wrong with it
    return [each.strip() for each in text.split(",")]
