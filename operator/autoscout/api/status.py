"""Status of a TuningJob: small (under 64 KiB) however long the search; the trials hold the history.

Its texts have no limits of their own: the operator cuts what it writes, and a status that the API server refused would
leave the user with an old one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from autoscout.api.fields import Integer, Scalar
from autoscout.api.model import StatusModel

Time = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
"""RFC 3339, such as 2025-01-31T12:00:00Z."""
Whole = Annotated[Integer, Field(ge=0)]
MAX_METRICS = 256
Metrics = Annotated[dict[str, float], Field(max_length=MAX_METRICS)]
Values = Annotated[dict[str, Scalar], Field(max_length=64)]

JobPhase = Literal["Pending", "Searching", "Suspended", "Complete", "Failed", "Invalid"]


class Condition(StatusModel):
    """One aspect of the job, as in every Kubernetes object; `kubectl wait --for=condition=Complete` reads it."""

    type: Literal["Validated", "Searching", "Suspended", "Complete", "Failed"] = Field(
        description="Which aspect: Validated, Searching, Suspended, Complete or Failed."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field("", description="Why, in one word for programs.")
    message: str = Field("", description="Why, in words for people; names the field and the way out.")
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: Whole = Field(0, description="metadata.generation that this condition judges.")


class Progress(StatusModel):
    """How far the search is."""

    profiled: Whole = Field(0, description="Profiles that told something: measured and infeasible ones.")
    max_profiles: Whole = Field(0, description="The budget they count against: spec.budget.maxProfiles.")
    simulated: Whole | None = Field(
        None, description="Configurations that were judged by a simulator. Left out where nobody counted them."
    )
    in_flight: Whole = Field(0, description="Profiles that run or wait now.")
    infeasible: Whole = Field(0, description="Configurations that can't run: out of memory, refused, too slow.")
    lost: Whole = Field(0, description="Trials that the infrastructure failed for good.")
    stopped_early: Whole = Field(0, description="Measured profiles that were stopped early: they couldn't win.")
    gpu_hours: float = Field(0.0, description="GPU-hours of all ended attempts, start-up and failures included.")
    fidelity: Literal["simulated", "profiled"] | None = Field(
        None,
        description=(
            "What the search works with now: simulated, or profiled once only measurements count. Left out where it "
            "does not say."
        ),
    )
    mape: float | None = Field(
        None,
        ge=0,
        description="Mean error of the simulators against the profiles, a common factor divided out; 0.1 is 10 %.",
    )


class DefaultResult(StatusModel):
    """The measurement of the defaults: the base of the speed-up."""

    trial: Whole = Field(description="Number of the trial.")
    metrics: Metrics = Field(
        {}, description="What was measured, by metric, units in the names; at most 4 KiB: the trial has all."
    )
    configuration: Values = Field(
        {}, description="Values of the active parameters; left out where they take more than 8 KiB: see the trial."
    )


class BestResult(DefaultResult):
    """The best accepted measurement up to now."""

    speedup: float | None = Field(
        None, description="How many times better than the defaults, by the first objective; 1.25 is 25 % better."
    )
    command: str | None = Field(
        None,
        description="The command line that realises it, quoted for a shell; a comment where it is longer than 8 KiB.",
    )
    cost: str | None = Field(
        None, description="Price of all GPU-hours until now, in the currency of the pools' pricePerGpuHour."
    )


class RunningTrial(StatusModel):
    """A trial in flight."""

    trial: Whole = Field(description="Number of the trial.")
    job: str = Field("", description="Name of the Job that runs it.")
    state: str = Field("", description="Waiting or Running.")
    reason: str = Field("", description="Why it waits: Unschedulable, ImagePullBackOff, ...")
    message: str = Field("", description="Why it waits, in words.")


class Summary(StatusModel):
    """The columns of `kubectl get tuningjobs`."""

    best: str = Field("", description="First objective of the best result.")
    speedup: str = Field("", description="Best against the defaults, such as 1.25x.")
    profiled: str = Field("", description="Profiles of the budget, such as 12/50.")
    gpu_hours: str = Field("", description="GPU-hours used, such as 3.25.")


class TuningJobStatus(StatusModel):
    """What was found until now; written by the operator."""

    observed_generation: Whole = Field(0, description="metadata.generation that this status describes.")
    phase: JobPhase | None = Field(
        None,
        description=(
            "Pending: not looked at yet. Searching. Suspended: spec.suspend is true. Complete: the budget is used up "
            "or the space exhausted. Failed: no result can be had. Invalid: the spec can't be used, see message."
        ),
    )
    message: str | None = Field(None, description="What happens now, or what is wrong, in words.")
    start_time: Time | None = Field(None, description="When the search began.")
    completion_time: Time | None = Field(None, description="When it ended.")
    suspended_seconds: float = Field(
        0.0,
        ge=0,
        description="Time spent suspended, or finished until a larger budget went on; maxDuration does not count it.",
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        max_length=16,
        description="Aspects of the job, for `kubectl wait` and for programs.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    progress: Progress | None = Field(None, description="How far the search is.")
    default: DefaultResult | None = Field(None, description="The measurement of the defaults.")
    best: BestResult | None = Field(None, description="The best accepted measurement up to now.")
    running: tuple[RunningTrial, ...] = Field((), max_length=16, description="Trials in flight; at most 16 are listed.")
    summary: Summary | None = Field(None, description="The columns of `kubectl get`.")
