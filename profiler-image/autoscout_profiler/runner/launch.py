"""From a trial and its place in the cluster to the processes that this node starts. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoscout_profiler.errors import InfrastructureError, InvalidConfiguration
from autoscout_profiler.reporter import TRIAL_VARIABLE

DEGREES: Mapping[str, tuple[str, ...]] = {
    "tp": ("tensor_parallel", "tensor_parallel_size", "tensor_model_parallel_size", "tensor_par"),
    "pp": ("pipeline_parallel", "pipeline_parallel_size", "pipeline_model_parallel_size", "pipeline_par"),
    "cp": ("context_parallel", "context_parallel_size"),
    "dp": ("data_parallel", "data_parallel_size", "data_par"),
}
"""The degrees whose product is the number of ranks: our name, and the others that mean the same."""

NODES_VARIABLE = "AUTOSCOUT_NODES"
NODE_RANK_VARIABLES = ("JOB_COMPLETION_INDEX", "AUTOSCOUT_NODE_RANK")
"""Kubernetes sets the first in the pods of an Indexed Job."""
MASTER_ADDRESS_VARIABLE = "AUTOSCOUT_MASTER_ADDR"
MASTER_PORT_VARIABLE = "AUTOSCOUT_MASTER_PORT"
DEFAULT_MASTER_PORT = 29500
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Hardware:
    """What a trial runs on.

    Attributes:
        gpu: the GPU's name in the TuningJob; None: none is named.
        nodes: machines, at least 1.
        gpus_per_node: 0: the trial runs on CPUs.
    """

    gpu: str | None = None
    nodes: int = 1
    gpus_per_node: int = 0


@dataclass(frozen=True)
class Trial:
    """What is to be measured.

    Attributes:
        description: the JSON object of `AUTOSCOUT_TRIAL`, with name and attempt.
    """

    description: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> Trial:
        """From JSON; a trial that is run by hand needs no name and no attempt.

        Raises:
            ValueError: it is no JSON object, or a field is of another kind.
        """
        description = json.loads(text)
        if not isinstance(description, dict):
            raise ValueError("a trial is a JSON object")  # noqa: TRY004 - what a reader of JSON expects
        for name in ("configuration", "workload", "hardware"):
            if not isinstance(description.get(name) or {}, dict):
                raise ValueError(f"{name}: a JSON object")  # noqa: TRY004 - as above
        return cls({"trial": "manual", "attempt": 0} | description)

    @property
    def environment(self) -> dict[str, str]:
        """The variable that hands the trial on."""
        return {TRIAL_VARIABLE: json.dumps(dict(self.description), separators=(",", ":"))}

    @property
    def hardware(self) -> Hardware:
        """What it runs on; a trial that does not say runs on one machine's CPUs."""
        return hardware_of(self.description)

    def degree(self, name: str) -> int:
        """A parallel degree of the configuration; 1 where it has none.

        Raises:
            InvalidConfiguration: it is no whole number from 1.
        """
        configuration = self.description.get("configuration") or {}
        for spelling in (name, *DEGREES[name]):
            if configuration.get(spelling) is not None:
                return degree(spelling, configuration[spelling])
        return 1


@dataclass(frozen=True)
class Place:
    """Where this supervisor is among those of the trial.

    Attributes:
        nodes: supervisors of this trial.
        node_rank: from 0; node 0 has rank 0.
        address: where rank 0 can be reached.
        port: there; None: any free one, possible on one node only.
    """

    nodes: int = 1
    node_rank: int = 0
    address: str = LOOPBACK
    port: int | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Place:
        """From the variables that the operator and Kubernetes set.

        Raises:
            InfrastructureError: one is missing or no number.
        """
        nodes = _number(environment, NODES_VARIABLE, "1")
        if nodes == 1:
            return cls()
        variable = next((name for name in NODE_RANK_VARIABLES if name in environment), NODE_RANK_VARIABLES[0])
        node_rank = _number(environment, variable, "")
        if MASTER_ADDRESS_VARIABLE not in environment:
            raise InfrastructureError(f"{MASTER_ADDRESS_VARIABLE}: not set, but {NODES_VARIABLE} is {nodes}")
        if not 0 <= node_rank < nodes:
            raise InfrastructureError(f"{variable}: {node_rank} is not below {NODES_VARIABLE}, which is {nodes}")
        port = _number(environment, MASTER_PORT_VARIABLE, str(DEFAULT_MASTER_PORT))
        return cls(nodes, node_rank, environment[MASTER_ADDRESS_VARIABLE], port)


@dataclass(frozen=True)
class Process:
    """One process to start.

    Attributes:
        rank: among all processes of the trial.
        environment: its variables, besides those of the supervisor.
    """

    rank: int
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def megatron_world(trial: Trial) -> int:
    """How many ranks the trial has: one for each GPU; on CPUs as many as the degrees ask for.

    Raises:
        InvalidConfiguration: a degree is no whole number from 1.
    """
    hardware = trial.hardware
    degrees = {name: trial.degree(name) for name in DEGREES}
    return hardware.nodes * hardware.gpus_per_node if hardware.gpus_per_node else math.prod(degrees.values())


def rank_processes(
    command: Sequence[str], trial: Trial, place: Place, world: int, port: int, environment: Mapping[str, str]
) -> list[Process]:
    """This node's ranks, with torchrun's variables.

    Args:
        command: of each rank.
        trial: handed to each rank.
        place: of this node.
        world: ranks on all nodes.
        port: of the rendezvous, at `place.address`.
        environment: of the supervisor: what it sets already stays.

    Raises:
        InvalidConfiguration: the ranks can't be spread evenly over the nodes.
    """
    if world % place.nodes:
        raise InvalidConfiguration(
            "tp, pp, cp, dp", f"{world} ranks can't be spread evenly over {place.nodes} nodes: choose another product"
        )
    local = world // place.nodes
    # As torchrun does: without it each of the ranks of a machine starts a thread for each of its cores.
    threads = {} if local == 1 or "OMP_NUM_THREADS" in environment else {"OMP_NUM_THREADS": "1"}
    return [
        Process(
            rank=place.node_rank * local + index,
            command=tuple(command),
            environment=trial.environment
            | threads
            | {
                "RANK": str(place.node_rank * local + index),
                "LOCAL_RANK": str(index),
                "WORLD_SIZE": str(world),
                "LOCAL_WORLD_SIZE": str(local),
                "GROUP_RANK": str(place.node_rank),
                "MASTER_ADDR": place.address,
                "MASTER_PORT": str(port),
            },
        )
        for index in range(local)
    ]


def engine_process(command: Sequence[str], trial: Trial, place: Place) -> Process:
    """The one process of an engine that starts its own workers: torchrun's variables would mislead them."""
    return Process(rank=place.node_rank, command=tuple(command), environment=trial.environment)


def hardware_of(description: Mapping[str, Any]) -> Hardware:
    """The hardware in the description of a trial."""
    given = description.get("hardware") or {}
    return Hardware(given.get("gpu"), int(given.get("nodes") or 1), int(given.get("gpusPerNode") or 0))


def degree(name: str, value: object) -> int:
    """A degree of parallelism, from 1.

    Raises:
        InvalidConfiguration: it is no whole number, or less than 1.
    """
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise InvalidConfiguration(name, f"{value!r} is no whole number from 1")
    return number


def _number(environment: Mapping[str, str], name: str, default: str) -> int:
    text = environment.get(name, default)
    try:
        return int(text)
    except ValueError as error:
        raise InfrastructureError(f"{name}: {text!r} is no whole number") from error
