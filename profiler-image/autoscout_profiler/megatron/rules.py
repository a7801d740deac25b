"""Which settings Megatron computes, and computes as asked. Pure.

A knob that the installed framework would accept and ignore is refused, and so is a combination that it trains wrongly:
what is measured is what the configuration says.
"""

from __future__ import annotations

from collections.abc import Iterator

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.megatron.settings import Settings

Broken = tuple[str, str]
"""A knob, and what is wrong with it."""


def check(settings: Settings, *, gpu: bool, transformer_engine: bool) -> None:
    """Refuse what Megatron would refuse, ignore, or compute wrongly.

    Args:
        settings: of the trial.
        gpu: whether it runs on GPUs.
        transformer_engine: whether its layers are Transformer Engine's.

    Raises:
        InvalidConfiguration: the first knob that can't be as it is; the message says what it could be.
    """
    for rules in (_batch, _split, _pipeline, _recomputation, _experts, _expert_ranks, _optimizer, _fine_tuning):
        for knob, message in rules(settings):
            raise InvalidConfiguration(knob, message)
    for knob, message in _libraries(settings, gpu=gpu, transformer_engine=transformer_engine):
        raise InvalidConfiguration(knob, message)


def _batch(settings: Settings) -> Iterator[Broken]:
    batch, share = settings.task.batch, settings.micro_batch * settings.layout.data
    if batch % share:
        yield (
            "mbs",
            f"globalBatchSize {batch} is no multiple of mbs x dp = {settings.micro_batch} x {settings.layout.data}",
        )
    if settings.architecture.image_tokens >= settings.task.sequence:
        yield (
            "workload.model.architecture.imageTokens",
            f"{settings.architecture.image_tokens} of {settings.task.sequence} positions leave none for text",
        )


def _split(settings: Settings) -> Iterator[Broken]:
    model, layout, sequence = settings.architecture, settings.layout, settings.task.sequence
    for count, what in ((model.heads, "attentionHeads"), (model.ffn, "ffnHiddenSize")):
        if count % layout.tensor:
            yield "tp", f"{what} {count} is no multiple of tp {layout.tensor}"
    if model.groups % layout.tensor and layout.tensor % model.groups:
        yield "tp", f"queryGroups {model.groups} is neither a multiple nor a divisor of tp {layout.tensor}"
    if model.heads % model.groups:
        yield "workload.model.architecture.queryGroups", f"{model.groups} does not divide {model.heads} heads"
    if layout.sequence and layout.tensor == 1:
        yield "sp", "sequence parallelism splits over tensor-parallel ranks: it needs tp > 1"
    if layout.context > 1 and sequence % (2 * layout.context):
        yield "cp", f"sequenceLength {sequence} is no multiple of 2 cp = {2 * layout.context}"
    if layout.sequence and sequence // layout.context % layout.tensor:
        yield "sp", f"sequenceLength / cp = {sequence // layout.context} is no multiple of tp {layout.tensor}"
    if settings.tensor_overlap and not layout.sequence:
        yield "tpo", "overlaps the collectives of sequence parallelism: set sp"
    if settings.communication_sms and not settings.tensor_overlap:
        yield "tp_comm", "multiprocessors for overlapped communication act only with tpo: set tpo, or tp_comm to 0"


def _pipeline(settings: Settings) -> Iterator[Broken]:
    layers, layout = settings.architecture.layers, settings.layout
    if layers % layout.pipeline:
        yield "pp", f"{layers} layers are no multiple of pp {layout.pipeline}"
    if layout.virtual > 1:
        if layout.pipeline == 1:
            yield "vpp", "virtual stages need pp > 1"
        if layers % (layout.pipeline * layout.virtual):
            yield "vpp", f"{layers} layers are no multiple of pp x vpp = {layout.pipeline} x {layout.virtual}"
        if settings.micro_batches % layout.pipeline:
            yield (
                "vpp",
                f"{settings.micro_batches} micro-batches are no multiple of pp {layout.pipeline}: mind mbs and dp",
            )
        if not settings.overlap_p2p and layout.pipeline == 2:
            # Both neighbours are the same rank then, and batched messages are matched in the wrong order.
            yield (
                "overlap_p2p",
                "with pp = 2 and vpp > 1 batched messages get mixed up and the model trains wrongly: set it",
            )
    elif settings.overlap_p2p:
        yield "overlap_p2p", "acts only with virtual stages: set vpp, or leave it out"


def _recomputation(settings: Settings) -> Iterator[Broken]:
    if settings.recomputation != "full":
        return
    stage = settings.architecture.layers // (settings.layout.pipeline * settings.layout.virtual)
    if settings.recompute_layers > stage:
        yield "recompute_num_layers", f"{settings.recompute_layers} of {stage} layers of a stage"
    if settings.recompute_method == "uniform" and stage % settings.recompute_layers:
        yield "recompute_num_layers", f"{stage} layers of a stage are no multiple of {settings.recompute_layers}"


def _experts(settings: Settings) -> Iterator[Broken]:
    model, layout = settings.architecture, settings.layout
    if not model.experts:
        if layout.expert > 1:
            yield "ep", "the model has no experts (workload.model.architecture.experts)"
        if layout.expert_tensor != layout.tensor:
            yield "etp", "the model has no experts (workload.model.architecture.experts)"
        return
    if model.experts_per_token > model.experts:
        yield "workload.model.architecture.expertsPerToken", f"{model.experts_per_token} of {model.experts} experts"
    if model.experts % layout.expert:
        yield "ep", f"{model.experts} experts are no multiple of ep {layout.expert}"
    if model.expert_ffn % layout.expert_tensor:
        yield "etp", f"expertFfnHiddenSize {model.expert_ffn} is no multiple of etp {layout.expert_tensor}"
    if model.shared_ffn % layout.tensor:
        yield "tp", f"sharedExpertFfnHiddenSize {model.shared_ffn} is no multiple of tp {layout.tensor}"


def _expert_ranks(settings: Settings) -> Iterator[Broken]:
    layout = settings.layout
    if not settings.architecture.experts:
        return
    if layout.world % (layout.expert * layout.expert_tensor * layout.pipeline):
        product = f"{layout.expert} x {layout.expert_tensor} x {layout.pipeline}"
        yield "ep", f"ep x etp x pp = {product} does not divide {layout.world} ranks"
    if layout.expert == 1 and layout.expert_tensor != layout.tensor:
        # Replicas of an expert then see different tokens, but Megatron reduces their gradients over dp and cp only.
        yield (
            "etp",
            f"with ep = 1 the experts' gradients are not summed over tp: set etp to tp {layout.tensor}, or ep > 1",
        )
    if layout.tensor > 1 and not layout.sequence:
        yield "sp", "Megatron trains experts with tp > 1 only if sequence parallelism is on: set sp"


def _optimizer(settings: Settings) -> Iterator[Broken]:
    gradients = settings.gradients
    if gradients.overlap_gather and not (gradients.sharded and gradients.overlap):
        yield "overlap_param_gather", "needs zero1 (weights to gather) and dpo (overlap_grad_reduce)"


def _fine_tuning(settings: Settings) -> Iterator[Broken]:
    task, model, layout = settings.task, settings.architecture, settings.layout
    if task.samples and model.image_tokens:
        yield (
            "workload.model.architecture.kind",
            "fine-tuning of vision-language decoders is not measured: task training",
        )
    if task.adapters and model.experts and {"fc1", "fc2"} & set(task.adapters.targets) and layout.expert_tensor > 1:
        yield "etp", "adapters of experts are not split: set etp to 1, or leave fc1 and fc2 out of loraTargets"


def _libraries(settings: Settings, *, gpu: bool, transformer_engine: bool) -> Iterator[Broken]:
    task, layout = settings.task, settings.layout
    lacking = "Megatron accepts it without Transformer Engine on a GPU and does nothing: "
    if settings.tensor_overlap and not transformer_engine:
        yield "tpo", f"{lacking}leave it out"
    if settings.communication_sms and not transformer_engine:
        yield "tp_comm", f"{lacking}set it to 0"
    if settings.precision == "fp8" and not transformer_engine:
        yield "workload.precision", "fp8 needs Transformer Engine on a GPU"
    if not gpu and settings.architecture.experts and layout.expert > 1 and layout.expert_tensor > 1:
        yield "etp", "on CPUs (gloo) ranks can't gather unequally many tokens of an expert: set etp to 1, or ep to 1"
    if task.packed and layout.context > 1 and transformer_engine:
        yield (
            "cp",
            "packed samples are not split over context-parallel ranks: set cp to 1 or fineTuning.packed to false",
        )
