"""Tensor-parallel communication beside the matrix products: Transformer Engine's userbuffers."""

from __future__ import annotations

from typing import Any

from autoscout_profiler.megatron.settings import Settings

PRODUCTS_WITH_MULTIPROCESSORS = (
    "proj_fprop",
    "fc2_fprop",
    "qkv_dgrad",
    "qkv_wgrad",
    "fc1_dgrad",
    "fc1_wgrad",
)
"""Those whose collective runs as a kernel of its own (methods `pipeline` and `bulk`). The others pass chunks around by
copy engines (`ring_exchange`) and take no multiprocessors."""


def buffers(settings: Settings) -> dict[str, dict[str, Any]]:
    """Transformer Engine's settings of each overlapped product; empty: its own."""
    if not settings.communication_sms:
        return {}
    return {product: {"num_sm": settings.communication_sms} for product in PRODUCTS_WITH_MULTIPROCESSORS}


def start(settings: Settings) -> None:
    """Register the buffers that all products of this trial communicate through, as Megatron-LM does."""
    from transformer_engine.pytorch.module.base import initialize_ub  # noqa: PLC0415 - not installed everywhere

    tokens = settings.task.sequence * settings.micro_batch // settings.layout.context
    initialize_ub(
        shape=[tokens, settings.architecture.hidden],
        tp_size=settings.layout.tensor,
        use_fp8=settings.precision == "fp8",
        ub_cfgs=buffers(settings),
        bootstrap_backend="nccl",
    )
