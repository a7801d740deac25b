"""The shape of a job's model, and the workload as a profiler is told it."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from pydantic.alias_generators import to_camel

from autoscout.api.tuning_job import TuningJob
from autoscout.api.workload import Workload
from autoscout.simulators.models import complete
from autoscout.simulators.workload import Architecture

_FIELDS = {field.name for field in fields(Architecture)}


def architecture(workload: Workload) -> Architecture | None:
    """What the job says of its model, completed from the catalogue; None if neither knows its shape."""
    if workload.model is None:
        return None
    shape = workload.model.architecture
    given = None if shape is None else Architecture(**shape.model_dump(include=_FIELDS, by_alias=False))
    return complete(workload.model.name, given)


def workload_manifest(job: TuningJob) -> dict[str, Any]:
    """`spec.workload` as JSON-ready data, with the whole architecture of a model that is known by its name."""
    workload = job.spec.workload
    manifest = workload.manifest()
    shape = architecture(workload)
    if shape is not None:
        whole = {to_camel(name): value for name, value in asdict(shape).items() if value is not None}
        manifest["model"]["architecture"] = manifest["model"].get("architecture", {}) | whole
    return manifest
