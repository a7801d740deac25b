"""The catalogue of GPUs."""

from __future__ import annotations

import pytest

from autoscout.simulators.hardware import CATALOGUE, Link, find


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("NVIDIA-A100-SXM4-80GB", "a100-sxm4-80gb"),
        ("NVIDIA-A100-SXM4-40GB", "a100-sxm4-40gb"),
        ("NVIDIA-A100-PCIE-40GB", "a100-pcie-40gb"),
        ("NVIDIA-A100-PCIE-80GB", "a100-pcie-80gb"),
        ("NVIDIA-A100-80GB-PCIe", "a100-pcie-80gb"),
        ("NVIDIA-H100-80GB-HBM3", "h100-sxm5-80gb"),
        ("NVIDIA-H100-PCIe", "h100-pcie-80gb"),
        ("NVIDIA-H100-NVL", "h100-nvl-94gb"),
        ("NVIDIA-H200", "h200-sxm5-141gb"),
        ("NVIDIA-A40", "a40"),
        ("NVIDIA-L40S", "l40s"),
        ("NVIDIA-L40", "l40"),
        ("NVIDIA-L4", "l4"),
        ("Tesla-T4", "t4"),
        ("Tesla-V100-SXM2-32GB", "v100-sxm2-32gb"),
        ("NVIDIA-A10", "a10"),
    ],
)
def test_node_labels_name_their_product(product, name):
    assert find(product).name == name


@pytest.mark.parametrize(
    ("product", "mib"),
    [
        # As nvidia-smi shows them.
        ("NVIDIA-A100-SXM4-80GB", 81_920),
        ("NVIDIA-A40", 46_068),
        ("NVIDIA-L40S", 46_068),
        ("NVIDIA-L4", 23_034),
        ("NVIDIA-A10", 23_028),
        ("Tesla-T4", 15_360),
        ("NVIDIA-H200", 143_771),
        ("NVIDIA-B200", 183_359),
    ],
)
def test_memory_is_what_the_driver_shows(product, mib):
    assert find(product).memory_gib == pytest.approx(mib / 1024, rel=0.01)


@pytest.mark.parametrize("product", [None, "", "AMD-Instinct-MI300X", "NVIDIA-A1000"])
def test_an_unknown_product_is_none(product):
    assert find(product) is None


@pytest.mark.parametrize("gpu", CATALOGUE.values(), ids=CATALOGUE)
def test_figures_are_dense_and_in_their_units(gpu):
    assert 8 <= gpu.memory_gib <= 192
    assert 300 <= gpu.bandwidth <= 8000
    assert 60 <= gpu.tflops["bf16"] <= 2500
    if "fp8" in gpu.tflops:
        assert gpu.tflops["fp8"] == pytest.approx(2 * gpu.tflops["bf16"], rel=0.02)
    assert (gpu.link is Link.NVSWITCH) == (gpu.link_bandwidth > 64)


def test_a_format_that_a_gpu_lacks_runs_in_the_next_wider_one():
    gpu = find("NVIDIA-A100-SXM4-80GB")
    assert gpu.peak("fp8") == gpu.peak("bf16") == 312e12
    assert gpu.peak("fp32") == 156e12
