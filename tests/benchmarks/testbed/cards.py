"""The GPUs of the testbed and how they are connected."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Card:
    """One product in a node of its kind.

    Attributes:
        product: as in the node label nvidia.com/gpu.product.
        flops: dense bf16 peak, FLOP/s.
        bandwidth: of the memory, bytes/s.
        memory: bytes that a process can allocate, before the CUDA context.
        sms: streaming multiprocessors.
        clock: share of the boost clock that long matrix products hold (assumption).
        link: to the other GPUs of an island, bytes/s in one direction.
        island: GPUs that reach each other so.
        outside: beyond the island, bytes/s in one direction.
        hop: seconds of one step between neighbours of an island, and outside (assumption).
    """

    product: str
    flops: float
    bandwidth: float
    memory: float
    sms: int
    clock: float
    link: float
    island: int
    outside: float
    hop: tuple[float, float]


A100 = Card(
    # NVIDIA A100 datasheet (2021): 312 TFLOPS, 2,039 GB/s, 80 GB, NVLink 600 GB/s both ways, PCIe gen 4; the
    # architecture whitepaper (2020): 108 multiprocessors. Drivers show 81,251 MiB of an 80 GB card to a process.
    product="NVIDIA-A100-SXM4-80GB",
    flops=312e12,
    bandwidth=2039e9,
    memory=81_251 * 2**20,
    sms=108,
    clock=0.88,
    link=300e9,
    island=8,
    outside=31.5e9,
    hop=(1.8e-6, 5e-6),
)
A40 = Card(
    # NVIDIA A40 datasheet (2021): 149.7 TFLOPS, 696 GB/s, 48 GB with ECC, 300 W, PCIe gen 4 x16 (31.5 GB/s one way),
    # NVLink 112.5 GB/s both ways between two; the GA102 whitepaper (2020): 84 multiprocessors. ECC takes a sixteenth.
    product="NVIDIA-A40",
    flops=149.7e12,
    bandwidth=696e9,
    memory=45_630 * 2**20,
    sms=84,
    clock=0.72,
    link=56.25e9,
    island=2,
    outside=31.5e9,
    hop=(2.5e-6, 7e-6),
)
