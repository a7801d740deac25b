"""The variables that vLLM reads before it is imported or started. Pure but for the number of CPUs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoscout_profiler.vllm.knobs import DEGREES
from autoscout_profiler.vllm.settings import Settings

CPU_CACHE_GIB = 1
"""The key-value cache of a trial on CPUs where neither the configuration nor the environment says more."""

_SIZE_THE_CACHE = {"gpu_memory_utilization", "kv_cache_memory_bytes"}
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def before_import(environment: Mapping[str, str]) -> dict[str, str]:
    """What to set before vLLM is imported, besides what `environment` has: `profile.env` comes first."""
    # Model files are local or made here: nothing is fetched while a GPU waits.
    wanted = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    return _missing(wanted, environment)


def before_start(
    settings: Settings, values: Mapping[str, Any], environment: Mapping[str, str], cpus: int
) -> dict[str, str]:
    """What to set before the engine is started, besides what `environment` has.

    Args:
        settings: the trial.
        values: of the configuration, under the engine's names.
        environment: as it is.
        cpus: that this process may use.
    """
    wanted: dict[str, str] = {}
    if settings.hardware.nodes == 1:
        wanted |= {"VLLM_HOST_IP": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
    if not settings.gpus:
        workers = max(1, math.prod(int(values.get(degree, 1)) for degree in DEGREES) // settings.hardware.nodes)
        # vLLM would bind its threads to the first cores of each NUMA node, where pods without cores of their own
        # would meet. One core is left to the scheduler, as vLLM leaves it.
        wanted |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(max(1, (cpus - 1) // workers))}
        if not _SIZE_THE_CACHE & values.keys():
            wanted["VLLM_CPU_KVCACHE_SPACE"] = str(CPU_CACHE_GIB)
    return _missing(wanted, environment)


def available_cpus(quota: Path = _CPU_QUOTA) -> int:
    """CPUs that this process may use: its affinity, and the container's quota where there is one.

    Args:
        quota: the control group's `cpu.max`: microseconds of a period, or `max`, and the period.
    """
    allowed = len(os.sched_getaffinity(0))
    try:
        share, period = quota.read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if share == "max" else max(1, min(allowed, int(share) // int(period)))


def _missing(wanted: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if name not in environment}
