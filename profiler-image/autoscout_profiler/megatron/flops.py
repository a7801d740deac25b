"""How many floating-point operations a step needs, and what a GPU could do. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autoscout_profiler.megatron.settings import Settings

PEAK_TERAFLOPS: Sequence[tuple[str, float]] = (
    ("B200", 2250.0),
    ("H200 NVL", 835.5),
    ("H200", 989.4),
    ("H100 NVL", 835.5),
    ("H100 PCIe", 756.5),
    ("H100", 989.4),
    ("H800 PCIe", 756.5),
    ("H800", 989.4),
    ("A800", 311.8),
    ("A100", 311.8),
    ("A40", 149.7),
    ("A30", 165.0),
    ("A10G", 70.0),
    ("A10", 125.0),
    ("L40S", 362.05),
    ("L40", 181.05),
    ("L4", 121.0),
    ("V100-PCIE", 112.0),
    ("V100", 125.0),
)
"""Words of a GPU's name to its dense 16-bit tensor peak (NVIDIA's data sheets, without sparsity); the first ones count.
V100 has no bf16: its figure is for fp16."""
_SLICE = "MIG"
"""In the name of a multi-instance GPU's slice: `NVIDIA H100 80GB HBM3 MIG 3g.40gb`."""


def peak_teraflops(gpu: str, precision: str) -> float | None:
    """What the tensor cores could do in 16 bits, in 10^12 operations a second; None: not known.

    Args:
        gpu: the name that the driver gives it.
        precision: of the computation; others than bf16 and fp16 have no peak here.
    """
    if precision not in ("bf16", "fp16"):
        return None
    if "V100" in gpu and precision == "bf16":
        return None
    if _SLICE in gpu.split():
        return None  # a part of the GPU has a part of its multiprocessors
    return next((peak for name, peak in PEAK_TERAFLOPS if re.search(rf"\b{name}\b", gpu)), None)


def step_flops(settings: Settings, lengths: Sequence[int]) -> float:
    """Floating-point operations that one optimizer step needs, over all ranks.

    Matrix products as Chowdhery et al. 2022 (PaLM, appendix B) count them: a multiply and an add for each weight and
    token in forward, twice that in backward; 4 * length * width for the two products of attention, all pairs of tokens
    counted although half of them are masked. Recomputation counts for nothing, and a frozen weight has no gradient.

    Args:
        settings: of the trial.
        lengths: tokens of each sample of the step: attention stays within a sample.
    """
    model, adapters = settings.architecture, settings.task.adapters
    matrices = 3 if model.gated else 2
    width, keys = model.heads * model.head, model.groups * model.head
    attention = model.hidden * (2 * width + 2 * keys)
    if model.experts:
        active = model.experts_per_token * model.expert_ffn + model.shared_ffn
        feed_forward = matrices * model.hidden * active + model.hidden * model.experts
    else:
        feed_forward = matrices * model.hidden * model.ffn
    weights = model.layers * (attention + feed_forward) + model.hidden * model.vocabulary
    tokens = sum(lengths)
    pairs = sum(length * length for length in lengths)
    # Forward, gradient of the input, gradient of the weight; attention itself has no weights.
    passes = 2 if adapters else 3
    return float(2 * passes * weights * tokens + 3 * 4 * model.layers * width * pairs)
