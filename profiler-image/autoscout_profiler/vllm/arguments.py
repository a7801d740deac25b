"""The engine's arguments, parsed and checked by the installed vLLM before anything is started."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from vllm.config import CompilationMode
from vllm.engine.arg_utils import AsyncEngineArgs, EngineArgs
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.version import __version__

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.runner.launch import Place
from autoscout_profiler.vllm import knobs
from autoscout_profiler.vllm.knobs import REPLICAS, Option
from autoscout_profiler.vllm.layout import layout
from autoscout_profiler.vllm.model import Source, dtype_and_quantization
from autoscout_profiler.vllm.settings import Settings

WORKER_EXTENSION = "autoscout_profiler.vllm.worker.WorkerExtension"

_RESOLVED: Mapping[str, str] = {
    "tensor_parallel_size": "parallel_config.tensor_parallel_size",
    "pipeline_parallel_size": "parallel_config.pipeline_parallel_size",
    "data_parallel_size": "parallel_config.data_parallel_size",
    "enable_expert_parallel": "parallel_config.enable_expert_parallel",
    "enable_dbo": "parallel_config.enable_dbo",
    "enable_eplb": "parallel_config.enable_eplb",
    "max_num_seqs": "scheduler_config.max_num_seqs",
    "max_num_batched_tokens": "scheduler_config.max_num_batched_tokens",
    "enable_chunked_prefill": "scheduler_config.enable_chunked_prefill",
    "long_prefill_token_threshold": "scheduler_config.long_prefill_token_threshold",
    "async_scheduling": "scheduler_config.async_scheduling",
    "scheduling_policy": "scheduler_config.policy",
    "stream_interval": "scheduler_config.stream_interval",
    "enable_prefix_caching": "cache_config.enable_prefix_caching",
    "block_size": "cache_config.block_size",
    "gpu_memory_utilization": "cache_config.gpu_memory_utilization",
    "kv_cache_memory_bytes": "cache_config.kv_cache_memory_bytes",
    "max_model_len": "model_config.max_model_len",
    "enforce_eager": "model_config.enforce_eager",
    "cudagraph_capture_sizes": "compilation_config.cudagraph_capture_sizes",
    "max_cudagraph_capture_size": "compilation_config.max_cudagraph_capture_size",
    "performance_mode": "performance_mode",
}
"""Where vLLM's configuration shows what became of an argument: some platforms drop what they don't have."""

_SIZES = frozenset({"cudagraph_capture_sizes", "max_cudagraph_capture_size"})
_PYDANTIC_NOISE = re.compile(r"^Value error, |^Assertion failed, ")


@dataclass(frozen=True)
class Plan:
    """What is to be started.

    Attributes:
        arguments: of `EngineArgs`, those that are set.
        config: vLLM's own configuration, a `VllmConfig`.
        usage: whose defaults apply, a `UsageContext`.
        replicas: data-parallel replicas.
        needs_stage_buffers: `WorkerExtension.autoscout_make_stage_buffers` is to be called.
    """

    arguments: Mapping[str, Any]
    config: Any
    usage: Any
    replicas: int
    needs_stage_buffers: bool


class _Parser(FlexibleArgumentParser):  # type: ignore[misc]
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


@functools.cache
def parser_and_options() -> tuple[argparse.ArgumentParser, dict[str, Option]]:
    """The parser of `vllm serve`'s engine arguments, and what can be said by it."""
    parser: argparse.ArgumentParser = AsyncEngineArgs.add_cli_args(_Parser())
    fields = {field.name for field in dataclasses.fields(EngineArgs)}
    return parser, {action.dest: _option(action) for action in parser._actions if action.dest in fields}  # noqa: SLF001


def values_of(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as values of `EngineArgs`.

    Raises:
        InvalidConfiguration: a name or a value that the installed vLLM does not take, in its own words.
    """
    parser, options = parser_and_options()
    values: dict[str, Any] = {}
    for name, given in knobs.resolve(configuration, options).items():
        words = knobs.command_line({name: given}, options)
        if words:
            try:
                values[name] = getattr(parser.parse_args(words), name)
            except ValueError as error:
                raise InvalidConfiguration(name, str(error)) from error
    return values


def plan(settings: Settings, values: Mapping[str, Any], source: Source, longest: int, place: Place) -> Plan:
    """Everything that vLLM is started with, accepted by it.

    Args:
        settings: the trial.
        values: of the configuration, as `values_of` gives them.
        source: the model.
        longest: tokens of the longest request; `max_model_len` where the configuration has none.
        place: this node, of several.

    Raises:
        InvalidConfiguration: vLLM refuses the configuration, or it would run with something else than it says.
    """
    pipeline = int(values.get("pipeline_parallel_size", 1))
    if pipeline > source.layers:
        raise InvalidConfiguration(
            "pipeline_parallel_size", f"{pipeline} stages for {source.layers} layers: each needs one at least"
        )
    spread = layout(values, settings.hardware, dense=source.dense)
    if spread.replicas > 1 and not (settings.gpus or source.dense):
        raise InvalidConfiguration(
            REPLICAS,
            f"on CPUs vLLM {__version__} can't exchange tokens between replicas that share experts: set it to 1",
        )
    dtype, quantization = dtype_and_quantization(settings.precision)
    arguments: dict[str, Any] = {
        "model": str(source.path),
        "load_format": source.load_format,
        "skip_tokenizer_init": True,
        "seed": 0,
        "disable_log_stats": False,  # the times of each request
        "worker_extension_cls": WORKER_EXTENSION,
        "max_model_len": longest,
        "dtype": dtype,
        "quantization": quantization,
        # On CPUs compilation needs a compiler in the image and minutes; without GPUs there are no graphs to capture.
        "enforce_eager": not settings.gpus,
        **values,
        REPLICAS: spread.replicas,
    }
    if place.nodes > 1:
        arguments |= {"distributed_executor_backend": "mp", "nnodes": place.nodes, "node_rank": place.node_rank}
        arguments |= {"master_addr": place.address, "master_port": place.port}
    offline = settings.load.mode == "offline"
    usage = UsageContext.LLM_CLASS if offline else UsageContext.OPENAI_API_SERVER
    try:
        config = EngineArgs(**arguments).create_engine_config(usage, headless=place.node_rank > 0)
    except (ValueError, NotImplementedError, AssertionError) as error:
        words = _words(error)
        raise InvalidConfiguration(_concerned(words, values), words) from error
    if values.get("enable_expert_parallel") and not settings.gpus and spread.replicas * spread.each > pipeline:
        raise InvalidConfiguration(
            "enable_expert_parallel", f"the CPU kernel of vLLM {__version__} crashes where experts are on other workers"
        )
    if offline and int(values.get("stream_interval", 1)) > 1:
        raise InvalidConfiguration("stream_interval", "offline nothing is streamed: it would change nothing")
    if values.get("optimization_level") and config.compilation_config.mode == CompilationMode.NONE:
        raise InvalidConfiguration(
            "optimization_level", "nothing is compiled here (enforce_eager, the default on CPUs): it has no effect"
        )
    _refuse_ignored(values, config)
    return Plan(arguments, config, usage, spread.replicas, needs_stage_buffers=pipeline > 1 and not settings.gpus)


def _refuse_ignored(values: Mapping[str, Any], config: Any) -> None:
    for name, wanted in values.items():
        if name not in _RESOLVED:
            continue
        resolved = config
        for attribute in _RESOLVED[name].split("."):
            resolved = getattr(resolved, attribute)
        # vLLM cuts the sizes of graphs to what can occur: only if none is left there was nothing to choose.
        ignored = bool(wanted) and not resolved if name in _SIZES else resolved != wanted
        if ignored:
            raise InvalidConfiguration(
                name, f"vLLM {__version__} would run with {resolved!r} in place of {wanted!r} here: it has no effect"
            )


def _option(action: argparse.Action) -> Option:
    if isinstance(action, argparse.BooleanOptionalAction):
        return Option("flag", optional=action.default is None)
    return Option("list" if action.nargs in {"+", "*"} else "value", optional=action.default is None)


def _concerned(message: str, values: Mapping[str, Any]) -> str:
    """The parameters that vLLM's message is about, as far as it names them."""
    spaced = message.lower().replace(" ", "_")
    named = [name for name in values if name.removeprefix("enable_").removesuffix("_size") in spaced]
    return ", ".join(named) or "configuration"


def _words(error: Exception) -> str:
    """The message of vLLM itself, without what pydantic puts around it."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error) or type(error).__name__
    told = []
    for each in errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in each["loc"])
        told.append(f"{place}: {each['msg']}" if place else _PYDANTIC_NOISE.sub("", each["msg"]))
    return "; ".join(told)
