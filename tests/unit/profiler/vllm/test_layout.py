"""How the engine's workers lie on several nodes, as `vllm serve --nnodes` would spread them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.runner.launch import Hardware
from autoscout_profiler.vllm.knobs import REPLICAS
from autoscout_profiler.vllm.layout import Layout, layout


def values(tensor: int = 1, pipeline: int = 1, replicas: int | None = None) -> dict[str, int]:
    given = {"tensor_parallel_size": tensor, "pipeline_parallel_size": pipeline}
    return given if replicas is None else given | {REPLICAS: replicas}


def gpus(each: int, nodes: int = 1) -> Hardware:
    return Hardware("H100", nodes, each)


@pytest.mark.parametrize(
    ("hardware", "tensor", "pipeline", "replicas", "local"),
    [
        (gpus(8), 1, 1, 8, 8),
        (gpus(8), 3, 1, 2, 6),
        (gpus(8, 2), 4, 1, 4, 8),
        (gpus(8, 2), 8, 2, 1, 8),
        (gpus(8, 2), 3, 1, 4, 6),  # a fifth one would have to lie on both nodes
        (gpus(4, 4), 4, 3, 1, 3),
    ],
)
def test_replicas_fill_the_gpus_as_far_as_they_can_be_spread(hardware, tensor, pipeline, replicas, local):
    found = layout(values(tensor, pipeline), hardware, dense=False)
    assert (found.replicas, found.local) == (replicas, local)


def test_a_configuration_that_says_how_many_replicas_there_are_gets_them():
    assert layout(values(2, 1, 2), gpus(8, 2), dense=True).replicas == 2
    assert layout(values(2, 1, 1), gpus(8, 2), dense=True).local == 1


def test_on_cpus_there_is_one_replica_and_no_limit():
    assert layout(values(2), Hardware(), dense=True) == Layout(replicas=1, each=2, nodes=1)
    assert layout(values(1, 1, 64), Hardware(), dense=True).replicas == 64


@given(st.integers(1, 4), st.integers(1, 8), st.integers(1, 16))
def test_every_node_has_the_same_part_of_the_engine(nodes, each, replicas):
    found = Layout(replicas, each, nodes)
    if found.problem is None:
        # What vLLM reckons (EngineArgs.create_engine_config, ParallelConfig.nnodes_within_dp).
        replicas_local = max(found.local // each, 1)
        groups, rest = divmod(replicas, replicas_local)
        assert (replicas * each % nodes, rest, nodes % groups) == (0, 0, 0)
        assert found.crowded == (replicas > 1 and nodes // groups > 1)


@pytest.mark.parametrize(
    ("hardware", "degrees", "field", "says"),
    [
        (gpus(4), values(8), "tensor_parallel_size", "need 8 GPUs; the pool has 4"),
        (gpus(4, 2), values(2, 1, 8), "tensor_parallel_size", "need 16 GPUs; the pool has 8"),
        (Hardware(None, 2), values(), "tensor_parallel_size, ", "1 worker"),
        (gpus(8, 2), values(4, 1, 3), "tensor_parallel_size, ", "6 workers on each of 2 nodes hold no whole replicas"),
        (gpus(4, 4), values(4, 2, 2), REPLICAS, "no 2 replicas of a model without experts"),
        (gpus(4), values() | {"tensor_parallel_size": 0}, "tensor_parallel_size", "0 is no whole number from 1"),
        (gpus(4, 2), values() | {"data_parallel_rank": 1}, "data_parallel_rank", "places the workers itself"),
    ],
)
def test_what_can_not_be_spread_is_refused_by_name_with_the_way_out(hardware, degrees, field, says):
    with pytest.raises(InvalidConfiguration, match=says) as refused:
        layout(degrees, hardware, dense=True)
    assert refused.value.field.startswith(field)


def test_replicas_that_need_several_nodes_each_are_asked_for_by_number():
    for dense in (False, True):
        assert layout(values(4, 2), gpus(4, 4), dense=dense) == Layout(replicas=1, each=8, nodes=4)
    assert layout(values(4, 2, 2), gpus(4, 4), dense=False) == Layout(replicas=2, each=8, nodes=4)


def test_a_degree_may_be_a_word_as_on_a_command_line():
    assert layout({"tensor_parallel_size": "2"}, gpus(8), dense=True).replicas == 4
