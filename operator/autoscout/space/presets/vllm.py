"""What can be tuned in vLLM: parallelism, the batch of a step, the cache, the launch of kernels.

The rules and defaults are those of vLLM 0.32; ADR 0011 says for each knob why it is there. Names are the keys of
`simulators.knobs.ALIASES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product

from autoscout.space.expression import Expression
from autoscout.space.parameter import Parameter
from autoscout.space.presets import memory
from autoscout.space.presets.draft import Assignment, Draft, Rule
from autoscout.space.presets.knob import grid, structural, switch
from autoscout.space.presets.target import UNKNOWN_MEMORY, Target, degrees, powers
from autoscout.space.values import Value

_MOST = 8
_LARGEST_BATCH = 32_768
_LONGEST_THRESHOLD = 8192
_WEIGHTS_SHARE = 0.8
"""Of the memory, for weights: what is left has to hold a cache worth batching."""


def vllm(target: Target) -> Draft:
    """The preset for one model on one pool of GPUs."""
    counted = int((target.gpus.memory or UNKNOWN_MEMORY) * _WEIGHTS_SHARE)
    return Draft(
        parameters=(*_parallelism(target), *_batch(target), *_kernels(target)),
        rules=tuple(_rules(target)),
        candidates=partial(_candidates, target.gpus.total),
        cautious=Expression(memory.serving(target, counted)),
    )


def _parallelism(target: Target) -> Iterator[Parameter]:
    gpus = target.gpus
    yield structural("tp", degrees(gpus.per_node, _MOST), 1, "tensor parallelism of one replica, within a node")
    yield structural("pp", degrees(gpus.total, _MOST), 1, "pipeline stages of one replica")
    yield structural("dp", degrees(gpus.total, gpus.total), gpus.total, "replicas")
    if target.model.experts > 1:
        yield switch(
            "enable_expert_parallel", False, "experts are spread over the GPUs instead of split", "tp * dp > 1"
        )


def _batch(target: Target) -> Iterator[Parameter]:
    ample = target.gpus.ample
    budget = (16_384 if ample else 8192) if target.offline else (8192 if ample else 2048)
    yield grid(
        "max_num_batched_tokens", powers(_LARGEST_BATCH, 512), budget, "tokens of one step, of prompts and answers"
    )
    yield grid("max_num_seqs", powers(1024, 8), 1024 if ample else 256, "sequences that run at once in one replica")
    yield switch("enable_chunked_prefill", True, "a prompt may be spread over several steps")
    yield grid(
        "long_prefill_token_threshold",
        (0, *powers(min(target.sequence, _LONGEST_THRESHOLD), 256)),
        0,
        "a longer prompt takes no more than so many tokens of a step; 0: no limit",
        "enable_chunked_prefill",
    )
    yield switch("enable_prefix_caching", True, "prompts that begin alike share their cache")


def _kernels(target: Target) -> Iterator[Parameter]:
    yield grid(
        "gpu_memory_utilization", (0.8, 0.85, 0.9, 0.92, 0.95), 0.92, "share of a GPU's memory that the engine takes"
    )
    yield grid("block_size", (16, 32, 64, 128), 16, "tokens of a block of the cache")
    if target.gpus.fp8:
        yield structural("kv_cache_dtype", ("auto", "fp8"), "auto", "number format of the cache")
    yield switch("async_scheduling", True, "the next step is scheduled while one runs", "pp == 1")
    yield switch("enforce_eager", False, "kernels are launched one by one, without CUDA graphs")
    yield grid(
        "max_cudagraph_capture_size",
        powers(1024, 64),
        512,
        "batches of up to so many tokens run as a CUDA graph",
        "!enforce_eager",
    )


def _rules(target: Target) -> Iterator[Rule]:
    gpus, model = target.gpus, target.model
    yield Rule.of(f"tp * pp * dp == {gpus.total}", "the degrees multiply to the GPUs of the pool")
    yield Rule.of(f"{gpus.per_node} % tp == 0", "tensor parallelism stays within a node")
    if gpus.nodes > 1:
        yield Rule.of(
            f"{gpus.per_node} % (tp * pp) == 0 || (tp * pp) % {gpus.per_node} == 0",
            "a node holds whole replicas, or a replica whole nodes",
        )
        if model.experts == 1:
            yield Rule.of(
                f"dp == 1 || tp * pp <= {gpus.per_node}",
                "vLLM has no replicas over several nodes each of a model without experts",
            )
    yield Rule.of(f"{model.heads} % tp == 0", "tp divides the attention heads")
    yield Rule.of(model.group_rule, "tp divides the key-value heads, or is a multiple of them")
    yield Rule.of(f"pp <= {model.layers}", "each pipeline stage has a layer")
    split = f"{model.ffn} % tp == 0"
    if model.experts > 1:
        yield Rule.of(f"enable_expert_parallel || {split}", "tp divides the width of an expert that is split")
    else:
        yield Rule.of(split, "tp divides the feed-forward block")
    yield Rule.of("max_num_seqs <= max_num_batched_tokens", "a step has a token for each sequence")
    yield Rule.of(
        f"enable_chunked_prefill || max_num_batched_tokens >= {target.sequence}",
        "without chunks a step holds the longest sequence",
    )
    yield Rule.of(
        f"!enable_chunked_prefill || long_prefill_token_threshold <= {target.sequence}",
        "the threshold is no longer than the longest sequence",
    )
    if gpus.memory is not None:
        yield Rule.of(
            memory.serving(target, gpus.memory),
            "weights and the cache of one longest sequence fit into the memory that the engine takes",
        )


def _candidates(total: int, parameters: Mapping[str, Parameter]) -> Iterator[Assignment]:
    """The engine's defaults on the fewest GPUs that one replica needs, replicas on the others."""
    found: list[tuple[tuple[int, ...], dict[str, Value]]] = []
    for tp, pp in product(parameters["tp"].values, parameters["pp"].values):
        size = int(tp) * int(pp)
        if total % size == 0:
            found.append(((size, int(pp)), {"tp": tp, "pp": pp, "dp": total // size}))
    yield from (setting for _, setting in sorted(found, key=lambda each: each[0]))
