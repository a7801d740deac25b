"""The catalogue of GPUs: what their datasheets promise, and how they are connected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Link(StrEnum):
    """How the GPUs of one node are connected."""

    NVSWITCH = "nvswitch"
    """Every GPU reaches every other with its whole NVLink bandwidth."""
    PCIE = "pcie"
    """Through PCIe switches and, between the halves of a node, the processors."""


@dataclass(frozen=True)
class Gpu:
    """One product, by its datasheet. Dense figures: without structured sparsity.

    Attributes:
        name: product, in lower case with dashes.
        tflops: peak by precision, 1e12 FLOP/s; tensor cores, accumulation in fp32.
        memory_gib: of HBM or GDDR, without what error correction takes.
        bandwidth: of that memory, 1e9 bytes/s.
        link: within a node.
        link_bandwidth: of one GPU in one direction, 1e9 bytes/s.
        network: to other nodes, of one GPU in one direction, 1e9 bytes/s; no datasheet's figure but the
            reference systems' (DGX A100: one 200 Gb/s adapter for each GPU, DGX H100: 400 Gb/s; PCIe
            servers: 100 Gb/s), halved where two GPUs share an adapter.
        sms: streaming multiprocessors.
        sustained: share of the peak that the power limit allows for long, where a product has the peak of its
            larger sibling but not its power.
    """

    name: str
    tflops: dict[str, float]
    memory_gib: float
    bandwidth: float
    link: Link
    link_bandwidth: float
    network: float
    sms: int
    sustained: float = 1.0

    def peak(self, precision: str) -> float:
        """Sustained FLOP/s of matrix products; what the GPU lacks runs in the next wider format that it has."""
        names = (*_FALLBACK.get(precision, ()), "bf16")
        return next(self.tflops[name] for name in names if name in self.tflops) * 1e12 * self.sustained


_FALLBACK = {
    "fp8": ("fp8", "bf16"),
    "int8": ("fp8", "bf16"),
    "fp4": ("fp4", "fp8", "bf16"),
    "bf16": ("bf16",),
    "fp16": ("bf16",),
    "tf32": ("tf32", "fp32"),
    "fp32": ("tf32", "fp32"),
}

_AMPERE = {"bf16": 312.0, "tf32": 156.0, "fp32": 19.5}
_HOPPER_SXM = {"fp8": 1978.9, "bf16": 989.4, "tf32": 494.7, "fp32": 66.9}
_HOPPER_PCIE = {"fp8": 1513.0, "bf16": 756.0, "tf32": 378.0, "fp32": 51.0}

CATALOGUE: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        # NVIDIA V100 Tensor Core GPU datasheet (2020): 125 (SXM2) and 112 TFLOPS, 900 GB/s, NVLink 300 GB/s both ways.
        Gpu("v100-sxm2-16gb", {"bf16": 125.0, "fp32": 15.7}, 16, 900, Link.NVSWITCH, 150, 6.25, 80),
        Gpu("v100-sxm2-32gb", {"bf16": 125.0, "fp32": 15.7}, 32, 900, Link.NVSWITCH, 150, 6.25, 80),
        Gpu("v100-pcie-32gb", {"bf16": 112.0, "fp32": 14.0}, 32, 900, Link.PCIE, 16, 6.25, 80),
        # NVIDIA T4 datasheet (2019): 65 TFLOPS, 320 GB/s, PCIe gen 3 x16: 32 GB/s both ways.
        Gpu("t4", {"bf16": 65.0, "fp32": 8.1}, 15, 320, Link.PCIE, 16, 6.25, 40),
        # NVIDIA A100 datasheet (2021): 312 TFLOPS; 1,555 (40 GB), 1,935 (80 GB PCIe), 2,039 GB/s (80 GB SXM);
        # NVLink 600 GB/s and PCIe gen 4 64 GB/s, both ways.
        Gpu("a100-sxm4-40gb", _AMPERE, 40, 1555, Link.NVSWITCH, 300, 25, 108),
        Gpu("a100-sxm4-80gb", _AMPERE, 80, 2039, Link.NVSWITCH, 300, 25, 108),
        # 250 to 300 W instead of 400 W: about 90 % of the performance, as NVIDIA said at the introduction.
        Gpu("a100-pcie-40gb", _AMPERE, 40, 1555, Link.PCIE, 32, 12.5, 108, 0.9),
        Gpu("a100-pcie-80gb", _AMPERE, 80, 1935, Link.PCIE, 32, 12.5, 108, 0.9),
        # NVIDIA A800 datasheet: an A100 whose NVLink gives 400 GB/s both ways.
        Gpu("a800-sxm4-80gb", _AMPERE, 80, 2039, Link.NVSWITCH, 200, 25, 108),
        # NVIDIA A40 datasheet (2021): 149.7 TFLOPS, 48 GB, 696 GB/s, PCIe gen 4.
        Gpu("a40", {"bf16": 149.7, "tf32": 74.8, "fp32": 37.4}, 45, 696, Link.PCIE, 32, 12.5, 84),
        # NVIDIA A30 datasheet (2021): 165 TFLOPS, 24 GB, 933 GB/s, PCIe gen 4.
        Gpu("a30", {"bf16": 165.0, "tf32": 82.0, "fp32": 10.3}, 24, 933, Link.PCIE, 32, 12.5, 56),
        # NVIDIA A10 datasheet (2021): 125 TFLOPS, 24 GB, 600 GB/s, PCIe gen 4.
        Gpu("a10", {"bf16": 125.0, "tf32": 62.5, "fp32": 31.2}, 22.5, 600, Link.PCIE, 32, 12.5, 72),
        # NVIDIA H100 datasheet (2023): SXM 989.4 TFLOPS, 3.35 TB/s, NVLink 900 GB/s both ways; PCIe 756 TFLOPS,
        # 2 TB/s, PCIe gen 5 128 GB/s both ways; NVL 835 TFLOPS, 94 GB, 3.9 TB/s.
        Gpu("h100-sxm5-80gb", _HOPPER_SXM, 80, 3350, Link.NVSWITCH, 450, 50, 132),
        Gpu("h100-pcie-80gb", _HOPPER_PCIE, 80, 2000, Link.PCIE, 64, 25, 114),
        Gpu("h100-nvl-94gb", {"fp8": 1671.0, "bf16": 835.5, "tf32": 418.0}, 94, 3938, Link.PCIE, 64, 25, 132),
        # NVIDIA H800: an H100 SXM whose NVLink gives 400 GB/s both ways.
        Gpu("h800-sxm5-80gb", _HOPPER_SXM, 80, 3350, Link.NVSWITCH, 200, 50, 132),
        # NVIDIA H200 datasheet (2024): as H100 SXM with 141 GB and 4.8 TB/s.
        Gpu("h200-sxm5-141gb", _HOPPER_SXM, 140, 4800, Link.NVSWITCH, 450, 50, 132),
        # NVIDIA L4 datasheet (2023): 121 TFLOPS dense, 24 GB, 300 GB/s, PCIe gen 4.
        Gpu("l4", {"fp8": 242.0, "bf16": 121.0, "tf32": 60.0, "fp32": 30.3}, 22.5, 300, Link.PCIE, 32, 12.5, 58),
        # NVIDIA L40 and L40S datasheets (2023): 181.05 and 362.05 TFLOPS dense, 48 GB, 864 GB/s, PCIe gen 4.
        Gpu("l40", {"fp8": 362.0, "bf16": 181.05, "tf32": 90.5, "fp32": 90.5}, 45, 864, Link.PCIE, 32, 12.5, 142),
        Gpu("l40s", {"fp8": 733.0, "bf16": 362.05, "tf32": 183.0, "fp32": 91.6}, 45, 864, Link.PCIE, 32, 12.5, 142),
        # NVIDIA DGX B200 datasheet (2024), for each of its 8 GPUs: 2.25 PFLOPS dense, 180 GB, 8 TB/s, NVLink 1.8 TB/s.
        Gpu("b200-sxm6-180gb", {"fp8": 4500.0, "bf16": 2250.0, "tf32": 1100.0}, 179, 8000, Link.NVSWITCH, 900, 50, 148),
    )
}
"""Products by name. Memory is in GiB, as the driver shows it: 80 GB of a datasheet are 80 GiB, the H200's 141 GB 140
(143,771 MiB), the B200's 180 GB 179 (183,359 MiB). GDDR loses a sixteenth to error correction: 46,068 MiB of 48 GB."""

_FAMILIES = sorted({name.split("-")[0] for name in CATALOGUE}, key=len, reverse=True)


def find(product: str | None) -> Gpu | None:
    """The GPU that a node label means.

    Args:
        product: as in the label nvidia.com/gpu.product, for example `NVIDIA-A100-SXM4-80GB`.

    Returns:
        The product of that family that agrees best in form factor and memory; None if no family is named.
    """
    words = set(re.split(r"[^a-z0-9]+", (product or "").lower()))
    family = next((family for family in _FAMILIES if family in words), None)
    if family is None:
        return None
    candidates = [gpu for gpu in CATALOGUE.values() if gpu.name.split("-")[0] == family]
    # Among products that agree equally well the later one in the catalogue has more memory or is the commoner.
    sxm = any(word.startswith("sxm") or word == "hgx" for word in words)
    pcie = bool(words & {"pcie", "pci"})

    def agreement(gpu: Gpu) -> tuple[int, int, int]:
        form = int(
            (sxm and "-sxm" in gpu.name) or (pcie and "-pcie" in gpu.name) or ("nvl" in words and "nvl" in gpu.name)
        )
        memory = int(gpu.name.rsplit("-", 1)[-1] in words)
        return form, memory, int("-sxm" in gpu.name) * 1000 + int(gpu.memory_gib)

    return max(candidates, key=agreement)
