"""What the schema can't say: whether a TuningJob makes sense, and whether this version can run it.

Each error names the field and the way out. The API server accepts such an object; the operator answers it with a
condition, `autoscout tune` and `autoscout validate` with a line. `executors.admission` adds what the executors refuse.
"""

from __future__ import annotations

from collections.abc import Iterator

from autoscout.api.errors import FieldError
from autoscout.api.space import search_space, space_error
from autoscout.api.tuning_job import TuningJob
from autoscout.baselines import ALGORITHMS
from autoscout.search.settings import SettingsError, read
from autoscout.space.parameter import SpaceError
from autoscout.space.search_space import SearchSpace


def problems(job: TuningJob) -> list[FieldError]:
    """What is wrong with the search wherever it runs; empty: it makes sense."""
    return [] if job.spec.search_space.preset is not None else list(_space(job))


def runnable(job: TuningJob, *, cluster: bool) -> list[FieldError]:
    """What this version can't do yet, and what is missing where the job is to run; empty: it can run.

    Args:
        cluster: whether it is to run on a cluster, and not on this machine.
    """
    return list(_not_yet(job, cluster=cluster))


def _not_yet(job: TuningJob, *, cluster: bool) -> Iterator[FieldError]:
    spec = job.spec
    if spec.search_space.preset is not None:
        yield FieldError(
            "spec.searchSpace.preset", "presets do not exist yet: leave it out and list searchSpace.parameters"
        )
    if spec.warm_start is not None and spec.warm_start.from_:
        yield FieldError("spec.warmStart.from", "warm starts do not exist yet: leave warmStart out")
    yield from _algorithm(job)
    if len(spec.hardware.pools) > 1:
        yield FieldError("spec.hardware.pools", "several pools do not work yet: make one TuningJob for each pool")
    for index, pool in enumerate(spec.hardware.pools):
        if pool.nodes > 1:
            yield FieldError(
                f"spec.hardware.pools[{index}].nodes", "profiles over several nodes do not work yet: set it to 1"
            )
    # Framework custom without a command is refused by a rule of the schema.
    if spec.workload.framework != "custom" and not (spec.profile.command or spec.profile.args):
        yield FieldError(
            "spec.profile.command",
            f"the built-in profiler of {spec.workload.framework} does not exist yet: give profile.command (or args) "
            "that measures one configuration and prints a result frame",
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
            read(search.settings)
        except SettingsError as error:
            yield FieldError(f"spec.{error.field}", error.problem)


def _space(job: TuningJob) -> Iterator[FieldError]:
    space = search_space(job.spec.search_space)
    if not isinstance(space, SearchSpace):
        yield from space
        return
    try:
        # Needs a configuration at all, and that of the defaults, which is measured first.
        space.require_feasible()
        space.default()
    except SpaceError as error:
        yield space_error(error)
