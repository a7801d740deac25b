"""How the engine's workers lie on the nodes of a trial: as `vllm serve --nnodes` spreads them. Pure.

Every node gets as many workers as every other, in the order of their ranks: a node holds whole replicas, or a replica
whole nodes. Anything between vLLM refuses, or waits for engines that nobody starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.runner.launch import Hardware, degree
from autoscout_profiler.vllm.knobs import DEGREES, REPLICAS

PLACED = (
    *("data_parallel_rank", "data_parallel_start_rank", "data_parallel_size_local", "data_parallel_address"),
    *("data_parallel_backend", "data_parallel_external_lb", "data_parallel_hybrid_lb", "distributed_executor_backend"),
)
"""Arguments that say where workers are, or how they are reached: over several nodes the profiler sees to it."""


@dataclass(frozen=True)
class Layout:
    """Where the workers of an engine are.

    Attributes:
        replicas: data-parallel ones.
        each: workers of a replica.
        nodes: over which all of them are spread.
    """

    replicas: int
    each: int
    nodes: int

    @property
    def local(self) -> int:
        """Workers of one node."""
        return self.replicas * self.each // self.nodes

    @property
    def problem(self) -> str | None:
        """Why vLLM can't spread them; None: it can."""
        workers = self.replicas * self.each
        if workers % self.nodes:
            return f"{workers} worker(s) can't be spread evenly over {self.nodes} nodes"
        if self.local % self.each and self.each % self.local:
            return f"{self.local} workers on each of {self.nodes} nodes hold no whole replicas of {self.each}"
        return None

    @property
    def crowded(self) -> bool:
        """Whether there are several replicas, each over several nodes."""
        return self.replicas > 1 and self.each > self.local


def layout(values: Mapping[str, Any], hardware: Hardware, *, dense: bool) -> Layout:
    """Where the workers of a configuration are.

    Replicas fill the GPUs where it does not say how many there are, as long as each fits on a node: which model may
    have others, nobody knows before its files are read.

    Args:
        values: of the configuration, under the engine's names.
        hardware: of the trial.
        dense: whether the model is known to have no experts.

    Raises:
        InvalidConfiguration: they need more GPUs than there are, or vLLM can't spread them over the nodes.
    """
    degrees = {name: degree(name, values.get(name, 1)) for name in DEGREES}
    each = math.prod(degrees.values()) // degrees[REPLICAS]
    gpus = hardware.nodes * hardware.gpus_per_node
    counts = [degrees[REPLICAS]] if REPLICAS in values or not gpus else range(max(1, gpus // each), 0, -1)
    layouts = [Layout(count, each, hardware.nodes) for count in counts]
    found = next((one for one in layouts if not (one.problem or one.crowded)), layouts[0])
    workers = found.replicas * each
    if gpus and workers > gpus:
        raise InvalidConfiguration(
            "tensor_parallel_size",
            f"tensor, pipeline and data parallelism need {workers} GPUs; the pool has {gpus}",
        )
    if hardware.nodes > 1:
        _check_nodes(values, found, dense=dense)
    return found


def _check_nodes(values: Mapping[str, Any], found: Layout, *, dense: bool) -> None:
    for name in PLACED:
        if name in values:
            raise InvalidConfiguration(name, "over several nodes the profiler places the workers itself: remove it")
    if found.problem:
        way_out = "choose them so that a node holds whole replicas, or a replica whole nodes"
        raise InvalidConfiguration(", ".join(DEGREES), f"{found.problem}: {way_out}")
    if dense and found.crowded:
        # vLLM runs the replicas of a dense model as engines that know nothing of each other (0.32: they would all
        # meet at the first node's address).
        raise InvalidConfiguration(
            REPLICAS,
            f"vLLM has no {found.replicas} replicas of a model without experts where each needs several nodes: set it "
            "to 1, or smaller tensor and pipeline parallelism",
        )
