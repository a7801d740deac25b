"""What the built-in profilers need of a TuningJob: what would fail in every measurement is said before the first one.

They measure the frameworks `megatron` and `vllm` where the job has no command of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from autoscout.api.architecture import workload_manifest
from autoscout.api.errors import FieldError
from autoscout.api.space import Expansion, expansion
from autoscout.api.tuning_job import TuningJob
from autoscout.api.vllm_arguments import OPTIONS, RANGES
from autoscout.simulators.knobs import canonical
from autoscout.space.parameter import SpaceError
from autoscout.space.values import Value
from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.megatron import rules, shape
from autoscout_profiler.megatron.flops import peak_teraflops
from autoscout_profiler.megatron.knobs import CHOICES, KNOBS, Knobs
from autoscout_profiler.megatron.settings import read
from autoscout_profiler.runner.launch import Hardware, Trial, megatron_world
from autoscout_profiler.vllm.knobs import ALIASES, PLACEMENT, resolve
from autoscout_profiler.vllm.layout import layout
from autoscout_profiler.vllm.model import dtype_and_quantization, is_dense

TASKS: Mapping[str, tuple[str, ...]] = {"megatron": ("training", "fine-tuning"), "vllm": ("inference",)}
"""The built-in profilers, and what each measures."""

_SIZES: Mapping[str, tuple[str, ...]] = {
    "megatron": ("globalBatchSize", "sequenceLength"),
    "vllm": ("inputTokens", "outputTokens"),
}
"""Fields of a workload without a default."""
_SHAPES: Mapping[str, tuple[str, ...]] = {
    "megatron": ("layers", "hiddenSize", "attentionHeads", "vocabSize"),
    "vllm": ("layers", "hiddenSize", "attentionHeads"),
}
"""Fields of an architecture without a default."""
_KNOBS: Mapping[str, tuple[str, ...]] = {
    "megatron": tuple(spelling for name, aliases in KNOBS.items() for spelling in (name, *aliases)),
    "vllm": (*OPTIONS, *(alias for aliases in ALIASES.values() for alias in aliases), *PLACEMENT),
}
"""Every name of a parameter that a profiler takes."""

UTILIZATION = "model_flops_utilization"
_METRICS: Mapping[str, tuple[str, ...]] = {
    "megatron": (
        *("seconds_per_iteration", "tokens_per_second", UTILIZATION, "peak_memory_gib"),
        *("peak_reserved_memory_gib", "startup_seconds", "warmup_seconds"),
    ),
    "vllm": (
        *("milliseconds_per_token", "tokens_per_second", "requests_per_second", "peak_memory_gib", "startup_seconds"),
        "warmup_seconds",
        *(f"{name}_ms{part}" for name in ("ttft", "tpot", "itl") for part in ("", "_p50", "_p99")),
    ),
}
"""What each profiler reports."""


def is_built_in(job: TuningJob) -> bool:
    """Whether the built-in profiler of the framework measures this job."""
    profile = job.spec.profile
    return job.spec.workload.framework in TASKS and not profile.command and not profile.args


def unsuited(job: TuningJob) -> list[FieldError]:
    """What keeps the built-in profiler from measuring this job; empty where another program measures it."""
    if not is_built_in(job):
        return []
    # What it measures decides what it needs.
    return list(_task(job)) or [*_sizes(job), *_parameters(job), *_values(job), *_metrics(job)] or list(_default(job))


def _task(job: TuningJob) -> Iterator[FieldError]:
    workload = job.spec.workload
    tasks = TASKS[workload.framework]
    if workload.task not in tasks:
        yield FieldError(
            "spec.workload.task",
            f"is {workload.task}, but the built-in profiler of {workload.framework} measures {' and '.join(tasks)}: "
            "set it, or give profile.command",
        )


def _sizes(job: TuningJob) -> Iterator[FieldError]:
    framework, workload = job.spec.workload.framework, workload_manifest(job)
    for name in () if _has_prompts(job) else _SIZES[framework]:
        if name not in workload:
            yield FieldError(f"spec.workload.{name}", f"is required by the built-in profiler of {framework}")
    model = workload.get("model", {})
    missing = (
        () if _is_mounted(job) else [name for name in _SHAPES[framework] if name not in model.get("architecture", {})]
    )
    if missing:
        unknown = f"{model['name']!r} is no model that AutoScout knows: " if "name" in model else ""
        yield FieldError(
            f"spec.workload.model.architecture.{missing[0]}",
            f"is required by the built-in profiler of {framework}: {unknown}give {', '.join(missing)}, or the "
            "model.name of a known model",
        )
    try:
        if framework == "vllm":
            dtype_and_quantization(workload.get("precision", ""))
        elif not missing:
            shape.architecture(workload)
            shape.task({"globalBatchSize": 1, "sequenceLength": 1, **workload})
    except InvalidConfiguration as error:
        yield FieldError(f"spec.{error.field}", str(error).removeprefix(f"{error.field}: "))


def _has_prompts(job: TuningJob) -> bool:
    """Whether a file says how long the requests are."""
    workload = job.spec.workload
    return workload.framework == "vllm" and workload.data is not None


def _is_mounted(job: TuningJob) -> bool:
    """Whether the model's files are in the container."""
    workload = job.spec.workload
    return workload.framework == "vllm" and ((workload.model and workload.model.name) or "").startswith("/")


def _parameters(job: TuningJob) -> Iterator[FieldError]:
    framework = job.spec.workload.framework
    known = _KNOBS[framework]
    for index, parameter in enumerate(job.spec.search_space.parameters):
        if parameter.name.lower() not in known:
            yield FieldError(
                f"spec.searchSpace.parameters[{index}].name",
                f"{framework} has no parameter {parameter.name!r}{_nearest(parameter.name.lower(), known)}",
            )


def _values(job: TuningJob) -> Iterator[FieldError]:
    """Values that the framework refuses whatever the others are."""
    framework = job.spec.workload.framework
    found = expansion(job.spec)
    if not isinstance(found, Expansion):
        return  # is said of the space itself
    refused = _refused_by_megatron if framework == "megatron" else _refused_by_vllm
    for place, (name, parameter) in zip(found.parameters, found.space.by_name.items(), strict=True):
        if name.lower() not in _KNOBS[framework]:
            continue
        for value in parameter.values:
            if wanted := refused(name, value):
                yield FieldError(f"spec.searchSpace.{place}", f"{name} can't be {value!r}: {framework} takes {wanted}")
                break


def _refused_by_megatron(name: str, value: Value) -> str | None:
    """What it takes instead of a value; None: it takes this one, or that depends."""
    knob = canonical(name)
    if knob is None or knob not in CHOICES:
        return None
    try:
        Knobs({name: value}).choice(knob)
    except InvalidConfiguration:
        return ", ".join(CHOICES[knob])
    return None


def _refused_by_vllm(name: str, value: Value) -> str | None:
    """The same of vLLM. It reads words such as `2k` and `auto` itself."""
    argument = next(iter(resolve({name: value}, OPTIONS)), None)
    wanted = None if argument is None else RANGES.get(argument)
    if wanted is None or isinstance(value, str) or (not isinstance(value, bool) and wanted.holds(value)):
        return None
    return wanted.words


def _metrics(job: TuningJob) -> Iterator[FieldError]:
    framework, pool = job.spec.workload.framework, job.spec.hardware.pools[0]
    known = _METRICS[framework]
    wanted = [(f"objectives[{index}]", each.metric) for index, each in enumerate(job.spec.objectives)]
    wanted += [(f"constraints[{index}]", each.metric) for index, each in enumerate(job.spec.constraints)]
    for place, metric in wanted:
        if metric not in known:
            yield FieldError(
                f"spec.{place}.metric",
                f"the built-in profiler of {framework} reports no {metric!r}{_nearest(metric, known)}",
            )
        elif metric == UTILIZATION and peak_teraflops(pool.gpu or "", job.spec.workload.precision or "bf16") is None:
            yield FieldError(
                f"spec.{place}.metric",
                f"{UTILIZATION} needs bf16 or fp16 on a GPU whose peak is known, and spec.hardware.pools[0].gpu is "
                f"{pool.gpu or 'not given'}: use seconds_per_iteration",
            )


def _default(job: TuningJob) -> Iterator[FieldError]:
    """What the profiler refuses in the configuration that is measured first, the base of every speed-up."""
    framework, found = job.spec.workload.framework, expansion(job.spec)
    if not isinstance(found, Expansion):
        return
    try:
        check = _check_megatron if framework == "megatron" else _check_vllm
        check(job, dict(found.space.default()))
    except SpaceError:
        return  # is said of the space itself
    except InvalidConfiguration as error:
        yield FieldError(
            "spec.searchSpace",
            f"the built-in profiler of {framework} refuses the defaults, which are measured first: {error}; choose "
            "others",
        )


def _check_megatron(job: TuningJob, configuration: dict[str, Value]) -> None:
    pool = job.spec.hardware.pools[0]
    hardware = {"nodes": pool.nodes, "gpusPerNode": pool.gpus_per_node}
    gpu = pool.gpus_per_node > 0
    world = megatron_world(Trial({"configuration": configuration, "hardware": hardware}))
    settings = read(configuration, workload_manifest(job), world=world, default_precision="bf16" if gpu else "fp32")
    # Whether the image has Transformer Engine is seen there only.
    rules.check(settings, gpu=gpu, transformer_engine=gpu)


def _check_vllm(job: TuningJob, configuration: dict[str, Value]) -> None:
    """Where its workers go. Of everything else nothing comparable is known without vLLM itself."""
    pool = job.spec.hardware.pools[0]
    hardware = Hardware(pool.gpu, pool.nodes, pool.gpus_per_node)
    layout(resolve(configuration, OPTIONS), hardware, dense=is_dense(workload_manifest(job)))


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"
