"""`python -m autoscout_profiler megatron` and `vllm`: one trial, from its description to the exit code."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from autoscout_profiler.errors import InfrastructureError, ProfileError
from autoscout_profiler.reporter import TRIAL_VARIABLE, Reporter
from autoscout_profiler.runner.launch import (
    DEFAULT_MASTER_PORT,
    LOOPBACK,
    Place,
    Process,
    Trial,
    engine_process,
    megatron_world,
    rank_processes,
)
from autoscout_profiler.runner.supervisor import Limits, Supervisor

USAGE_ERROR = 2


class Framework(StrEnum):
    """What can be profiled; the value is the subcommand."""

    MEGATRON = "megatron"
    VLLM = "vllm"


_MODULES = {
    Framework.MEGATRON: "autoscout_profiler.megatron.rank",
    Framework.VLLM: "autoscout_profiler.vllm.child",
}
_NEEDS = {Framework.MEGATRON: ("torch", "megatron.core"), Framework.VLLM: ("torch", "vllm")}


def profile(framework: Framework, trial_file: Path | None, environment: Mapping[str, str] = os.environ) -> int:
    """Measure one trial and report it in frames.

    Args:
        framework: what measures it.
        trial_file: the trial's JSON; None: the variable `AUTOSCOUT_TRIAL`.
        environment: the variables; for tests.

    Returns:
        The exit code: that of `Supervisor.run`, or 2 with words on standard error if there is no trial to measure.
    """
    try:
        trial = Trial.parse(_description(trial_file, environment))
        limits = Limits.read(environment)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"autoscout_profiler {framework}: {error}\n")
        return USAGE_ERROR
    try:
        _require(framework)
        place = Place.read(environment)
        processes = _processes(framework, trial, place, environment)
    except ProfileError as error:
        Reporter({**environment, **trial.environment}).error(error.reason, str(error))
        return 1
    sys.stderr.write(f"autoscout_profiler {framework}: {_told(trial, processes)}\n")
    return Supervisor(trial, place, limits).run(processes)


def _told(trial: Trial, processes: Sequence[Process]) -> str:
    """What is about to be measured, and on what: nobody should take a CPU's figures for a GPU's."""
    hardware = trial.hardware
    where = (
        f"{hardware.gpus_per_node} GPUs of this node" if hardware.gpus_per_node else "CPUs (no hardware.gpusPerNode)"
    )
    ranks = ", ".join(str(process.rank) for process in processes)
    return f"{len(processes)} process(es) on {where}, ranks {ranks}"


def _require(framework: Framework) -> None:
    """Look for the framework without importing it: where it is missing no configuration is to blame.

    Raises:
        InfrastructureError: it is not installed.
    """
    for package in _NEEDS[framework]:
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:  # not even the package around it
            found = None
        if found is None:
            raise InfrastructureError(
                f"{package} is not installed for {sys.executable}: use an image with it, see docs/profilers.md"
            )


def _processes(framework: Framework, trial: Trial, place: Place, environment: Mapping[str, str]) -> list[Process]:
    command = [sys.executable, "-m", _MODULES[framework]]
    if framework is Framework.VLLM:
        return [engine_process(command, trial, place)]
    port = place.port or (_free_port() if place.nodes == 1 else DEFAULT_MASTER_PORT)
    return rank_processes(command, trial, place, megatron_world(trial), port, environment)


def _description(trial_file: Path | None, environment: Mapping[str, str]) -> str:
    if trial_file is not None:
        return trial_file.read_text()
    if TRIAL_VARIABLE not in environment:
        raise ValueError(f"no trial: name a file with --trial, or set {TRIAL_VARIABLE}; --help shows one")
    return environment[TRIAL_VARIABLE]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])
