"""A configuration as arguments of `vllm serve`.

Names and values are read by the code that the profiler reads them with: what is launched is what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autoscout.api.vllm_arguments import OPTIONS
from autoscout.launch.program import MASTER_ADDRESS, NODE_RANK, LaunchError, Program, variable
from autoscout.space.values import Value
from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.runner.launch import DEFAULT_MASTER_PORT, hardware_of
from autoscout_profiler.vllm.knobs import REPLICAS, command_line, resolve
from autoscout_profiler.vllm.layout import Layout, layout
from autoscout_profiler.vllm.model import dtype_and_quantization, is_dense
from autoscout_profiler.vllm.requests import LONGEST
from autoscout_profiler.vllm.settings import Load

PORT = 8000
"""Where `vllm serve` listens unless it is told otherwise."""
MODEL = "/models/model"
"""In place of a model without a name."""
HEADLESS = "--headless"
"""What the nodes run that take no requests themselves."""


def program(configuration: Mapping[str, Value], workload: Mapping[str, Any], hardware: Mapping[str, Any]) -> Program:
    """What serves this configuration.

    Args:
        configuration: the active parameters.
        workload: `spec.workload`.
        hardware: of one measurement: gpu, nodes, gpusPerNode.

    Raises:
        LaunchError: vLLM can't be started like that.
    """
    gpus = hardware["gpusPerNode"]
    name = (workload.get("model") or {}).get("name")
    try:
        load = Load.read(workload)
        given = resolve(configuration, OPTIONS)
        values = _defaults(workload, load, gpus) | given
        spread = layout(values, hardware_of({"hardware": hardware}), dense=is_dense(workload))
        if spread.replicas > 1:
            values[REPLICAS] = spread.replicas
        groups = [group for each in values.items() for group in _group(*each)]
    except InvalidConfiguration as error:
        raise LaunchError(error.field, str(error).removeprefix(f"{error.field}: ")) from error
    return Program(
        groups=(("vllm", "serve", name or MODEL), *groups, *_nodes(spread)),
        variables=(
            {NODE_RANK: f"number of this node, 0 to {spread.nodes - 1}", MASTER_ADDRESS: "name or address of node 0"}
            if spread.nodes > 1
            else {}
        ),
        others=(HEADLESS,) if spread.nodes > 1 else (),
        nodes=spread.nodes,
        gpus=spread.local if gpus else 0,
        # With one worker alone there is no executor that would need it.
        shares_memory=spread.replicas * spread.each > 1,
        port=PORT,
        notes=tuple(_notes(load, given, name, spread)),
    )


def _nodes(spread: Layout) -> Iterator[tuple[str, ...]]:
    """How the nodes of several find each other, in the words that the profiler starts them with."""
    if spread.nodes > 1:
        yield ("--distributed-executor-backend", "mp")
        yield ("--nnodes", str(spread.nodes))
        yield ("--node-rank", variable(NODE_RANK))
        yield ("--master-addr", variable(MASTER_ADDRESS))
        yield ("--master-port", str(DEFAULT_MASTER_PORT))


def _defaults(workload: Mapping[str, Any], load: Load, gpus: int) -> dict[str, Any]:
    """What the profiler sets where the configuration does not."""
    dtype, quantization = dtype_and_quantization(workload.get("precision") or "")
    each = load.input_tokens + load.output_tokens
    values: dict[str, Any] = {"dtype": dtype}
    if quantization is not None:
        values["quantization"] = quantization
    if not load.data_path:
        longest = each if load.lengths == "fixed" else LONGEST * each
        values["max_model_len"] = max(longest, workload.get("sequenceLength") or 0)
    if not gpus:
        values["enforce_eager"] = True
    return values


def _group(name: str, value: Value) -> Iterator[tuple[str, ...]]:
    words = command_line({name: value}, OPTIONS)
    if words:
        flag, equals, text = words[0].partition("=")
        yield (flag, text) if equals else tuple(words)


def _notes(load: Load, given: Mapping[str, Any], name: str | None, spread: Layout) -> Iterator[str]:
    if name is None:
        yield f"The workload names no model: put its name or path in place of {MODEL}."
    elif not name.startswith("/"):
        yield f"vLLM downloads the weights of {name}, if it may; HF_TOKEN opens gated ones."
    if load.data_path:
        yield "Requests came from a file: set --max-model-len to the longest one that you serve."
    elif "max_model_len" not in given:
        yield "--max-model-len is the longest request that was measured: raise it for longer ones."
    unset = [each for each in ("max_num_seqs", "max_num_batched_tokens") if each not in given]
    if load.mode == "offline" and unset:
        yield f"Measured was the engine without its server, for which vLLM may choose another {' and '.join(unset)}."
    if spread.nodes > 1:
        yield (
            f"It runs on {spread.nodes} nodes; node 0 takes the requests. Where one ends, see that all of them start "
            "again."
        )
