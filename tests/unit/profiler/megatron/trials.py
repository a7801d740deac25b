"""Trials for the tests of the Megatron profiler's pure parts."""

from __future__ import annotations

from typing import Any

from autoscout_profiler.megatron import rules, settings

SHAPE: dict[str, Any] = {
    "layers": 8,
    "hiddenSize": 256,
    "ffnHiddenSize": 512,
    "attentionHeads": 8,
    "queryGroups": 4,
    "vocabSize": 1000,
}
EXPERTS = {"experts": 8, "expertsPerToken": 2, "expertFfnHiddenSize": 128}


def workload(task: str = "training", shape: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    architecture = SHAPE | (shape or {})
    known = {"framework": "megatron", "task": task, "globalBatchSize": 16, "sequenceLength": 64}
    return known | {"model": {"architecture": architecture}} | fields


def read(configuration: dict[str, Any], given: dict[str, Any] | None = None, *, world: int = 8) -> settings.Settings:
    return settings.read(configuration, given or workload(), world=world, default_precision="fp32")


def checked(
    configuration: dict[str, Any],
    given: dict[str, Any] | None = None,
    *,
    world: int = 8,
    gpu: bool = False,
    transformer_engine: bool = False,
) -> settings.Settings:
    trial = read(configuration, given, world=world)
    rules.check(trial, gpu=gpu, transformer_engine=transformer_engine)
    return trial
