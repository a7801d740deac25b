"""Everything that is wrong with a TuningJob, before anything runs: the API's checks and those of the executors."""

from __future__ import annotations

from autoscout.api.check import problems, runnable
from autoscout.api.errors import ApiError, FieldError
from autoscout.api.parse import load
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.command import PlaceholderError
from autoscout.executors.kubernetes.manifests import template_errors
from autoscout.executors.measurement import check_command


def check(document: object, *, cluster: bool) -> list[FieldError]:
    """What is wrong with a TuningJob in parsed YAML or JSON; empty: it can run. Never raises.

    Args:
        cluster: whether it is to run on a cluster, and not on this machine.
    """
    job = load(document)
    if isinstance(job, list):
        return job
    errors = [*problems(job), *_command(job), *runnable(job, cluster=cluster)]
    # The pod template needs an image and hardware that are in order.
    return errors or (template_errors(job) if cluster else [])


def _command(job: TuningJob) -> list[FieldError]:
    try:
        check_command(job)
    except PlaceholderError as error:
        return [FieldError(f"spec.{error.field}", error.message)]
    except ApiError:
        # No preset, no names to check against: the search space's own errors say what is missing.
        return []
    return []
