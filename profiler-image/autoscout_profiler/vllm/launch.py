"""From a trial to an engine that is ready, and the requests for it."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import transformers
from vllm.platforms import current_platform
from vllm.version import __version__ as vllm_version

from autoscout_profiler.errors import InfrastructureError, InvalidConfiguration
from autoscout_profiler.runner.launch import NODES_VARIABLE, Place
from autoscout_profiler.vllm import arguments, environment, model, requests
from autoscout_profiler.vllm.address import await_name
from autoscout_profiler.vllm.engine import RunningEngine, Started
from autoscout_profiler.vllm.follower import follow
from autoscout_profiler.vllm.offline import OfflineEngine
from autoscout_profiler.vllm.requests import Request
from autoscout_profiler.vllm.serving import ServingEngine
from autoscout_profiler.vllm.settings import Settings

VERSIONS = {"vllm": vllm_version, "torch": torch.__version__, "transformers": transformers.__version__}


def start(settings: Settings, directory: Path, place: Place) -> Started | None:
    """Start the engine.

    Args:
        settings: the trial.
        directory: for a model's configuration that is made here.
        place: this node, of several.

    Returns:
        The engine; None on other nodes than the first: their part of the work is done.

    Raises:
        InvalidConfiguration: vLLM refuses the configuration, or the model or the prompts are not there.
        InfrastructureError: there are fewer GPUs or nodes than the pool has, or this one's name is not known.
    """
    _check_place(settings, place)
    values = arguments.values_of(settings.configuration)
    os.environ.update(environment.before_start(settings, values, os.environ, environment.available_cpus()))
    source = model.mounted(settings.model_name)
    load = _requests(settings, source)
    longest = max(settings.sequence_length, *(request.tokens for request in load))
    if source is None:
        source = model.written(settings.architecture, settings.model_name, longest, directory)
    plan = arguments.plan(settings, values, source, longest, place)
    if place.nodes > 1 and place.node_rank == 0:
        await_name(place.address)
    if place.node_rank > 0:
        follow(plan)
        return None
    engine: RunningEngine
    if settings.load.mode == "offline" and plan.replicas == 1:
        engine = OfflineEngine(plan)
    else:  # replicas need the asynchronous engine, which spreads requests over them
        engine = ServingEngine(plan, requests.arrivals(settings.load, len(load)), settings.load.concurrency)
    gpu = str(current_platform.get_device_name()) if settings.gpus else ""
    return Started(engine, load, VERSIONS, gpu)


def _requests(settings: Settings, source: model.Source | None) -> list[Request]:
    load = settings.load
    if not load.data_path:
        return requests.synthetic(load, source.vocabulary if source else model.vocabulary(settings.architecture))
    try:
        with Path(load.data_path).open() as lines:
            return requests.from_jsonl(lines, load, _tokenizer(source))
    except OSError as error:
        raise InvalidConfiguration(
            "workload.data.path", f"{load.data_path}: {error.strerror}; mount the file (profile.template)"
        ) from error


def _tokenizer(source: model.Source | None) -> requests.Tokenizer | None:
    """The tokenizer beside the model's files; None: there is none."""
    if source is None or not any((source.path / name).exists() for name in model.TOKENIZER_FILES):
        return None
    tokenizer: requests.Tokenizer = transformers.AutoTokenizer.from_pretrained(source.path).encode
    return tokenizer


def _check_place(settings: Settings, place: Place) -> None:
    """See that the engine runs where the TuningJob says: it must not fall back to something else."""
    hardware = settings.hardware
    if hardware.nodes != place.nodes:
        raise InfrastructureError(f"the pool has {hardware.nodes} nodes, and {NODES_VARIABLE} says {place.nodes}")
    seen = torch.cuda.device_count()
    if seen < hardware.gpus_per_node:
        raise InfrastructureError(f"the pool has {hardware.gpus_per_node} GPUs on a node, and PyTorch sees {seen}")
    if not settings.gpus and not current_platform.is_cpu():
        raise InvalidConfiguration(
            "hardware.pools[0].gpusPerNode", "0, but the image's vLLM is not built for CPUs: use one that is"
        )
