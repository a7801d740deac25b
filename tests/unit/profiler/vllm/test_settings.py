from __future__ import annotations

import pytest

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.runner.launch import Hardware
from autoscout_profiler.vllm.settings import Load, Settings


def test_a_trial_that_says_nothing_is_measured_offline_on_the_cpu():
    settings = Settings.read({}, {}, Hardware())
    assert settings.load == Load(mode="offline", requests=64, lengths="fixed", input_tokens=1024, output_tokens=256)
    assert (settings.gpus, settings.warmup_passes, settings.passes) == (0, 1, 5)


def test_everything_that_a_trial_can_say_is_taken():
    workload = {
        "inputTokens": 100,
        "outputTokens": 10,
        "precision": "fp16",
        "sequenceLength": 512,
        "model": {"name": "qwen2.5-7b", "architecture": {"layers": 2}},
        "load": {"mode": "serving", "requests": 7, "requestsPerSecond": "0.5", "lengths": "sampled"},
        "data": {"path": "/data/prompts.jsonl"},
    }
    settings = Settings.read({"tp": 2}, workload, Hardware("H100", 1, 8), 0, 3)
    assert settings.load == Load("serving", 7, None, 0.5, "sampled", 100, 10, "/data/prompts.jsonl")
    assert settings.configuration == {"tp": 2}
    assert (settings.model_name, settings.architecture) == ("qwen2.5-7b", {"layers": 2})
    assert (settings.precision, settings.sequence_length) == ("fp16", 512)
    assert (settings.gpus, settings.warmup_passes, settings.passes) == (8, 0, 3)


@pytest.mark.parametrize(
    ("load", "field"),
    [
        ({"mode": "online"}, "workload.load.mode"),
        ({"lengths": "random"}, "workload.load.lengths"),
        ({"requests": 0}, "workload.load.requests"),
        ({"mode": "serving", "concurrency": True}, "workload.load.concurrency"),
        ({"mode": "serving", "requestsPerSecond": "-1"}, "workload.load.requestsPerSecond"),
        ({"mode": "serving", "requestsPerSecond": "nan"}, "workload.load.requestsPerSecond"),
        ({"mode": "serving"}, "workload.load.concurrency"),
        ({"mode": "serving", "concurrency": 4, "requestsPerSecond": 2}, "workload.load.concurrency"),
        ({"concurrency": 4}, "workload.load.concurrency"),
        ({"requestsPerSecond": 4}, "workload.load.requestsPerSecond"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused_with_its_field(load, field):
    with pytest.raises(InvalidConfiguration) as refusal:
        Load.read({"load": load})
    assert refusal.value.field == field


def test_zero_passes_are_refused():
    with pytest.raises(InvalidConfiguration, match=r"profile\.iterations"):
        Settings.read({}, {}, Hardware(), iterations=0)
