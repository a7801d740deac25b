"""What the schema can't say: whether a TuningJob makes sense, and whether this version can run it.

Each error names the field and the way out. The API server accepts such an object; the operator answers it with a
condition, `autoscout tune` and `autoscout validate` with a line. `executors.admission` adds what the executors refuse.
"""

from __future__ import annotations

from collections.abc import Iterator

from autoscout.api import subject
from autoscout.api.errors import FieldError
from autoscout.api.frameworks import unsuited
from autoscout.api.plain import path_text, texts
from autoscout.api.space import Expansion, expansion
from autoscout.api.tuning_job import TuningJob
from autoscout.baselines import ALGORITHMS
from autoscout.search.settings import SettingsError, read
from autoscout.simulators.registry import AICONFIGURATOR, obstacle
from autoscout.space.parameter import SpaceError


def problems(job: TuningJob) -> list[FieldError]:
    """What is wrong with the search wherever it runs; empty: it makes sense."""
    return list(dict.fromkeys(_unwritable(job))) or list(_space(job))


def runnable(job: TuningJob, *, cluster: bool) -> list[FieldError]:
    """What this version can't do yet, and what is missing where the job is to run; empty: it can run.

    Args:
        cluster: whether it is to run on a cluster, and not on this machine.
    """
    return list(_not_yet(job, cluster=cluster))


def _unwritable(job: TuningJob) -> Iterator[FieldError]:
    for path, text in texts(job.spec.manifest(), ("spec",)):
        if "\0" in text:
            yield FieldError(
                path_text(path), "holds a NUL character, which no argument of a process can hold: remove it"
            )


def _not_yet(job: TuningJob, *, cluster: bool) -> Iterator[FieldError]:
    spec = job.spec
    if spec.warm_start is not None and spec.warm_start.from_:
        yield FieldError("spec.warmStart.from", "warm starts do not exist yet: leave warmStart out")
    yield from _algorithm(job)
    if len(spec.hardware.pools) > 1:
        yield FieldError("spec.hardware.pools", "several pools do not work yet: make one TuningJob for each pool")
    for index, pool in enumerate(spec.hardware.pools):
        if pool.nodes > 1 and not cluster:
            yield FieldError(
                f"spec.hardware.pools[{index}].nodes",
                "a profile over several nodes needs a cluster, and this is one machine: set it to 1",
            )
    # Framework custom without a command is refused by a rule of the schema.
    yield from unsuited(job)
    if not cluster and spec.profile.args and not spec.profile.command:
        yield FieldError(
            "spec.profile.command", "is required on this machine: args alone follow the entry point of an image"
        )
    if cluster and spec.profile.image is None:
        yield FieldError("spec.profile.image", "is required on a cluster: the image that measures one configuration")


def _algorithm(job: TuningJob) -> Iterator[FieldError]:
    search = job.spec.search
    if search.algorithm not in ALGORITHMS:
        known = ", ".join(sorted(ALGORITHMS))
        yield FieldError("spec.search.algorithm", f"{search.algorithm!r} is not known; there are: {known}")
    if search.algorithm == "autoscout":
        try:
            settings = read(search.settings)
        except SettingsError as error:
            yield FieldError(f"spec.{error.field}", error.problem)
            return
        if settings.simulators and settings.kernels == AICONFIGURATOR:
            yield from _kernels(job)


def _kernels(job: TuningJob) -> Iterator[FieldError]:
    found = expansion(job.spec)
    if isinstance(found, Expansion):
        names = tuple(found.space.by_name)
        reason = obstacle(
            subject.workload(job.spec.workload), subject.hardware(job.spec.hardware), names, AICONFIGURATOR
        )
        if reason is not None:
            yield FieldError("spec.search.settings.kernels", f"can't be aiconfigurator: {reason}")


def _space(job: TuningJob) -> Iterator[FieldError]:
    found = expansion(job.spec)
    if not isinstance(found, Expansion):
        yield from found
        return
    try:
        # Needs a configuration at all, and that of the defaults, which is measured first.
        found.space.require_feasible()
        found.space.default()
    except SpaceError as error:
        yield found.error(error)
