from __future__ import annotations

import pytest
from tests.unit.profiler.megatron.trials import EXPERTS, read, workload

from autoscout_profiler.megatron.flops import peak_teraflops, step_flops


def test_a_dense_model_needs_what_palm_counts():
    # Chowdhery et al. 2022, appendix B: (6 N + 12 L H Q T) for each token, N without the input embedding.
    trial = read({}, workload(shape={"queryGroups": 8}))
    layer = 4 * 256 * 256 + 3 * 256 * 512
    weights = 8 * layer + 256 * 1000
    tokens = 16 * 64
    assert step_flops(trial, [64] * 16) == pytest.approx(tokens * (6 * weights + 12 * 8 * 256 * 64))


def test_only_the_experts_of_a_token_count():
    dense = step_flops(read({}, workload(shape={"ffnHiddenSize": 256})), [64])
    routed = step_flops(read({}, workload(shape=EXPERTS)), [64])
    router = 6 * 64 * 8 * 256 * 8
    assert routed == pytest.approx(dense + router)


def test_frozen_weights_have_no_gradient():
    full = read({}, workload("fine-tuning"))
    adapted = read({}, workload("fine-tuning", fineTuning={"method": "lora"}))
    attention = 12 * 8 * 256 * 64 * 64
    assert step_flops(adapted, [64]) - attention == pytest.approx((step_flops(full, [64]) - attention) * 2 / 3)


def test_attention_stays_within_samples():
    trial = read({}, workload("fine-tuning"))
    assert step_flops(trial, [64]) - step_flops(trial, [32, 32]) == pytest.approx(12 * 8 * 256 * 64 * 64 / 2)


@pytest.mark.parametrize(
    ("gpu", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", 311.8),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H200", 989.4),
        ("NVIDIA H200 NVL", 835.5),
        ("NVIDIA H800 PCIe", 756.5),
        ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", None),
        ("NVIDIA L40S", 362.05),
        ("NVIDIA RTX A4000", None),
        ("", None),
    ],
)
def test_the_peak_of_a_gpu_is_known_by_its_name(gpu: str, peak: float | None):
    assert peak_teraflops(gpu, "bf16") == peak


def test_other_precisions_have_no_peak_here():
    assert peak_teraflops("NVIDIA H100 80GB HBM3", "fp32") is None
    assert peak_teraflops("Tesla V100-SXM2-16GB", "bf16") is None
    assert peak_teraflops("Tesla V100-SXM2-16GB", "fp16") == 125.0
    assert peak_teraflops("Tesla V100-PCIE-32GB", "fp16") == 112.0
