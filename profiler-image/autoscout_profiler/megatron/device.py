"""What a rank computes on: a GPU, or the CPU with Megatron's CUDA calls redirected to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Protocol, TypeVar

import torch

from autoscout_profiler.errors import InfrastructureError
from autoscout_profiler.megatron import cpu_shim
from autoscout_profiler.megatron.shape import Precision
from autoscout_profiler.runner.launch import Hardware

Returned = TypeVar("Returned")

_GIB = 2**30


class Device(Protocol):
    """A kind of processor.

    Attributes:
        gpu: its name; empty: a CPU.
        backend: that its ranks communicate through.
        default_precision: of a workload that names none.
    """

    gpu: str
    backend: str
    default_precision: Precision

    @property
    def torch(self) -> torch.device:
        """Where tensors live."""
        ...

    def seconds(self, function: Callable[[], Returned]) -> tuple[float, Returned]:
        """Run something: how long the device took for it, and what it returned."""
        ...

    def peak_memory(self) -> Mapping[str, float]:
        """The most memory that this rank had at once: metric to GiB; `peak_memory_gib` is always there."""
        ...

    def versions(self) -> dict[str, str]:
        """Of what ran, besides Python packages."""
        ...


class Gpu:
    """One GPU of this machine."""

    backend = "nccl"
    default_precision: Precision = "bf16"

    def __init__(self, local_rank: int) -> None:
        """Take the GPU of this rank.

        Raises:
            InfrastructureError: there is none.
        """
        # One queue of work for each GPU keeps a collective that was started before a product ahead of it.
        os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "1")
        count = torch.cuda.device_count()
        if local_rank >= count:
            raise InfrastructureError(f"rank {local_rank} of this machine needs a GPU, torch sees {count} of them")
        torch.cuda.set_device(local_rank)
        self._local_rank = local_rank
        self.gpu = torch.cuda.get_device_name(local_rank)

    @property
    def torch(self) -> torch.device:
        """As `Device`."""
        return torch.device("cuda", self._local_rank)

    def seconds(self, function: Callable[[], Returned]) -> tuple[float, Returned]:
        """As `Device`; by events of the device."""
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        returned = function()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000, returned

    def peak_memory(self) -> dict[str, float]:
        """As `Device`: what tensors took, and what the allocator reserved for them."""
        return {
            "peak_memory_gib": torch.cuda.max_memory_allocated() / _GIB,
            "peak_reserved_memory_gib": torch.cuda.max_memory_reserved() / _GIB,
        }

    def versions(self) -> dict[str, str]:
        """As `Device`."""
        return {"cuda": str(torch.version.cuda), "nccl": ".".join(map(str, torch.cuda.nccl.version()))}


class Cpu:
    """The processor of this machine. Opening it redirects torch and Megatron for the rest of the process."""

    gpu = ""
    backend = "gloo"
    default_precision: Precision = "fp32"

    def __init__(self) -> None:
        cpu_shim.before_import()
        cpu_shim.after_import()

    @property
    def torch(self) -> torch.device:
        """As `Device`."""
        return cpu_shim.CPU

    def seconds(self, function: Callable[[], Returned]) -> tuple[float, Returned]:
        """As `Device`; by the clock."""
        begin = time.perf_counter()
        returned = function()
        return time.perf_counter() - begin, returned

    def peak_memory(self) -> dict[str, float]:
        """As `Device`: the process's largest resident set, libraries included."""
        # Not getrusage: that begins with the peak of the process that started this one.
        lines = Path("/proc/self/status").read_text().splitlines()
        kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
        return {"peak_memory_gib": kibibytes / 2**20}

    def versions(self) -> dict[str, str]:
        """As `Device`."""
        return {}


def open_device(hardware: Hardware, local_rank: int) -> Device:
    """What the trial asks for. To be called before megatron.core is imported.

    Raises:
        InfrastructureError: it asks for a GPU that is not there; the CPU never stands in for one.
    """
    return Gpu(local_rank) if hardware.gpus_per_node else Cpu()


def package_versions() -> dict[str, str]:
    """Of the packages that a profile rests on."""
    found = {}
    for package in ("torch", "megatron-core", "transformer-engine"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
