"""TuningTrial: one line of the ledger. The operator writes it; people read it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StringConstraints

from autoscout.api.fields import Message, Reason, Text
from autoscout.api.model import Model, Rule, StatusModel
from autoscout.api.quantity import Quantity
from autoscout.api.status import Metrics, Time, Values, Whole
from autoscout.api.tuning_job import Metadata

MAX_SAMPLES = 10_000

Amount = Annotated[float, Field(ge=0, le=1e12)]
"""What a sum over any number of attempts can't make infinite."""
TrialPhase = Literal["Pending", "Running", "Measured", "Infeasible", "Lost"]


class TuningTrialSpec(Model):
    """A decision to measure; written before anything runs, never changed."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self == oldSelf", "spec records a decision and can't be changed", reason="FieldValueForbidden"),
    )

    number: Whole = Field(description="0, 1, 2, ... within the job; trial 0 measures the defaults.")
    configuration: Values = Field(description="Values of the active parameters, by name.")
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", max_length=16)] = Field(
        description="Name of the configuration: equal ones have equal fingerprints."
    )
    fidelity: Literal["profiled"] = Field("profiled", description="How it is evaluated: by a real measurement.")
    proposer: Reason = Field("", description="Who proposed it: default, random, ...")
    predicted: dict[str, Quantity] = Field(
        {}, max_length=256, description="What a simulator predicted, by metric; empty without a simulator."
    )
    reason: Message = Field("", description="Why it was proposed, in words.")
    decided_after: Whole | None = Field(
        None, description="How many outcomes were committed when it was decided; autoscout replay decides it again."
    )
    engine_version: Annotated[str, Field(max_length=64)] = Field("", description="Version of AutoScout that decided.")


class AttemptStatus(StatusModel):
    """One ended run of the trial."""

    attempt: Whole = Field(description="0, 1, 2, ... within the trial.")
    job: Text | None = Field(None, description="Name of the Job that ran it.")
    reason: Reason = Field("", description="Measured, or why it was infeasible or lost.")
    message: Message = Field("", description="Why, in words.")
    seconds: Amount = Field(0.0, description="Wall time from the start of the pod to its end, start-up included.")
    gpu_hours: Amount = Field(0.0, description="What it cost, start-up included.")
    counts: StrictBool = Field(
        True, description="Whether it uses up one of profile.attempts; a suspended one does not."
    )


class TuningTrialStatus(StatusModel):
    """What became of the trial; written by the operator."""

    phase: TrialPhase = Field(
        "Pending",
        description=(
            "Pending, Running, or the outcome: Measured; Infeasible: the configuration can't run; Lost: the "
            "infrastructure failed, which says nothing of the configuration."
        ),
    )
    position: Whole | None = Field(None, description="Place of this outcome in the order in which they were committed.")
    reason: Reason | None = Field(None, description="Why it is infeasible or lost, in one word: OutOfMemory, ...")
    message: Message | None = Field(None, description="Why, in words.")
    value: Annotated[str, Field(max_length=128)] | None = Field(
        None, description="The first objective's value, for the printer column."
    )
    metrics: Metrics = Field({}, description="What was measured, by metric; units are in the names.")
    samples: dict[str, Annotated[tuple[float, ...], Field(max_length=MAX_SAMPLES)]] = Field(
        {}, max_length=256, description="Every sample behind a metric, in the order of measurement."
    )
    attempts: tuple[AttemptStatus, ...] = Field((), max_length=1000, description="Runs that ended, in order.")
    job: Text | None = Field(None, description="Name of the last Job.")
    gpu_hours: float = Field(0.0, description="GPU-hours of all attempts that ended.")
    start_time: Time | None = Field(None, description="When the first attempt started.")
    completion_time: Time | None = Field(None, description="When the outcome was committed.")


class TrialMetadata(Metadata):
    """Metadata of a trial; its name is that of the TuningJob and a number."""

    name: Text


class TuningTrial(Model):
    """One real measurement of a TuningJob: what was decided, and what became of it. Written by the operator."""

    api_version: Literal["autoscout.io/v1alpha1"]
    kind: Literal["TuningTrial"]
    metadata: TrialMetadata
    spec: TuningTrialSpec = Field(description="What is measured; never changed.")
    status: TuningTrialStatus = Field(TuningTrialStatus(), description="What became of it.")
