"""Which simulator fits a workload."""

from __future__ import annotations

from collections.abc import Sequence

from autoscout.simulators.hardware import find
from autoscout.simulators.protocol import Simulator
from autoscout.simulators.shape import shape
from autoscout.simulators.training import TrainingSimulator
from autoscout.simulators.workload import Hardware, Workload

def simulator_for(workload: Workload | None, hardware: Hardware | None, names: Sequence[str]) -> Simulator | None:
    pool = hardware.pools[0]
    gpu = find(pool.gpu)
    return TrainingSimulator(gpu, pool)
