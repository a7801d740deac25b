"""Whatever the presets propose, the parser of its framework takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support.launches import A100, SERVING, TRAINING
from tests.support.megatron_arguments import parser

from autoscout.api.convert import job, problem
from autoscout.executors.admission import check
from autoscout.launch.launch import launch
from autoscout.launch.megatron import SCRIPT
from autoscout.space.configuration import Configuration
from autoscout.space.search_space import SearchSpace

SAMPLES = 25
JOBS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dense": (TRAINING | {"model": {"name": "meta-llama/Llama-3.1-8B"}}, A100),
    "experts": (TRAINING | {"model": {"name": "Qwen/Qwen1.5-MoE-A2.7B"}}, A100),
    "two nodes": (TRAINING | {"model": {"name": "meta-llama/Llama-3.1-8B"}}, A100 | {"nodes": 2}),
    "serving": (SERVING, A100),
    "serving on two nodes": (SERVING | {"model": {"name": "meta-llama/Llama-3.1-70B"}}, A100 | {"nodes": 2}),
    "serving experts": (SERVING | {"model": {"name": "Qwen/Qwen3-30B-A3B"}}, A100),
}


def document(case: str) -> dict[str, Any]:
    workload, pool = JOBS[case]
    metric = "milliseconds_per_token" if workload["framework"] == "vllm" else "seconds_per_iteration"
    return {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "preset"},
        "spec": {
            "workload": workload,
            "hardware": {"pools": [pool]},
            "objectives": [{"metric": metric}],
            "searchSpace": {"preset": workload["framework"]},
            "profile": {"image": "registry.example.com/profiler:1"},
        },
    }


def sampled(space: SearchSpace) -> list[Configuration]:
    rng = np.random.default_rng(0)
    return [space.default(), *(space.sample(rng) for _ in range(SAMPLES))]


@pytest.mark.parametrize("case", JOBS)
def test_every_configuration_of_a_preset_is_launched(case: str):
    assert check(document(case), cluster=True) == []
    tuning_job = job(document(case))
    for configuration in sampled(problem(tuning_job).space):
        words = launch(tuning_job, configuration).command.split()
        if SCRIPT in words:
            found = parser().parse_args(words[words.index(SCRIPT) + 1 :])
            assert found.tensor_model_parallel_size == configuration["tp"]
            assert found.pipeline_model_parallel_size == configuration["pp"]
        else:
            assert words[:2] == ["vllm", "serve"]
