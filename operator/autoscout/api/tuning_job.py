"""TuningJob: what its author writes. The descriptions are what `kubectl explain tuningjob.spec` prints."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StringConstraints

from autoscout.api.fields import MAX_EXACT, Identifier, Integer, Label, OpenMap
from autoscout.api.model import Model, Rule, StatusModel
from autoscout.api.profile import Profile
from autoscout.api.quantity import Duration, Positive, Quantity
from autoscout.api.search_space import SearchSpaceSpec
from autoscout.api.status import TuningJobStatus
from autoscout.api.workload import Hardware, Workload

MAX_NAME = 40
"""Job and pod names derive from the name of the TuningJob and must stay DNS labels."""


class ObjectiveSpec(Model):
    """A metric to make small or large."""

    metric: Identifier = Field(
        description="Name of the metric in the profile's result, with its unit. Example: seconds_per_iteration."
    )
    goal: Literal["minimize", "maximize"] = Field("minimize", description="Which way is better.")


class ConstraintSpec(Model):
    """A bound that a measurement must keep to be accepted."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.min) || has(self.max)", "give min, max or both", ".max", "FieldValueRequired"),
        Rule(
            "!has(self.min) || !has(self.max) || double(string(self.min)) <= double(string(self.max))",
            "max must not be less than min",
            ".max",
        ),
    )

    metric: Identifier = Field(description="Name of a metric in the profile's result. Example: peak_memory_gib.")
    min: Quantity | None = Field(None, description='Least value that is accepted. Example: "0.95".')
    max: Quantity | None = Field(None, description="Greatest value that is accepted. Example: 40.")


class SearchSpec(Model):
    """How the space is searched."""

    algorithm: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z][-a-z0-9]*$")] = Field(
        "autoscout",
        description=(
            "Name of the algorithm. Every one measures the defaults first. autoscout is the project's own; random, "
            "coordinate, cherrypick, udo, metis and, with the extra `rivals`, tpe and smac are there to compare with."
        ),
    )
    seed: Annotated[Integer, Field(ge=0, le=MAX_EXACT)] = Field(
        0, description="Seed of all randomness: same spec, seed and results, same proposals."
    )
    settings: OpenMap = Field(
        {}, max_length=64, description="The algorithm's own settings. Left out: what its authors recommend."
    )


class BudgetSpec(Model):
    """When to stop. May be changed while the job runs."""

    max_profiles: Annotated[Integer, Field(ge=1, le=100_000)] = Field(
        50, description="Profiles that tell something: measured and infeasible ones together. May be changed."
    )
    max_duration: Duration | None = Field(
        None,
        description=(
            "Wall time of the search, suspended time excluded; what still runs then is stopped. Left out: no limit. "
            "May be changed. Hours, minutes, seconds: 90s, 15m, 2h30m."
        ),
    )
    max_gpu_hours: Positive | None = Field(
        None,
        description=(
            "GPU-hours of all attempts, start-up and failures included; what still runs then is stopped. Left out: no "
            'limit. May be changed. Example: 40 or "0.5".'
        ),
    )
    parallelism: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        1, description="Profiles in flight at once. May be changed."
    )


class WarmStart(Model):
    """Past jobs to learn from."""

    from_: tuple[Label, ...] = Field(
        (), alias="from", max_length=16, description="Names of TuningJobs in this namespace. Reserved: leave it empty."
    )


def _immutable(field: str, *, order: str = "") -> Rule:
    same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return Rule(
        same + (f" && {order}" if order else ""),
        f"{field} defines the search and can't be changed: make a new TuningJob (budget, suspend and "
        "ttlSecondsAfterFinished may change)",
        f".{field}",
        "FieldValueForbidden",
    )


class TuningJobSpec(Model):
    """What to tune, where, towards what, and for how long."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.workload.framework != 'custom' || size(self.profile.command) > 0 || size(self.profile.args) > 0",
            "profile.command or profile.args is required with framework custom: what is to be measured",
            ".profile.command",
            "FieldValueRequired",
        ),
        _immutable("workload"),
        _immutable("hardware"),
        # Lists of named things compare without their order, but the first objective ranks, and the order of the
        # parameters is the order of the search.
        _immutable("objectives", order="self.objectives.map(o, o.metric) == oldSelf.objectives.map(o, o.metric)"),
        _immutable("constraints"),
        _immutable(
            "searchSpace",
            order="self.searchSpace.parameters.map(p, p.name) == oldSelf.searchSpace.parameters.map(p, p.name)",
        ),
        _immutable("search"),
        _immutable("profile"),
        _immutable("warmStart"),
    )

    workload: Workload = Field(Workload(), description="What is tuned.")
    hardware: Hardware = Field(
        Hardware(), description="The nodes that profiles may use. Default: one pool `cpu` without GPUs."
    )
    objectives: tuple[ObjectiveSpec, ...] = Field(
        min_length=1,
        max_length=4,
        description="What to make better; distinct metrics. The first one ranks the best configuration.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]},
    )
    constraints: tuple[ConstraintSpec, ...] = Field(
        (), max_length=16, description="Bounds that a measurement must keep to be accepted."
    )
    search_space: SearchSpaceSpec = Field(description="What may be changed, and which combinations are valid.")
    search: SearchSpec = Field(SearchSpec(), description="How the space is searched.")
    budget: BudgetSpec = Field(BudgetSpec(), description="When to stop. May be changed while the job runs.")
    profile: Profile = Field(Profile(), description="How one configuration is measured.")
    warm_start: WarmStart | None = Field(
        None, description="Past jobs to learn from. Reserved; refused until it exists."
    )
    suspend: StrictBool = Field(
        False,
        description=(
            "true stops the profiles that run and starts no more; false goes on where it stopped. No finished profile "
            "is lost. May be changed."
        ),
    )
    ttl_seconds_after_finished: Annotated[Integer, Field(ge=0, le=10**9)] | None = Field(
        None,
        description=(
            "Seconds after which the finished TuningJob is deleted with all its trials. Left out: never. May be "
            "changed."
        ),
    )


class Metadata(StatusModel):
    """What AutoScout reads of an object's metadata."""

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
    ] = Field(description="Name of the object: at most 40 characters, lower-case letters, digits and dashes.")
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field({})
    annotations: dict[str, str] = Field({})
    finalizers: tuple[str, ...] = ()


class TuningJob(Model):
    """Finds the best configuration of an ML system with few real measurements."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.metadata.name.size() <= {MAX_NAME}",
            f"metadata.name must be at most {MAX_NAME} characters: names of Jobs and pods derive from it",
            ".metadata.name",
        ),
        Rule("!self.metadata.name.contains('.')", "metadata.name must not contain dots", ".metadata.name"),
    )

    api_version: Literal["autoscout.io/v1alpha1"]
    kind: Literal["TuningJob"]
    metadata: Metadata
    spec: TuningJobSpec = Field(description="What to tune, where, towards what, and for how long.")
    status: TuningJobStatus = Field(TuningJobStatus(), description="What was found until now; written by the operator.")
