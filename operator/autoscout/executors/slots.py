"""What a local measurement has to itself: cores, and GPUs where it needs them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoscout.executors.protocol import ExecutorError


@dataclass(frozen=True)
class Slot:
    """Room for one measurement at a time. No two slots share anything, or measurements would disturb each other.

    Attributes:
        cores: numbers of the logical CPUs that the measurement may use; empty: all that this process may use.
        gpus: for `CUDA_VISIBLE_DEVICES`; empty: none.
    """

    name: str
    cores: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()

    def overlaps(self, other: Slot) -> bool:
        """Whether measurements in both would disturb each other."""
        shared = set(self.cores) & set(other.cores) or set(self.gpus) & set(other.gpus)
        return self.name == other.name or bool(shared)


def machine_slots(count: int, gpus_each: int = 0) -> tuple[Slot, ...]:
    """This machine, divided into at most `count` equal slots; fewer if it is too small for so many.

    All slots are equal, so that it does not matter where a configuration was measured; what is left over is idle.

    Args:
        count: `budget.parallelism`, at least 1.
        gpus_each: GPUs that one measurement needs.

    Raises:
        ExecutorError: the machine has too few GPUs for a single slot.
    """
    cores = sorted(os.sched_getaffinity(0))
    gpus = visible_gpus() if gpus_each else ()
    if gpus_each > len(gpus):
        raise ExecutorError(
            "NotEnoughGpus",
            f"hardware.pools[0]: a profile needs {gpus_each} GPU(s), this machine shows {len(gpus)}; lower nodes or "
            "gpusPerNode, or run the job on a cluster",
        )
    fitting = max(1, min(count, len(cores), len(gpus) // gpus_each if gpus_each else count))
    share = len(cores) // fitting
    return tuple(
        Slot(
            str(number),
            tuple(cores[number * share : (number + 1) * share]),
            tuple(gpus[number * gpus_each : (number + 1) * gpus_each]),
        )
        for number in range(fitting)
    )


def visible_gpus(devices: Path = Path("/dev")) -> Sequence[str]:
    """The NVIDIA GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(name for name in chosen.split(",") if name and name != "-1")
    # CUDA counts what it sees from 0: in a container /dev/nvidia3 may be the only device, and GPU 0.
    return tuple(str(number) for number, _ in enumerate(devices.glob("nvidia[0-9]*")))
