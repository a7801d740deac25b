"""What a preset offers the built-in profiler measures, and the launch command starts: three parts, one set of rules."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.api.test_presets import A100, CLUSTERS, job, space

from autoscout.api.architecture import workload_manifest
from autoscout.api.frameworks import unsuited
from autoscout.launch.launch import launch
from autoscout.simulators.knobs import Columns
from autoscout_profiler.megatron.rules import check
from autoscout_profiler.megatron.settings import read

H100 = CLUSTERS[1]
TUNING = {"task": "fine-tuning"}
TRAINED = [
    ("llama-3.1-8b", A100, {}),
    ("llama-3.1-70b", H100, {}),
    ("qwen3-30b-a3b", H100, {}),
    ("qwen1.5-moe-a2.7b", A100, {}),
    ("gpt3-6.7b", A100, {}),
    ("llava-1.5-7b", A100, {}),
    ("llama-3.2-3b", A100, TUNING),
    ("llama-3.2-3b", A100, TUNING | {"fineTuning": {"method": "lora", "packed": False}}),
    ("mixtral-8x7b", H100, TUNING | {"fineTuning": {"method": "lora"}}),
]
SERVED = [
    ("llama-3.1-8b", A100),
    ("qwen3-30b-a3b", H100 | {"nodes": 1}),
    ("mixtral-8x7b", A100),
    ("llama-3.1-70b", H100 | {"nodes": 2}),
    ("llama-3.1-70b", H100 | {"nodes": 4, "gpusPerNode": 4}),
    ("qwen3-235b-a22b", H100 | {"nodes": 6}),
]


def drawn(found, count=150):
    rng = np.random.default_rng(7)
    return [found.default(), *(found.sample(rng) for _ in range(count))]


@pytest.mark.parametrize(("model", "pool", "workload"), TRAINED)
def test_the_megatron_profiler_measures_whatever_the_preset_offers(model, pool, workload):
    tuned = job("megatron", model, pool, workload)
    manifest = workload_manifest(tuned)
    for configuration in drawn(space("megatron", model, pool, workload)):
        world = pool["gpusPerNode"] * pool.get("nodes", 1)
        settings = read(dict(configuration), manifest, world=world, default_precision="bf16")
        check(settings, gpu=True, transformer_engine=True)


@pytest.mark.parametrize(("model", "pool", "workload"), TRAINED)
def test_a_job_with_the_megatron_preset_suits_its_profiler_and_has_a_launch_command(model, pool, workload):
    tuned = job("megatron", model, pool, workload)
    assert unsuited(tuned) == []
    for configuration in drawn(space("megatron", model, pool, workload), 10):
        assert "pretrain" in launch(tuned, configuration).command


@pytest.mark.parametrize(("model", "pool"), SERVED)
def test_a_job_with_the_vllm_preset_suits_its_profiler_and_has_a_launch_command(model, pool):
    served = job("vllm", model, pool)
    assert unsuited(served) == []
    for configuration in drawn(space("vllm", model, pool), 30):
        assert "vllm" in launch(served, configuration).command


@pytest.mark.parametrize("found", [space("megatron", "qwen3-30b-a3b", H100), space("vllm", "mixtral-8x7b")])
def test_the_simulators_know_every_knob(found):
    assert Columns([dict(each) for each in drawn(found)]).unknown.max() == 0
