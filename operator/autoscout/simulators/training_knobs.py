"""What a training configuration means, whichever framework's names it uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.knobs import Columns
from autoscout.simulators.shape import Shape
from autoscout.simulators.workload import Pool, Workload

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingKnobs:
    """N configurations as arrays [N].

    Attributes:
        tp, pp, dp, cp, ep: degrees of parallelism.
        etp: ranks over which one expert is split.
        vpp: model chunks of one GPU.
        mbs: sequences of a micro-batch.
        microbatches: that one pipeline runs in one iteration.
        sequence_parallel: whether norms and residuals are split over the tensor-parallel group.
        kept_sharded: whether activations outside of matrix products are kept in shards of the tensor-parallel group.
        kept_gathered: whether the inputs of column-parallel products are kept whole nevertheless.
        regather: whether backward gathers the inputs of column-parallel products again instead of keeping them.
        scatter: whether pipeline stages send 1/tp of an activation each and gather it on arrival.
        overlap_tp: share of the tensor-parallel communication that runs beside matrix products.
        recompute_core, recompute_attention, recompute_ffn, recompute_block: share of the layers that recompute the
            attention's core (softmax(QK)V), its whole block, the feed-forward block, the whole layer.
        zero: 0 to 3, which of optimizer states, gradients, parameters are sharded over data-parallel ranks.
        overlap_gradients: whether gradients are reduced while backward still runs.
        overlap_parameters: whether sharded parameters are gathered while forward already runs.
        gradient_width: bytes of a gradient, kept and reduced.
        buckets: messages in which gradients are reduced, at least.
        fused_activation: whether the activation function keeps nothing but its input.
        fused_attention: whether scores stay in the chip (FlashAttention).
        communication_sms: multiprocessors set aside for communication; 0: none.
        unknown: knobs that mean nothing to us.
        valid: whether the model can be split like that at all.
    """

    tp: Floats
    pp: Floats
    dp: Floats
    cp: Floats
    ep: Floats
    etp: Floats
    vpp: Floats
    mbs: Floats
    microbatches: Floats
    sequence_parallel: Flags
    kept_sharded: Flags
    kept_gathered: Flags
    regather: Flags
    scatter: Flags
    overlap_tp: Floats
    recompute_core: Floats
    recompute_attention: Floats
    recompute_ffn: Floats
    recompute_block: Floats
    zero: Floats
    overlap_gradients: Flags
    overlap_parameters: Flags
    gradient_width: Floats
    buckets: Floats
    fused_activation: Flags
    fused_attention: Flags
    communication_sms: Floats
    unknown: Floats
    valid: Flags


_WHOLE = ("full", "full_block", "block", "uniform", "true", "1", "1.0")
_BLOCK = ("attn_only", "attn", "attention", "attention_only")
_CORE = ("selective", "sdp_only", "sdp", "core_attn", "core_attn_only")
_FFN = ("mlp_only", "mlp", "ffn_only")


def training_knobs(columns: Columns, shape: Shape, workload: Workload, pool: Pool) -> TrainingKnobs:
    """Read the columns.

    Args:
        columns: the configurations.
        shape: of the model.
        workload: gives the global batch size (default: one sequence for each GPU and micro-batch) and precision.
        pool: the GPUs; data parallelism takes those that no other degree uses.
    """
    tp, pp, cp = (np.maximum(columns.number(name, 1.0), 1.0) for name in ("tp", "pp", "cp"))
    gpus = float(max(1, pool.gpus))
    dp = np.maximum(columns.number("dp", np.maximum(1.0, np.floor(gpus / (tp * pp * cp)))), 1.0)
    ep = np.maximum(columns.number("ep", 1.0), 1.0)
    etp = np.maximum(columns.number("etp", tp), 1.0)
    mbs = np.maximum(columns.number("mbs", 1.0), 1.0)
    batch = float(workload.global_batch_size or gpus)
    exact = batch / (dp * mbs)
    layers = shape.layers / pp
    chunk = columns.number("layers_per_virtual_stage", 0.0)
    vpp = np.maximum(columns.number("vpp", np.where(chunk > 0, layers / np.maximum(chunk, 1.0), 1.0)), 1.0)
    vpp = np.where(pp > 1, vpp, 1.0)

    flash, unfused = _attention(columns)
    collective = columns.text("tpc")
    sequence_parallel = (columns.flag("sp", False) | (collective == "rs_ag")) & (tp > 1)
    # A product that overlaps with its collective takes and leaves activations in shards.
    overlapped = np.isin(columns.text("tpo"), ("ring", "pipe"))
    kept_sharded = sequence_parallel | (overlapped & (tp > 1))
    # Megatron-LM gathers again in backward (Korthikanti et al. 2022); who names the knob decides.
    regather = np.where(columns.has("tpc"), columns.flag("redo", False), True) & sequence_parallel

    precision = workload.precision or "bf16"
    fp32_gradients = columns.flag("grad_fp32", precision not in ("fp16", "fp8"))
    gradient_width = np.where(fp32_gradients & ~columns.flag("grad_bf16", False), 4.0, 2.0)
    zero = columns.number("zero", np.where(columns.flag("zero1", False), np.where(unfused, 2.0, 1.0), 0.0))
    # Without sequence parallelism only the reduction follows a product; what is gathered again is waited for.
    overlap_tp = _tensor_overlap(columns, tp) * np.where(sequence_parallel, 1.0, 0.5)
    per_rank = shape.parameters / (tp * pp)
    bucket = columns.number("bucket_size", columns.number("ddp_bucket", 0.0) * 1e6 / gradient_width)
    buckets = np.where(bucket > 0, np.ceil(per_rank / np.maximum(bucket, 1.0)), columns.number("ddp", 1.0))

    core, attention, ffn, block = _recomputation(columns, unfused, layers)
    valid = (
        (exact >= 1)
        & (np.abs(exact - np.round(exact)) < 1e-9)
        & (shape.heads % tp == 0)
        & (shape.hidden % tp == 0)
        & (shape.ffn % np.where(shape.experts > 1, etp, tp) == 0)
        & (shape.layers >= pp)
        & (shape.experts % ep == 0)
        & (ep * etp <= tp * dp * cp)
    )
    return TrainingKnobs(
        tp=tp,
        pp=pp,
        dp=dp,
        cp=cp,
        ep=ep,
        etp=etp,
        vpp=vpp,
        mbs=mbs,
        microbatches=np.maximum(1.0, np.ceil(exact - 1e-9)),
        sequence_parallel=sequence_parallel,
        kept_sharded=kept_sharded,
        kept_gathered=kept_sharded & ~regather & ~overlapped,
        regather=regather,
        scatter=sequence_parallel | (collective == "p2p_rs_ag"),
        overlap_tp=np.where(tp > 1, overlap_tp, 0.0),
        recompute_core=core,
        recompute_attention=attention,
        recompute_ffn=ffn,
        recompute_block=block,
        zero=np.where(dp * cp > 1, zero, 0.0),
        overlap_gradients=columns.flag("dpo", False),
        overlap_parameters=columns.flag("overlap_param_gather", False),
        gradient_width=gradient_width,
        buckets=np.maximum(1.0, buckets),
        fused_activation=columns.flag("fused", flash),
        fused_attention=flash,
        communication_sms=np.maximum(0.0, columns.number("tp_comm", 0.0)),
        unknown=columns.unknown,
        valid=valid,
    )


def _attention(columns: Columns) -> tuple[Flags, Flags]:
    """Whether attention is fused, and whether `attn_only` means its core.

    FlashAttention is Megatron-Core's default. Tables that let the fusion of the activation function be chosen and
    name the tensor-parallel collective describe Megatron-LM as of 2022, where the scores are written to memory and
    selective recomputation is about them (Korthikanti et al. 2022; Isaev et al. 2023).
    """
    older = columns.has("fused") & ~columns.has("flash") & ~columns.has("attention_backend")
    named = columns.text("attention_backend")
    fused = columns.flag("flash", ~older) & ~np.isin(named, ("unfused", "local"))
    return fused, ~fused


def _tensor_overlap(columns: Columns, tp: Floats) -> Floats:
    """Share of the communication around a product that can run beside it."""
    kind = columns.text("tpo")
    # A ring passes chunks while the product of a chunk that is there already runs. A pipeline of tp chunks waits for
    # its first collective.
    share = np.select(
        [kind == "ring", kind == "pipe", columns.flag("tpo", False), columns.number("tp_comm", 0.0) > 0],
        [np.ones_like(tp), (tp - 1) / tp, np.full_like(tp, 0.8), np.full_like(tp, 0.8)],
        0.0,
    )
    return np.asarray(share, float)


def _recomputation(columns: Columns, unfused: Flags, layers: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    mode = columns.text("ar")
    number = columns.number("recompute_num_layers", 0.0)
    method = columns.text("recompute_method")
    # `block` recomputes the first layers of a stage; `uniform` all of them, in groups.
    share = np.where((number > 0) & (method == "block"), np.minimum(1.0, number / layers), 1.0)
    share = np.clip(columns.number("ar_layers_frac", share), 0.0, 1.0)
    block = np.isin(mode, _BLOCK)
    return (
        share * (np.isin(mode, _CORE) | (block & unfused)),
        share * (block & ~unfused),
        share * np.isin(mode, _FFN),
        share * np.isin(mode, _WHOLE),
    )
