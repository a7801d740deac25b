"""What a preset is derived from: a job's model, its first pool, its batch. And what the simulators say of a default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Literal

import numpy as np

from autoscout.api import subject
from autoscout.api.architecture import architecture
from autoscout.api.errors import FieldError
from autoscout.api.workload import Hardware, Workload
from autoscout.simulators.hardware import find
from autoscout.simulators.models import MODELS, architecture_of
from autoscout.simulators.shape import Shape, shape
from autoscout.simulators.training import TrainingSimulator
from autoscout.simulators.uncertainty import fits
from autoscout.space.presets.defaults import Judge
from autoscout.space.presets.draft import Assignment
from autoscout.space.presets.memory import least
from autoscout.space.presets.target import Gpus, Model, Target

Preset = Literal["megatron", "vllm"]

_NEEDED = ("layers", "hiddenSize", "attentionHeads", "ffnHiddenSize", "vocabSize")
_PROMPT, _ANSWER = 1024, 256
"""Tokens where the job gives none, as the profiler and the simulators have it."""
_LARGE_GIB = 70


def target(preset: Preset, workload: Workload, hardware: Hardware) -> Target | list[FieldError]:
    """What the preset needs to know of a job, or everything that the job leaves out."""
    errors = [*_missing(preset, workload, hardware)]
    model = shape(subject.workload(workload))
    if errors or model is None:
        return errors
    pool = hardware.pools[0]
    gpu = find(pool.gpu)
    tuning, load = workload.fine_tuning, workload.load
    adapters = tuning is not None and tuning.method == "lora"
    tokens = (workload.input_tokens or _PROMPT) + (workload.output_tokens or _ANSWER)
    found = Target(
        model=_model(model),
        gpus=Gpus(
            nodes=pool.nodes,
            per_node=pool.gpus_per_node,
            memory=None if gpu is None else int(gpu.memory_gib * 2**30),
            fp8=gpu is not None and "fp8" in gpu.tflops,
            ample=gpu is not None and gpu.memory_gib >= _LARGE_GIB and not gpu.name.startswith("a100"),
        ),
        sequence=workload.sequence_length or tokens,
        global_batch=(workload.global_batch_size or 0) if preset == "megatron" else 0,
        precision=workload.precision or "bf16",
        frozen=adapters,
        packed=workload.task == "fine-tuning" and (tuning is None or tuning.packed),
        whole_experts=adapters and bool({"fc1", "fc2"} & set((tuning and tuning.lora_targets) or ("fc1",))),
        offline=load is None or load.mode == "offline",
    )
    return list(_too_large(found)) or found


def judge(preset: Preset, workload: Workload, hardware: Hardware, most: float | None) -> Judge | None:
    """How likely configurations fit into memory; None where no simulator can tell.

    That of serving counts a full batch, which vLLM does not need at once.

    Args:
        most: GiB that a measurement may take to be accepted; None: as many as the GPU has.
    """
    gpu = find(hardware.pools[0].gpu)
    if preset != "megatron" or gpu is None:
        return None
    runs, where = subject.workload(workload), subject.hardware(hardware)
    simulator = TrainingSimulator(gpu, where.pools[0])

    def likely(configurations: Sequence[Assignment]) -> list[float]:
        prediction = simulator.predict(configurations, runs, where)
        accepted = 1.0 if most is None else fits(prediction.peak_memory_gib, most, np.zeros(len(configurations)))
        return [float(chance) for chance in prediction.feasible * accepted]

    return likely


def _missing(preset: Preset, workload: Workload, hardware: Hardware) -> Iterator[FieldError]:
    if workload.framework not in (preset, "custom"):
        yield FieldError(
            "spec.searchSpace.preset",
            f"{preset} does not fit spec.workload.framework {workload.framework}: choose preset {workload.framework}",
        )
    if hardware.pools[0].gpus_per_node == 0:
        yield FieldError(
            "spec.hardware.pools[0].gpusPerNode",
            f"preset {preset} divides the work over GPUs, and the pool has none: set gpu and gpusPerNode, or leave "
            "searchSpace.preset out and list searchSpace.parameters",
        )
    yield from _missing_shape(preset, workload)
    if preset == "megatron":
        for field, value in (
            ("globalBatchSize", workload.global_batch_size),
            ("sequenceLength", workload.sequence_length),
        ):
            if value is None:
                yield FieldError(f"spec.workload.{field}", "is required by preset megatron: it decides what divides")


def _missing_shape(preset: Preset, workload: Workload) -> Iterator[FieldError]:
    model = workload.model
    if model is None:
        yield FieldError("spec.workload.model", f"is required by preset {preset}: give name or architecture")
        return
    whole = architecture(workload)
    given = {
        "layers": whole and whole.layers,
        "hiddenSize": whole and whole.hidden_size,
        "attentionHeads": whole and whole.attention_heads,
        "ffnHiddenSize": whole and (whole.ffn_hidden_size or (whole.experts and whole.expert_ffn_hidden_size)),
        "vocabSize": whole and whole.vocab_size,
    }
    missing = [field for field in _NEEDED if not given[field]]
    if not missing:
        return
    if model.name is not None and architecture_of(model.name) is None and model.architecture is None:
        near = get_close_matches(model.name.lower().rsplit("/", 1)[-1], MODELS, 1)
        guess = f"; did you mean {near[0]}?" if near else ";"
        yield FieldError(
            "spec.workload.model.name",
            f"{model.name!r} is not in the catalogue of models{guess} give spec.workload.model.architecture with "
            f"{', '.join(_NEEDED)}, or one of these names: {', '.join(MODELS)}",
        )
        return
    yield from (
        FieldError(f"spec.workload.model.architecture.{field}", f"is required by preset {preset}") for field in missing
    )


def _too_large(found: Target) -> Iterator[FieldError]:
    gpus, needed = found.gpus, least(found)
    if gpus.memory is not None and needed > gpus.total * gpus.memory:
        what = "weights, gradients and optimizer states" if found.global_batch and not found.frozen else "weights"
        yield FieldError(
            "spec.hardware.pools[0]",
            f"has {gpus.total} GPU(s) with {gpus.total * gpus.memory / 2**30:,.0f} GiB together, but the {what} of "
            f"this model take {needed / 2**30:,.0f} GiB at least: use more GPUs, or larger ones",
        )


def _model(model: Shape) -> Model:
    experts = model.layers * model.experts * model.expert_parameters if model.experts > 1 else 0
    return Model(
        layers=model.layers,
        heads=model.heads,
        groups=model.groups,
        ffn=model.ffn,
        experts=model.experts,
        cache_width=2 * model.key_width,
        dense_parameters=model.parameters - experts,
        expert_parameters=experts,
        shared=model.shared,
    )
