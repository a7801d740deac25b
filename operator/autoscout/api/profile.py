"""How one configuration is measured: `spec.profile`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StringConstraints

from autoscout.api.fields import Integer, Label, OpenMap
from autoscout.api.model import Model, Rule
from autoscout.api.quantity import Duration

Argument = Annotated[str, StringConstraints(max_length=32768)]
VariableName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]


class EnvironmentVariable(Model):
    """One variable of the measurement's environment."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!self.name.startsWith('AUTOSCOUT_')",
            "name must not begin with AUTOSCOUT_: these variables are set by the operator",
            ".name",
        ),
    )

    name: VariableName = Field(description="Name of the variable. Names that begin with AUTOSCOUT_ are the operator's.")
    value: Annotated[str, StringConstraints(max_length=32768)] = Field(
        "",
        description=(
            "Value; $(params.NAME) stands for the value of a parameter. A variable that names an inactive parameter is "
            "left out."
        ),
    )


class Profile(Model):
    """How one configuration is measured: a container that prints a result frame."""

    image: Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^\S+$")] | None = Field(
        None,
        description=(
            "Container image of the measurement. Required on a cluster; `autoscout tune` runs the command on this "
            "machine and needs none. Example: registry.example.com/team/benchmark:1.4."
        ),
    )
    command: tuple[Argument, ...] = Field(
        (),
        max_length=256,
        description=(
            "Entry point of the container (the image's own where it is left out). $(params.NAME) stands for the value "
            "of a parameter, always inside one argument, no shell is involved; an argument that names an inactive "
            "parameter is left out. Example: [python, -m, bench, --tile=$(params.tile)]."
        ),
    )
    args: tuple[Argument, ...] = Field(
        (), max_length=256, description="Arguments after the command; placeholders as in command."
    )
    env: tuple[EnvironmentVariable, ...] = Field(
        (),
        max_length=256,
        description="Environment of the measurement; placeholders as in command.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    timeout: Duration = Field(
        Duration("30m"),
        description=(
            "How long one measurement may take from the start of its container; a slower configuration is infeasible "
            "(DeadlineExceeded). Hours, minutes, seconds: 90s, 15m, 2h30m."
        ),
    )
    start_timeout: Duration = Field(
        Duration("10m"),
        description=(
            "How long a pod may wait for nodes and images before its attempt is lost. Time in a queue (queueName) does "
            "not count. Hours, minutes, seconds."
        ),
    )
    attempts: Annotated[Integer, Field(ge=1, le=10)] = Field(
        3,
        description=(
            "How often a trial is started when the infrastructure fails (eviction, lost node, no capacity). A "
            "configuration that fails by itself is never repeated."
        ),
    )
    warmup_iterations: Annotated[Integer, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="Iterations before the measurement begins; handed to the profiler. Left out: its own default."
    )
    iterations: Annotated[Integer, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Iterations that are measured; handed to the profiler. Left out: its own default."
    )
    stop_early: StrictBool = Field(
        True,
        description=(
            "Whether a measurement may be stopped once its progress shows that it can't become the best; what it "
            "measured by then is kept. false lets every measurement finish."
        ),
    )
    template: OpenMap = Field(
        {},
        description=(
            "Changes to the pod template (metadata, spec), merged as kubectl patches: lists of named things merge by "
            "name; the measurement's container is `profile`. Example: {spec: {priorityClassName: low}}."
        ),
    )
    queue_name: Label | None = Field(
        None, description="Kueue LocalQueue that admits the profiles' Jobs (label kueue.x-k8s.io/queue-name)."
    )
