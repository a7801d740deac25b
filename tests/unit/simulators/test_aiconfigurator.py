"""Steps from measured kernels, where the extra is installed."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest

from autoscout.simulators import aiconfigurator
from autoscout.simulators.aiconfigurator import KernelsError, models, tables
from autoscout.simulators.hardware import CATALOGUE
from autoscout.simulators.registry import AICONFIGURATOR, obstacle, simulator_for
from autoscout.simulators.workload import Architecture, Hardware, Pool, Workload

needs_tables = pytest.mark.skipif(
    importlib.util.find_spec(aiconfigurator.PACKAGE) is None,
    reason="aiconfigurator-core is not installed (extra aiconfigurator)",
)
LLAMA = Architecture(32, 4096, 14336, 32, 8, 128, 128_256)
WORKLOAD = Workload("vllm", "inference", "meta-llama/Llama-3.1-8B", LLAMA, input_tokens=1024, output_tokens=256)
HARDWARE = Hardware((Pool("a100", "NVIDIA-A100-SXM4-80GB", 1, 8),))
NAMES = ("tp", "max_num_seqs")
CONFIGURATIONS = [{"tp": tp, "max_num_seqs": seqs} for tp in (1, 2, 4, 8) for seqs in (1, 8, 64, 256)]


@needs_tables
def test_measured_kernels_and_the_datasheet_agree_on_the_order_of_configurations() -> None:
    measured = simulator_for(WORKLOAD, HARDWARE, NAMES, AICONFIGURATOR)
    modelled = simulator_for(WORKLOAD, HARDWARE, NAMES)
    assert measured is not None
    assert modelled is not None
    found = measured.predict(CONFIGURATIONS, WORKLOAD, HARDWARE)
    expected = modelled.predict(CONFIGURATIONS, WORKLOAD, HARDWARE)
    for metric in ("milliseconds_per_token", "tpot_ms"):
        one, other = (np.log(each.column(metric)[0]) for each in (found, expected))
        assert not np.allclose(one, other, atol=0.01), "they are two models"
        assert np.corrcoef(one, other)[0, 1] > 0.9
    # Memory is ours either way.
    assert np.array_equal(found.peak_memory_gib, expected.peak_memory_gib)


@needs_tables
def test_a_step_takes_longer_the_more_it_does() -> None:
    simulator = simulator_for(WORKLOAD, HARDWARE, NAMES, AICONFIGURATOR)
    assert simulator is not None
    each = [{"tp": 1, "max_num_seqs": seqs, "max_num_batched_tokens": 8192} for seqs in (1, 16, 64, 256)]
    tpot = simulator.predict(each, WORKLOAD, HARDWARE).column("tpot_ms")[0]
    assert (np.diff(tpot) > 0).all()


@needs_tables
def test_names_of_one_model_are_the_same_model() -> None:
    assert "meta-llama/Meta-Llama-3.1-8B" in models()
    assert tables(WORKLOAD, "NVIDIA-A100-SXM4-80GB") == ("meta-llama/Meta-Llama-3.1-8B", "a100_sxm")


@pytest.mark.parametrize("name", aiconfigurator.SYSTEMS)
def test_every_system_is_a_gpu_of_the_catalogue(name: str) -> None:
    assert name in CATALOGUE


@needs_tables
@pytest.mark.parametrize(
    ("product", "system"),
    [("NVIDIA-H100-80GB-HBM3", "h100_sxm"), ("h100-sxm5-80gb", "h100_sxm"), ("NVIDIA-L40S", "l40s")],
)
def test_a_gpu_is_known_as_the_catalogue_knows_it(product: str, system: str) -> None:
    assert tables(WORKLOAD, product)[1] == system


@needs_tables
@pytest.mark.parametrize("product", ["NVIDIA-L40", "NVIDIA-GH200-480GB", "NVIDIA-GB200", "NVIDIA-A100-SXM4-40GB"])
def test_a_gpu_whose_name_or_family_is_like_a_measured_one_has_not_its_kernels(product: str) -> None:
    with pytest.raises(KernelsError, match=re.escape(f"{product!r}, which aiconfigurator has not measured")):
        tables(WORKLOAD, product)


@needs_tables
@pytest.mark.parametrize(
    ("model", "product", "words"),
    [
        ("acme/unheard-of", "NVIDIA-A100-SXM4-80GB", "spec.workload.model.name is 'acme/unheard-of'"),
        ("meta-llama/Llama-3.1-8B", "NVIDIA-A40", "spec.hardware.pools[0].gpu is 'NVIDIA-A40'"),
    ],
)
def test_what_was_never_measured_is_refused_by_field(model: str, product: str, words: str) -> None:
    workload = Workload("vllm", "inference", model, LLAMA, input_tokens=1024, output_tokens=256)
    with pytest.raises(KernelsError, match=re.escape(words)):
        tables(workload, product)


def test_without_the_package_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiconfigurator, "find_spec", lambda _: None)
    found = obstacle(WORKLOAD, HARDWARE, NAMES, AICONFIGURATOR)
    assert found is not None
    assert "pip install 'autoscout[aiconfigurator]'" in found


def test_training_has_no_measured_kernels() -> None:
    workload = Workload("megatron", "training", "llama", LLAMA, global_batch_size=8, sequence_length=1024)
    found = obstacle(workload, HARDWARE, ("tp",), AICONFIGURATOR)
    assert found == "search.settings.kernels: aiconfigurator is for serving; leave it out"
