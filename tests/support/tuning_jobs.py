"""TuningJobs for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cluster import PROFILER_IMAGE

BEHAVIOURS = (Path(__file__).parent / "behaviours.py").read_text()

A100 = {"name": "a100", "gpu": "NVIDIA-A100-SXM4-80GB", "gpusPerNode": 1}

NAP_AS_TOLD: dict[str, Any] = {
    "env": [],
    "template": {
        "spec": {
            "containers": [
                {
                    "name": "profile",
                    "env": [
                        {"name": "NAP", "valueFrom": {"configMapKeyRef": {"name": "nap", "key": "seconds"}}},
                    ],
                }
            ]
        }
    },
}
"""Changes to a profile whose naps are told from outside: by `nap`, and only to those that start afterwards."""


def nap(seconds: float) -> dict[str, Any]:
    """The ConfigMap that `NAP_AS_TOLD` reads. So what is to be disturbed runs until it is."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nap"}, "data": {"seconds": str(seconds)}}


def tuning_job(
    name: str = "tune",
    *,
    behaviours: tuple[str, ...] = ("ok", "good"),
    nap: float = 0.0,
    pool: dict[str, Any] | None = A100,
    profile: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A TuningJob whose trials behave in the given ways (`behaviours.py`); the first one is the default.

    Args:
        nap: seconds that a measurement takes at least.
        pool: None: no GPU.
        profile: changes to `spec.profile`.
    """
    parameter = {
        "name": "behaviour",
        "kind": "structural",
        "values": list(behaviours),
        "default": behaviours[0],
        "description": "what the measurement does",
    }
    return {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": name},
        "spec": {
            **({"hardware": {"pools": [dict(pool)]}} if pool else {}),
            "objectives": [{"metric": "seconds"}],
            "searchSpace": {"parameters": [parameter]},
            "profile": {
                "image": PROFILER_IMAGE,
                "command": ["python3", "-c", BEHAVIOURS],
                "env": [{"name": "NAP", "value": str(nap)}],
                "timeout": "10m",
                "startTimeout": "10m",
                **(profile or {}),
            },
            **spec,
        },
    }


def many_profiles(name: str = "tune", *, profiles: int, parallelism: int = 4, nap: float = 0.0) -> dict[str, Any]:
    """A TuningJob of many short measurements: the value of `x` is what they measure."""
    budget = {"maxProfiles": profiles, "parallelism": parallelism}
    # Random search does not look at what was measured: the order of the configurations is known beforehand.
    job = tuning_job(name, nap=nap, budget=budget, search={"algorithm": "random"})
    job["spec"]["searchSpace"]["parameters"].append(
        {"name": "x", "kind": "execution", "range": {"min": 1, "max": 64, "step": 1}, "default": 32}
    )
    return job
