"""How long single operations take: matrix products, memory traffic, collectives. Arrays of any one shape.

Rooflines (Williams, Waterman, Patterson 2009) under the datasheet's peaks, lowered by what is lost on any problem and
any GPU: partly filled waves of tiles, short inner dimensions, the latency of launches and of messages. Collectives
follow the alpha-beta model of ring algorithms (Thakur, Rabenseifner, Gropp 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscout.simulators.hardware import Gpu, Link

Floats = npt.NDArray[np.float64]
Number = float | Floats

_GEMM_CEILING = 0.85
"""Share of the peak that the largest matrix products reach: clocks fall under full load, and tiles have edges."""
_ATTENTION_CEILING = 0.6
"""The same for fused attention, whose softmax runs beside the tensor cores (Dao 2023)."""
_MEMORY_CEILING = 0.85
"""Share of the memory bandwidth that streaming kernels reach."""
_TILE = 128
"""Rows and columns of an output tile; also the inner length at which half the time is prologue."""
_LAUNCH = 3e-6
"""Seconds that the shortest kernel takes, launched by a graph or ahead of time."""
_LINK_SHARE = {Link.NVSWITCH: 0.8, Link.PCIE: 0.7}
"""Share of a link's bandwidth that large messages reach (headers, flow control, NCCL's own overhead)."""
_NETWORK_SHARE = 0.8
_PCIE_SWITCH = 4
"""GPUs below one half of a PCIe node; traffic between the halves shares the link between the processors."""
_HALVES_SHARE = 0.7
_STEP = {Link.NVSWITCH: 2e-6, Link.PCIE: 6e-6}
"""Seconds of latency of one hop within a node."""
_NETWORK_STEP = 12e-6
_FILL = 40e-6
"""Seconds until all chunks of a long message are under way: NCCL's bus bandwidth typically reaches half of its
peak at about 10 MB on DGX A100, whose links move that in 40 us."""
_COLLECTIVE = 4e-6
"""Seconds to start a collective. With the hops: 16 us for the shortest all-reduce of 8 GPUs behind NVSwitches, the
order of what nccl-tests shows on DGX A100."""


@dataclass(frozen=True)
class Machine:
    """One kind of GPU in like nodes.

    Attributes:
        gpu: the product.
        gpus_per_node: how many share a node.
        precision: of matrix products.
    """

    gpu: Gpu
    gpus_per_node: int
    precision: str = "bf16"

    def gemm(self, rows: Number, columns: Number, inner: Number, width: Number = 2.0) -> Floats:
        """Seconds of a product [rows, inner] x [inner, columns].

        Args:
            width: bytes of one element.
        """
        rows, columns, inner = np.asarray(rows, float), np.asarray(columns, float), np.asarray(inner, float)
        waves = np.ceil(rows / _TILE) * np.ceil(columns / _TILE) / self.gpu.sms
        # Libraries choose smaller tiles where 128 x 128 would leave multiprocessors idle, at lower reuse: between
        # no loss and the loss of the last wave lies its square root.
        filled = np.sqrt(waves / np.ceil(waves))
        share = _GEMM_CEILING * filled * inner / (inner + _TILE)
        compute = 2 * rows * columns * inner / (self.gpu.peak(self.precision) * share)
        traffic = width * (rows * inner + inner * columns + rows * columns)
        return np.maximum(compute, traffic / self._bandwidth) + _LAUNCH

    def attention(self, flops: Number, traffic: Number) -> Floats:
        """Seconds of a fused attention kernel."""
        peak = self.gpu.peak("bf16") * _ATTENTION_CEILING
        return np.maximum(np.asarray(flops) / peak, np.asarray(traffic) / self._bandwidth) + _LAUNCH

    def stream(self, traffic: Number, kernels: float = 1.0) -> Floats:
        """Seconds to move bytes through the GPU's memory."""
        return np.asarray(traffic, float) / self._bandwidth + kernels * _LAUNCH

    @property
    def _bandwidth(self) -> float:
        return self.gpu.bandwidth * 1e9 * _MEMORY_CEILING

    # Collectives. `size` ranks of a group, `stride` between neighbours in the global numbering of ranks.

    def all_reduce(self, message: Number, size: Floats, stride: Number = 1.0) -> Floats:
        """Seconds to sum `message` bytes over a group, result on every rank."""
        return self._ring(message, size, stride, 2.0)

    def reduce_scatter(self, message: Number, size: Floats, stride: Number = 1.0) -> Floats:
        """Seconds to sum `message` bytes, or to gather as many (`all_gather` costs the same)."""
        return self._ring(message, size, stride, 1.0)

    all_gather = reduce_scatter

    def all_to_all(self, message: Number, size: Floats, stride: Number = 1.0) -> Floats:
        """Seconds until every rank has sent its share of `message` bytes to every other."""
        bandwidth, step = self._path(size, stride)
        seconds = message * (size - 1) / size / bandwidth + _COLLECTIVE + step * np.log2(np.maximum(size, 2))
        return np.where(size > 1, seconds, 0.0)

    def point_to_point(self, message: Number, stride: Number) -> Floats:
        """Seconds to send `message` bytes to the rank `stride` further."""
        bandwidth, step = self._path(np.full(np.shape(stride) or (1,), 2.0), stride)
        return np.asarray(message / bandwidth + step + _COLLECTIVE)

    def _ring(self, message: Number, size: Floats, stride: Number, rounds: float) -> Floats:
        bandwidth, step = self._path(size, stride)
        # Where every rank reaches every other, short messages go along trees or at once, and latency grows slower
        # than along a ring (NCCL's trees, vLLM's two-shot all-reduce).
        steps = np.log2(np.maximum(size, 2)) if self.gpu.link is Link.NVSWITCH else size - 1
        moved = (size - 1) * message / size / bandwidth
        seconds = rounds * (moved + np.minimum(moved, _FILL) + steps * step) + _COLLECTIVE
        return np.where(size > 1, seconds, 0.0)

    def _path(self, size: Floats, stride: Number) -> tuple[Floats, Floats]:
        """Bytes/s and latency of a ring's step: of its slowest link."""
        node = float(max(1, self.gpus_per_node))
        reach = np.asarray(size, float) * stride
        inside: Number = self.gpu.link_bandwidth * 1e9 * _LINK_SHARE[self.gpu.link]
        if self.gpu.link is Link.PCIE:
            # Groups with a stride run side by side, and two GPUs share a switch's uplink.
            shared = inside * _HALVES_SHARE / np.clip(stride, 1, 2)
            inside = np.where((reach > _PCIE_SWITCH) & (node > _PCIE_SWITCH), shared, inside)
        # Every member of the group that a node holds brings its own network adapter.
        members = np.clip(node / stride, 1, size)
        outside = self.gpu.network * 1e9 * _NETWORK_SHARE * members
        across = reach > node
        return (
            np.where(across, np.minimum(inside, outside), inside),
            np.where(across, _NETWORK_STEP, _STEP[self.gpu.link]),
        )
