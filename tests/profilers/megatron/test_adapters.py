"""LoRA trains its adapters and nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tests.profilers.megatron.conftest import Trained

from autoscout_profiler.megatron.shape import Adapters


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


class Layer(torch.nn.Module):
    """A linear layer as Transformer Engine's: it does not say whether it is an expert's."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4, 8))


def test_adapters_of_experts_belong_to_the_expert_whatever_its_layers_say():
    from autoscout_profiler.megatron.lora import adapt

    model, expert = torch.nn.Module(), torch.nn.Module()
    model.pre_process = False
    model.linear_qkv, expert.linear_fc1, expert.linear_fc2 = Layer(), Layer(), Layer()
    model.local_experts = torch.nn.ModuleList([expert])
    config = SimpleNamespace(tensor_model_parallel_size=2, sequence_parallel=True, expert_model_parallel_size=2)
    adapt(model, config, Adapters(rank=2, alpha=4, targets=("qkv", "fc1", "fc2")))
    assert model.linear_qkv.a.allreduce
    assert model.linear_qkv.b.tensor_model_parallel
    for layer in (expert.linear_fc1, expert.linear_fc2):
        # Its gradients are summed over the ranks that have this expert, its tokens stay with it.
        assert not layer.a.allreduce
        assert not layer.b.allreduce
        assert not hasattr(layer.b, "tensor_model_parallel")
