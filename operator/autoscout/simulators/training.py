"""Seconds of one training iteration and memory of the fullest GPU, from first principles.

Pipeline schedules after Narayanan et al. 2021 (1F1B, interleaved 1F1B); sharded optimizer states after Rajbhandari
et al. 2020 (ZeRO). No constant here was fitted to a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.hardware import Gpu
from autoscout.simulators.knobs import Columns
from autoscout.simulators.layer import LayerTime, layer_space, layer_time
from autoscout.simulators.machine import Machine
from autoscout.simulators.protocol import Prediction
from autoscout.simulators.shape import Shape, shape
from autoscout.simulators.training_knobs import TrainingKnobs, training_knobs
from autoscout.simulators.uncertainty import fits, spread
from autoscout.simulators.workload import Hardware, Pool, Workload
from autoscout.space.values import Value

Floats = npt.NDArray[np.float64]

METRICS = ("seconds_per_iteration", "tokens_per_second")

_GIB = 2.0**30
_RESERVED_GIB = 2.0
"""What tensors can't have of a GPU's memory: the driver's share (an 80 GB card shows 79.2 GiB), the CUDA context,
NCCL's buffers."""
_STATES = 12.0
"""Bytes of optimizer states of one parameter: fp32 copy and Adam's two moments."""


@dataclass(frozen=True)
class TrainingSimulator:
    """The analytical model of training on one kind of GPU.

    Attributes:
        gpu: the product.
        pool: how many of them, and in which nodes.
    """

    gpu: Gpu
    pool: Pool

    def predict(
        self,
        configurations: Sequence[Mapping[str, Value]],
        workload: Workload,
        hardware: Hardware,  # noqa: ARG002 - the pool is chosen already; see `registry`
    ) -> Prediction:
        """See `protocol.Simulator`. Metrics: seconds_per_iteration, tokens_per_second.

        Raises:
            ValueError: the workload does not give its model's shape.
        """
        model = shape(workload)
        if model is None:
            raise ValueError("workload.model.architecture: give at least layers and hiddenSize")
        knobs = training_knobs(Columns(configurations), model, workload, self.pool)
        machine = Machine(self.gpu, self.pool.gpus_per_node, workload.precision or "bf16")
        sequence = workload.sequence_length or 2048
        seconds, rough = iteration(knobs, model, machine, sequence)
        memory = footprint(knobs, model, sequence)
        tokens = knobs.microbatches * knobs.mbs * knobs.dp * sequence / seconds
        mean = np.stack([seconds, tokens], axis=1)
        relative = spread(self.gpu, rough, knobs.unknown)
        return Prediction(
            METRICS,
            mean,
            mean * relative[:, None],
            fits(memory, self.gpu.memory_gib - _RESERVED_GIB, knobs.unknown) * knobs.valid,
            memory,
        )


def iteration(knobs: TrainingKnobs, model: Shape, machine: Machine, sequence: int) -> tuple[Floats, Floats]:
    """Seconds of one iteration, and the share of them that is known roughly; [N] each.

    That is communication, also where it is believed to hide behind compute, idleness, and the products of experts: many
    small ones, whose sizes routing decides.
    """
    one = layer_time(knobs, model, machine, sequence)
    stage = np.ceil(model.layers / knobs.pp)
    tokens = knobs.mbs * sequence / knobs.cp
    head = 3 * (
        machine.gemm(tokens, model.vocabulary / knobs.tp, model.hidden)
        + machine.stream(tokens * model.vocabulary / knobs.tp * 6)
    )
    sends = _sends(knobs, model, machine, tokens)
    middle = stage * one.total + sends
    last = middle + head
    # The pipeline runs at the pace of its slowest stage; filling and draining it takes one pass through the others,
    # of one chunk each where stages are interleaved.
    bubble = (knobs.pp - 1) / knobs.vpp * middle
    pipeline = knobs.microbatches * last + bubble
    gradients = _gradients(knobs, model, machine, one, stage)
    step = _optimizer(knobs, model, machine)
    total = pipeline + gradients + step
    within = stage * (one.exposed + one.hidden + one.experts)
    return total, (bubble + knobs.microbatches * (within + sends) + gradients) / total


def _sends(knobs: TrainingKnobs, model: Shape, machine: Machine, tokens: Floats) -> Floats:
    """Seconds that one micro-batch spends between stages, forward and backward."""
    message = tokens * model.hidden * 2 / np.where(knobs.scatter, knobs.tp, 1.0)
    stride = knobs.tp * knobs.cp * knobs.dp
    send = machine.point_to_point(message, stride)
    gather = np.where(
        knobs.scatter & ~knobs.sequence_parallel, machine.all_gather(tokens * model.hidden * 2, knobs.tp), 0.0
    )
    return np.where(knobs.pp > 1, 2 * knobs.vpp * (send + gather), 0.0)


@dataclass(frozen=True)
class _Share:
    """Parameters of one kind on one GPU, [N], and the ranks that hold the same ones, [N]."""

    parameters: Floats
    ranks: Floats
    stride: Floats


def _shares(knobs: TrainingKnobs, model: Shape) -> tuple[_Share, ...]:
    """What a stage's GPU holds, one embedding included: experts have fewer replicas than the rest."""
    stage = np.ceil(model.layers / knobs.pp)
    embedding = model.embedding_parameters / knobs.tp
    attention = stage * (model.attention_parameters + model.shared_parameters) / knobs.tp
    ranks = knobs.dp * knobs.cp
    if model.experts == 1:
        dense = attention + stage * model.expert_parameters / knobs.tp
        return (_Share(dense + embedding, ranks, knobs.tp),)
    experts = stage * model.experts * model.expert_parameters / (knobs.ep * knobs.etp)
    replicas = np.maximum(1.0, np.floor(ranks * knobs.tp / (knobs.ep * knobs.etp)))
    return (
        _Share(attention + embedding, ranks, knobs.tp),
        _Share(experts, replicas, knobs.ep * knobs.etp),
    )


def _gradients(knobs: TrainingKnobs, model: Shape, machine: Machine, one: LayerTime, stage: Floats) -> Floats:
    """Exposed seconds of reducing gradients and gathering parameters over the data-parallel ranks."""
    reduce, gather = np.zeros_like(stage), np.zeros_like(stage)
    for share in _shares(knobs, model):
        message = share.parameters * knobs.gradient_width
        sharded = machine.reduce_scatter(message, share.ranks, share.stride)
        whole = machine.all_reduce(message, share.ranks, share.stride)
        reduce = reduce + np.where(knobs.zero > 0, sharded, whole)
        gathered = machine.all_gather(share.parameters * 2, share.ranks, share.stride)
        gather = gather + np.where(knobs.zero > 0, gathered, 0.0)
    reduce = reduce + knobs.buckets * 1e-5
    # ZeRO-3 gathers parameters before each forward and backward pass.
    gather = gather * np.where(knobs.zero > 2, 2 * knobs.microbatches, 1.0)
    backward = stage * (one.backward + one.recompute)
    tail = reduce / np.maximum(stage, knobs.buckets)
    exposed_reduce = np.where(knobs.overlap_gradients, np.maximum(reduce - backward, tail), reduce)
    forward = stage * one.forward
    exposed_gather = np.where(knobs.overlap_parameters, np.maximum(gather - forward, gather / stage), gather)
    return np.where((knobs.dp * knobs.cp > 1) & (not model.frozen), exposed_reduce + exposed_gather, 0.0)


def _optimizer(knobs: TrainingKnobs, model: Shape, machine: Machine) -> Floats:
    own = np.zeros_like(knobs.tp)
    if model.frozen:
        return own
    for share in _shares(knobs, model):
        own = own + share.parameters / np.where(knobs.zero > 0, share.ranks, 1.0)
    # Copy and moments are read and written, the gradient read, the parameter written.
    return machine.stream(own * (2 * _STATES + knobs.gradient_width + 2))


def footprint(knobs: TrainingKnobs, model: Shape, sequence: int) -> Floats:
    """GiB on the fullest GPU, [N]: the first stage keeps most micro-batches, the last one has the logits."""
    space = layer_space(knobs, model, sequence)
    held = sum(
        (share.parameters * _width(knobs, model, share.ranks) for share in _shares(knobs, model)),
        np.zeros_like(knobs.tp),
    )
    stage = np.ceil(model.layers / knobs.pp)
    interleaved = np.where(knobs.vpp > 1, (knobs.pp - 1) / knobs.vpp, 0.0)
    first_flight = np.minimum(knobs.microbatches, knobs.pp + interleaved)
    last_flight = np.minimum(
        knobs.microbatches, np.where(knobs.vpp > 1, (knobs.pp * (knobs.vpp - 1) + 1) / knobs.vpp, 1.0)
    )
    tokens = knobs.mbs * sequence / knobs.cp
    # Logits in the model's precision and in fp32, with their gradient.
    logits = tokens * model.vocabulary / knobs.tp * (2 + 4 + 2)
    # A GPU that is first and last stage has both embeddings.
    other = (
        model.embedding_parameters / knobs.tp * _width(knobs, model, knobs.dp * knobs.cp) * (0.0 if model.tied else 1.0)
    )
    first = held + stage * first_flight * space.kept + space.working
    last = held + stage * last_flight * space.kept + np.maximum(space.working, logits)
    single = held + other + stage * space.kept + np.maximum(space.working, logits)
    return np.where(knobs.pp > 1, np.maximum(first, last), single) / _GIB


def _width(knobs: TrainingKnobs, model: Shape, ranks: Floats) -> Floats:
    """Bytes that one parameter takes on a GPU, with its gradient and its optimizer states."""
    if model.frozen:
        return np.full_like(knobs.tp, 2.0)
    return (
        2 / np.where(knobs.zero > 2, ranks, 1.0)
        + knobs.gradient_width / np.where(knobs.zero > 1, ranks, 1.0)
        + _STATES / np.where(knobs.zero > 0, ranks, 1.0)
    )
