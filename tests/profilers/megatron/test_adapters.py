"""LoRA trains its adapters and nothing else."""

from __future__ import annotations

import pytest
from tests.profilers.megatron.conftest import Trained


@pytest.mark.parametrize(
    ("world", "name"),
    [
        (1, "adapters: reference"),
        (2, "adapters: tp2 sp"),
        (2, "adapters: pp2 recompute"),
        (1, "adapters of experts: reference"),
        (2, "adapters of experts: ep2"),
    ],
)
def test_only_adapters_are_trained(trained: Trained, world: int, name: str):
    for rank in trained(world, name)["ranks"]:
        assert rank["trained"]
        assert all(parameter.endswith((".a", ".b")) for parameter in rank["trained"])
        assert rank["moved"] == []


def test_every_linear_layer_has_an_adapter_unless_told_otherwise(trained: Trained):
    names = trained(1, "adapters: reference")["ranks"][0]["trained"]
    assert len(names) == 2 * 4 * 4
    only = trained(1, "few targets")["ranks"][0]["trained"]
    assert len(only) == 2 * 4
    assert all(".linear_qkv." in name for name in only)


def test_every_expert_has_its_own_adapters(trained: Trained):
    names = trained(1, "adapters of experts: reference")["ranks"][0]["trained"]
    assert len([name for name in names if ".local_experts." in name]) == 2 * 2 * 4 * 4
