"""One trial as Megatron will run it: the workload, the configuration, and the degrees that follow from both. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.megatron.knobs import Knobs
from autoscout_profiler.megatron.shape import Architecture, Precision, Task, architecture, task

Recomputation = Literal["none", "selective", "full"]
Method = Literal["uniform", "block"]
Dispatcher = Literal["alltoall", "allgather"]


@dataclass(frozen=True)
class Layout:
    """How the model is spread over the ranks: degrees of parallelism, all from 1.

    Attributes:
        tensor, pipeline, context, data: their product is the number of ranks.
        expert: ranks over which the experts of a layer are spread.
        expert_tensor: ranks over which one expert is split.
        virtual: model chunks of one pipeline rank.
        sequence: whether norms and residuals are split over the tensor-parallel ranks.
    """

    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    data: int = 1
    expert: int = 1
    expert_tensor: int = 1
    virtual: int = 1
    sequence: bool = False

    @property
    def world(self) -> int:
        """Ranks."""
        return self.tensor * self.pipeline * self.context * self.data


@dataclass(frozen=True)
class Gradients:
    """How gradients are reduced and weights are updated.

    Attributes:
        overlap: whether gradients are reduced while backward still runs.
        megabytes: of one bucket (10^6 bytes); None: not given.
        buckets: in which the gradients of a rank are reduced; None: not given.
        elements: of one bucket; None: not given. Of these three at most one is given; without any Megatron decides.
        fp32: whether they are kept and reduced in single precision.
        sharded: whether the optimizer's state is spread over the data-parallel ranks.
        overlap_gather: whether sharded weights are gathered while forward already runs.
    """

    overlap: bool = False
    megabytes: float | None = None
    buckets: int | None = None
    elements: int | None = None
    fp32: bool = True
    sharded: bool = False
    overlap_gather: bool = False

    def bucket_elements(self, parameters: int) -> int | None:
        """Gradients of one bucket, on a rank with so many trained parameters; None: Megatron decides."""
        if self.megabytes is not None:
            return max(1, int(self.megabytes * 1e6 / (4 if self.fp32 else 2)))
        if self.buckets is not None:
            return max(1, -(-parameters // self.buckets))
        return self.elements


@dataclass(frozen=True)
class Settings:
    """One trial.

    Attributes:
        architecture: of the model.
        task: what is trained.
        precision: of the computation.
        layout: the degrees of parallelism.
        gradients: how they are reduced.
        micro_batch: sequences of one micro-batch.
        recomputation: of activations in backward.
        recompute_method: with full recomputation: `uniform` recomputes all layers in groups, `block` the first ones.
        recompute_layers: with full recomputation: layers of a group, or of the block.
        overlap_p2p: whether pipeline stages send while they compute; with virtual stages only.
        tensor_overlap: whether the tensor-parallel collectives run beside the matrix products (userbuffers).
        communication_sms: multiprocessors that they may take; 0: Transformer Engine's default.
        dispatcher: how tokens get to their experts.
    """

    architecture: Architecture
    task: Task
    precision: Precision
    layout: Layout
    gradients: Gradients
    micro_batch: int
    recomputation: Recomputation = "none"
    recompute_method: Method = "uniform"
    recompute_layers: int = 1
    overlap_p2p: bool = True
    tensor_overlap: bool = False
    communication_sms: int = 0
    dispatcher: Dispatcher = "alltoall"

    @property
    def micro_batches(self) -> int:
        """That one pipeline runs in one optimizer step."""
        return self.task.batch // (self.micro_batch * self.layout.data)

    @property
    def padded_vocabulary(self) -> int:
        """Rows of the embedding: as Megatron-LM does it, so that each rank's share is a multiple of 128."""
        multiple = 128 * self.layout.tensor
        return -(-self.architecture.vocabulary // multiple) * multiple


def read(
    configuration: Mapping[str, Any], workload: Mapping[str, Any], *, world: int, default_precision: Precision
) -> Settings:
    """From the JSON of a trial. Which combinations Megatron computes is for `rules.check` to say.

    Args:
        configuration: parameter to value; only the active ones.
        workload: `spec.workload`.
        world: ranks that there are.
        default_precision: where the workload names none.

    Raises:
        InvalidConfiguration: an unknown knob, a value of another kind, or degrees that don't fit `world`.
    """
    knobs = Knobs(configuration)
    model, job = architecture(workload), task(workload)
    precision = job.precision or default_precision
    granularity = cast("Recomputation", knobs.choice("ar"))
    if granularity != "full":
        _unused(knobs, ("recompute_method", "recompute_num_layers"), "ar is full", granularity)
    layout = _layout(knobs, world)
    if not model.experts:
        _unused(knobs, ("moe_dispatcher",), "the model has experts", "dense")
    return Settings(
        architecture=model,
        task=job,
        precision=precision,
        layout=layout,
        gradients=_gradients(knobs, precision),
        micro_batch=knobs.count("mbs", 1),
        recomputation=granularity,
        recompute_method=cast("Method", knobs.choice("recompute_method")),
        recompute_layers=knobs.count("recompute_num_layers", 1),
        overlap_p2p=knobs.flag("overlap_p2p", default=layout.virtual > 1),
        tensor_overlap=knobs.flag("tpo"),
        communication_sms=knobs.count("tp_comm", 0, least=0),
        dispatcher=cast("Dispatcher", knobs.choice("moe_dispatcher")),
    )


def _layout(knobs: Knobs, world: int) -> Layout:
    tensor, pipeline, context = (knobs.count(name, 1) for name in ("tp", "pp", "cp"))
    model = tensor * pipeline * context
    if world % model:
        raise InvalidConfiguration(
            "tp, pp, cp", f"{tensor} x {pipeline} x {context} = {model} does not divide the {world} ranks"
        )
    data = knobs.count("dp", world // model)
    if model * data != world:
        raise InvalidConfiguration(
            "dp",
            f"tp x pp x cp x dp = {model * data}, but there are {world} ranks: leave dp out, or set {world // model}",
        )
    return Layout(
        tensor=tensor,
        pipeline=pipeline,
        context=context,
        data=data,
        expert=knobs.count("ep", 1),
        expert_tensor=knobs.count("etp", tensor),
        virtual=knobs.count("vpp", 1),
        sequence=knobs.flag("sp"),
    )


def _gradients(knobs: Knobs, precision: Precision) -> Gradients:
    ways = [name for name in ("ddp_bucket", "ddp", "bucket_size") if knobs.given(name)]
    if len(ways) > 1:
        raise InvalidConfiguration(ways[1], f"says the same as {ways[0]} in another unit: give one of them")
    overlap, bucketing = knobs.flag("dpo"), knobs.choice("bucketing")
    expected = {"auto": [], "count": ["ddp"], "size": ["ddp_bucket"]}[bucketing]
    if knobs.given("bucketing") and ways != expected:
        named, given = (" ".join(each) or "none of ddp, ddp_bucket, bucket_size" for each in (expected, ways))
        raise InvalidConfiguration("bucketing", f"{bucketing} goes with {named}, given is {given}")
    if ways and not overlap:
        # DistributedDataParallel sets its bucket_size to None then.
        raise InvalidConfiguration(ways[0], "Megatron makes one bucket unless dpo (overlap_grad_reduce) is on")
    return Gradients(
        overlap=overlap,
        megabytes=knobs.amount("ddp_bucket"),
        buckets=knobs.count("ddp", 1) if knobs.given("ddp") else None,
        elements=knobs.count("bucket_size", 1) if knobs.given("bucket_size") else None,
        fp32=knobs.flag("grad_fp32", default=precision != "fp16") or precision == "fp32",
        sharded=knobs.flag("zero1"),
        overlap_gather=knobs.flag("overlap_param_gather"),
    )


def _unused(knobs: Knobs, names: tuple[str, ...], condition: str, instead: str) -> None:
    for name in names:
        if knobs.given(name):
            raise InvalidConfiguration(name, f"acts only where {condition}, and it is {instead}: leave it out")
