"""What can be tuned in Megatron-LM: Table 1 of the paper, and what a release of 2026 has beyond it.

The rules are those of megatron-core 0.16, where a violation is an error, or is silently ignored or wrong; ADR 0011 says
for each knob why it is there. Names are the keys of `simulators.knobs.ALIASES`.
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
"""The largest degree of Table 1; pipelines and data parallelism go beyond it where there are more GPUs."""
_DEEPEST = 64
_EACH_COUNT = 64
"""Up to so many GPUs every number of buckets is tried, beyond it powers of two."""
_STATES_SHARE = 0.6
"""Of the memory, for weights and optimizer, with which an expert starts where nothing predicts the rest."""


def megatron(target: Target) -> Draft:
    """The preset for one model on one pool of GPUs."""
    return Draft(
        parameters=(*_parallelism(target), *_execution(target), *_gradients(target), *_overlap()),
        rules=(*_rules(target), *_expert_rules(target)),
        candidates=partial(_candidates, target.gpus.total),
        cautious=Expression(memory.training(target, int((target.gpus.memory or UNKNOWN_MEMORY) * _STATES_SHARE))),
    )


def _parallelism(target: Target) -> Iterator[Parameter]:
    gpus, model = target.gpus, target.model
    yield structural("tp", degrees(gpus.per_node, _MOST), 1, "tensor parallelism, within a node")
    yield structural("pp", _depths(target), 1, "pipeline stages")
    yield structural("cp", degrees(gpus.total, _MOST), 1, "context parallelism: parts of a sequence")
    yield structural("dp", degrees(gpus.total, gpus.total), gpus.total, "data parallelism: replicas of the model")
    if model.experts > 1:
        yield structural("ep", degrees(gpus.total, _MOST), 1, "expert parallelism")
        yield structural("etp", degrees(gpus.per_node, _MOST), 1, "tensor parallelism of one expert")
        yield structural(
            "moe_dispatcher", ("alltoall", "allgather"), "alltoall", "how tokens reach their experts", "ep * etp > 1"
        )
    yield switch("sp", True, "sequence parallelism: norms and residuals are split too", "tp > 1")


def _depths(target: Target) -> tuple[int, ...]:
    """Table 1's degrees, and deeper ones as long as the model divides into them and eight stages can't hold it."""
    gpus, model = target.gpus, target.model
    widest = degrees(gpus.per_node, _MOST)[-1]
    bytes_needed = 6 * (model.dense_parameters + model.expert_parameters)
    depths = degrees(gpus.total, _MOST)
    for depth in degrees(gpus.total, _DEEPEST)[len(depths) :]:
        if gpus.memory is not None and bytes_needed < gpus.memory * depths[-1] * widest * _STATES_SHARE:
            break
        if model.layers % depth == 0:
            depths = (*depths, depth)
    return depths


def _execution(target: Target) -> Iterator[Parameter]:
    layers = target.model.layers
    yield structural(
        "ar",
        ("none", "selective", "full"),
        "none",
        "what backward computes again instead of keeping it: nothing, the attention's core, whole layers",
    )
    yield structural(
        "recompute_method",
        ("uniform", "block"),
        "uniform",
        "uniform recomputes all layers, in groups; block the first layers of each stage",
        "ar == 'full'",
    )
    yield grid(
        "recompute_num_layers",
        powers(layers),
        1,
        "uniform: layers of a group; block: layers of a stage that are recomputed",
        "ar == 'full'",
    )
    yield grid("mbs", powers(_MOST), 1, "sequences of a micro-batch")
    yield grid("vpp", powers(min(_MOST, layers)), 1, "model chunks of one pipeline stage", "pp > 1")
    yield switch("overlap_p2p", True, "sends between stages run beside compute", "pp > 1 && vpp > 1")


def _gradients(target: Target) -> Iterator[Parameter]:
    counts = tuple(range(1, min(target.gpus.total, _EACH_COUNT) + 1))
    counts += powers(target.gpus.total, 2 * _EACH_COUNT)
    yield switch("zero1", True, "distributed optimizer: its states are sharded", "dp * cp > 1")
    yield switch("dpo", True, "gradients are reduced while backward runs (overlap_grad_reduce)", "dp * cp > 1")
    yield switch(
        "overlap_param_gather", True, "parameters are gathered while forward runs", "dp * cp > 1 && zero1 && dpo"
    )
    yield structural(
        "bucketing",
        ("auto", "count", "size"),
        "auto",
        "what says how gradients are cut into buckets: Megatron-LM, their number (ddp), their size (ddp_bucket)",
        "dp > 1 && dpo",
    )
    buckets = "dp > 1 && dpo && bucketing"
    yield grid("ddp", counts, min(_MOST, counts[-1]), "buckets of gradients", f"{buckets} == 'count'")
    yield grid("ddp_bucket", tuple(range(1, 9)), 8, "size of a bucket of gradients, MB", f"{buckets} == 'size'")


def _overlap() -> Iterator[Parameter]:
    overlap = "tensor-parallel communication runs beside matrix products; needs Transformer Engine"
    yield switch("tpo", False, overlap, "tp > 1 && sp")
    yield grid("tp_comm", tuple(range(12, 21)), 16, "multiprocessors for that communication", "tp > 1 && sp && tpo")


def _rules(target: Target) -> Iterator[Rule]:
    gpus, model, batch, sequence = target.gpus, target.model, target.global_batch, target.sequence
    yield Rule.of(f"tp * pp * cp * dp == {gpus.total}", "the degrees multiply to the GPUs of the pool")
    yield Rule.of(f"{gpus.per_node} % tp == 0", "tensor parallelism stays within a node")
    yield Rule.of(f"{model.heads} % tp == 0", "tp divides the attention heads")
    yield Rule.of(model.group_rule, "tp divides the key-value heads, or is a multiple of them")
    yield Rule.of(f"{model.layers} % pp == 0", "each pipeline stage has equally many layers")
    yield Rule.of(f"{batch} % (mbs * dp) == 0", "micro-batches fill the global batch")
    yield Rule.of(f"cp == 1 || {sequence} % (2 * cp) == 0", "context parallelism halves its parts to balance the mask")
    yield Rule.of(f"tp == 1 || !sp || {sequence} % (tp * cp) == 0", "sequence parallelism splits what cp leaves")
    yield Rule.of(
        f"pp == 1 || vpp == 1 || ({model.layers} % (pp * vpp) == 0 && ({batch} / (mbs * dp)) % pp == 0)",
        "interleaving needs equal chunks, and micro-batches in groups of pp",
    )
    yield Rule.of(
        "pp != 2 || vpp == 1 || overlap_p2p",
        "two interleaved stages with batched sends train wrongly, without an error",
    )
    if target.packed:
        yield Rule.of("cp == 1", "packed samples are not split over context-parallel ranks")
    chunk = f"({model.layers} / (pp * (pp > 1 ? vpp : 1)))"
    yield Rule.of(
        f"ar != 'full' || recompute_method == 'block' || {chunk} % recompute_num_layers == 0",
        "groups of recomputed layers divide a chunk",
    )
    yield Rule.of(f"ar != 'full' || recompute_num_layers <= {chunk}", "no more layers are recomputed than a chunk has")
    if model.experts == 1:
        yield Rule.of(f"{model.ffn} % tp == 0", "tp divides the feed-forward block")
    if gpus.memory is not None:
        yield Rule.of(
            memory.training(target, gpus.memory),
            "weights, gradients and optimizer states alone fit into the GPU's memory",
        )


def _expert_rules(target: Target) -> Iterator[Rule]:
    model = target.model
    if model.experts == 1:
        return
    yield Rule.of(f"{model.experts} % ep == 0", "ep divides the experts")
    yield Rule.of(f"{model.ffn} % etp == 0", "etp divides the width of an expert")
    yield Rule.of("(tp * cp * dp) % (ep * etp) == 0", "experts are spread over the ranks of a stage")
    yield Rule.of("ep > 1 || etp == tp", "without ep, gradients of experts split otherwise are not summed over tp")
    if model.shared:
        yield Rule.of(f"{model.shared} % tp == 0", "tp divides the width of the shared expert")
    if target.whole_experts:
        yield Rule.of("etp == 1", "adapters of experts are not split")
    yield Rule.of("tp == 1 || sp", "experts with tensor parallelism need sequence parallelism in training")


def _candidates(total: int, parameters: Mapping[str, Parameter]) -> Iterator[Assignment]:
    """As the guides of Megatron-LM advise: the fewest GPUs for one replica, tensor before pipeline parallelism, and
    layers are recomputed only where nothing else makes the model fit.
    """
    names = [name for name in ("tp", "pp", "cp", "ep", "ar") if name in parameters]
    found: list[tuple[tuple[float, ...], dict[str, Value]]] = []
    for values in product(*(parameters[name].values for name in names)):
        setting = dict(zip(names, values, strict=True))
        tp, pp, cp, ep = (int(setting.get(name, 1)) for name in ("tp", "pp", "cp", "ep"))
        if total % (tp * pp * cp) == 0:
            setting["dp"] = total // (tp * pp * cp)
            if "etp" in parameters and ep == 1:
                setting["etp"] = tp
            full = setting.get("ar") == "full"
            found.append(((full, tp * pp * cp, cp, pp, ep), setting))
    yield from (setting for _, setting in sorted(found, key=lambda each: each[0]))
