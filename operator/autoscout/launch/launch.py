"""From a TuningJob and a configuration to what a person would run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import yaml

from autoscout.api.architecture import workload_manifest
from autoscout.api.frameworks import is_built_in
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.command import PlaceholderError
from autoscout.executors.kubernetes.peers import (
    MASTER_ADDRESS_VARIABLE,
    MASTER_PORT,
    MASTER_PORT_VARIABLE,
    NODES_VARIABLE,
)
from autoscout.executors.measurement import hardware_manifest, rendered_command
from autoscout.launch import megatron, shell, vllm
from autoscout.launch.manifest import IMAGE, objects
from autoscout.launch.program import LaunchError, Program
from autoscout.space.values import Value, render

NODE_INDEX = "JOB_COMPLETION_INDEX"
"""Variable that Kubernetes sets in the pods of an Indexed Job."""
_PROGRAMS = {"megatron": megatron.program, "vllm": vllm.program}
_ENDLESS = 2**20
"""Columns of a line of YAML: arguments are not broken."""


@dataclass(frozen=True)
class Launch:
    """What realises one configuration.

    Attributes:
        command: one line for a POSIX shell.
        script: the same for `sh`, with what to know about it; on several nodes run it on each. Empty where the program
            is known to the image only.
        manifest: the same for `kubectl apply`, as YAML.
    """

    command: str
    script: str
    manifest: str


def launch(job: TuningJob, configuration: Mapping[str, Value]) -> Launch:
    """What realises a configuration of this TuningJob.

    Raises:
        LaunchError: it can't be started; the message names the parameter or the field.
    """
    program = _program(job, configuration)
    chosen = " ".join(f"{name}={render(value)}" for name, value in configuration.items())
    title = f"TuningJob {job.metadata.name}, as AutoScout configured it: {chosen}."
    return Launch(
        command=shell.line(program),
        # Only the image knows the program that these words follow.
        script="" if program.in_image else shell.script(program, title),
        manifest=_yaml(program, job, title),
    )


def launch_line(job: TuningJob, configuration: Mapping[str, Value]) -> str:
    """The command line that realises a configuration; empty where its framework has none for it."""
    try:
        return shell.line(_program(job, configuration))
    except LaunchError:
        return ""


def _program(job: TuningJob, configuration: Mapping[str, Value]) -> Program:
    try:
        rendered = rendered_command(job, configuration)
    except PlaceholderError as error:
        raise LaunchError(error.field, error.message) from error
    if is_built_in(job):
        framework = _PROGRAMS[job.spec.workload.framework]
        program = framework(configuration, workload_manifest(job), hardware_manifest(job))
        # The job's own variables have the last word, as they had when it was measured.
        return replace(program, environment={**program.environment, **rendered.env})
    pool = job.spec.hardware.pools[0]
    several = pool.nodes > 1
    return Program(
        groups=tuple((word,) for word in rendered.argv),
        environment={
            **rendered.env,
            **({NODES_VARIABLE: str(pool.nodes), MASTER_PORT_VARIABLE: str(MASTER_PORT)} if several else {}),
        },
        variables=(
            {
                NODE_INDEX: f"number of this node, 0 to {pool.nodes - 1}",
                MASTER_ADDRESS_VARIABLE: "name or address of node 0",
            }
            if several
            else {}
        ),
        nodes=pool.nodes,
        gpus=pool.gpus_per_node,
        shares_memory=pool.gpus_per_node > 1,
        in_image=not rendered.command,
        notes=("It is the command that was measured.",),
    )


def _yaml(program: Program, job: TuningJob, title: str) -> str:
    notes = [*program.notes, *([] if job.spec.profile.image else [f"The job names no image: replace {IMAGE}."])]
    head = [line for note in (title, *notes) for line in shell.comment(note)]
    documents = [
        yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=_ENDLESS, allow_unicode=True)
        for each in objects(program, job)
    ]
    return "\n".join(head) + "\n" + "---\n".join(documents)


class _Dumper(yaml.SafeDumper):
    """YAML for people: texts of several lines as blocks, nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
