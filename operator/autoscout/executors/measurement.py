"""What one attempt of a trial starts, the same wherever it runs: command, arguments, environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoscout.api.architecture import workload_manifest
from autoscout.api.frameworks import is_built_in
from autoscout.api.names import trial_name
from autoscout.api.space import parameter_names
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.command import RenderedCommand, check, environment, render
from autoscout.search.ledger import Trial
from autoscout.space.values import Value

PROFILER = ("python3", "-m", "autoscout_profiler")
"""The built-in profiler, in its images and beside AutoScout; the framework's name follows."""


def rendered_command(job: TuningJob, configuration: Mapping[str, Value]) -> RenderedCommand:
    """The command of `spec.profile`, or that of the built-in profiler where it gives none.

    Raises:
        PlaceholderError: the template can't be filled.
    """
    profile = job.spec.profile
    return render(_command(job), profile.args, _variables(job), configuration, parameter_names(job.spec))


def check_command(job: TuningJob) -> None:
    """Check the command without any configuration.

    Raises:
        ApiError: there is no search space, because a preset can't be derived.
        PlaceholderError: the template can't be filled.
    """
    check(_command(job), job.spec.profile.args, _variables(job), parameter_names(job.spec))


def trial_environment(job: TuningJob, trial: Trial, attempt: int, termination_path: str) -> dict[str, str]:
    """The variables that this attempt gets besides those of `profile.env`.

    Args:
        attempt: 0 for the first run of the trial.
        termination_path: the file that takes the last frame.
    """
    profile = job.spec.profile
    return environment(
        trial=trial_name(job.metadata.name, trial.number),
        attempt=attempt,
        configuration=trial.configuration,
        workload=workload_manifest(job),
        hardware=hardware_manifest(job),
        warmup_iterations=profile.warmup_iterations,
        iterations=profile.iterations,
        termination_path=termination_path,
    )


def hardware_manifest(job: TuningJob) -> dict[str, Any]:
    """What one measurement runs on: the GPU's product (None: no GPU), nodes, GPUs of a node."""
    pool = job.spec.hardware.pools[0]
    return {"gpu": pool.gpu, "nodes": pool.nodes, "gpusPerNode": pool.gpus_per_node}


def _command(job: TuningJob) -> tuple[str, ...]:
    return (*PROFILER, job.spec.workload.framework) if is_built_in(job) else job.spec.profile.command


def _variables(job: TuningJob) -> dict[str, str]:
    return {variable.name: variable.value for variable in job.spec.profile.env}
