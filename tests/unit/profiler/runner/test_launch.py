from __future__ import annotations

import json

import pytest

from autoscout.simulators.knobs import ALIASES
from autoscout_profiler.errors import InfrastructureError, InvalidConfiguration
from autoscout_profiler.reporter import Reporter
from autoscout_profiler.runner.launch import (
    DEGREES,
    Hardware,
    Place,
    Trial,
    engine_process,
    megatron_world,
    rank_processes,
)

COMMAND = ("python3", "-m", "rank")


def trial(configuration: dict | None = None, hardware: dict | None = None) -> Trial:
    return Trial.parse(json.dumps({"configuration": configuration or {}, "hardware": hardware or {}}))


def test_the_degrees_are_spelled_as_the_operator_spells_them():
    assert {name: ALIASES[name] for name in DEGREES} == DEGREES


def test_a_trial_that_is_run_by_hand_needs_no_name():
    reporter = Reporter(Trial.parse('{"configuration": {"tp": 2}}').environment)
    assert (reporter.trial, reporter.attempt, reporter.configuration) == ("manual", 0, {"tp": 2})


def test_a_trial_of_the_operator_keeps_its_name():
    reporter = Reporter(Trial.parse('{"trial": "llama-3", "attempt": 2, "new": 1}').environment)
    assert (reporter.trial, reporter.attempt) == ("llama-3", 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[1]", "JSON object"), ("{", "line 1"), ('{"hardware": 3}', "hardware"), ('{"configuration": [1]}', "configur")],
)
def test_what_is_no_trial_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        Trial.parse(text)


def test_a_trial_that_says_nothing_of_hardware_runs_on_one_machine_s_cpus():
    assert trial().hardware == Hardware(gpu=None, nodes=1, gpus_per_node=0)
    described = {"gpu": "NVIDIA-H100", "nodes": 2, "gpusPerNode": 8}
    assert trial(hardware=described).hardware == Hardware("NVIDIA-H100", 2, 8)


@pytest.mark.parametrize(
    ("configuration", "hardware", "world"),
    [
        ({}, {}, 1),
        ({"tp": 2, "dp": 3}, {"gpusPerNode": 0}, 6),
        ({"tensor_model_parallel_size": 2, "pipeline_parallel": 2, "cp": 2, "data_parallel_size": 1}, {}, 8),
        ({"tp": 2, "ep": 4}, {}, 2),
        ({"tp": 2, "dp": None}, {}, 2),
        ({"tp": "2"}, {}, 2),
        ({"tp": 2}, {"gpusPerNode": 8}, 8),
        ({"tp": 2}, {"gpusPerNode": 8, "nodes": 4}, 32),
    ],
)
def test_a_rank_for_each_gpu_and_on_cpus_as_many_as_the_degrees_ask_for(configuration, hardware, world):
    assert megatron_world(trial(configuration, hardware)) == world


@pytest.mark.parametrize("value", [0, -1, "two", 1.5, [2]])
def test_a_degree_is_a_whole_number_from_1(value):
    with pytest.raises(InvalidConfiguration, match=r"pipeline_parallel: .* whole number from 1") as caught:
        megatron_world(trial({"pipeline_parallel": value}))
    assert caught.value.field == "pipeline_parallel"


def test_the_ranks_of_one_node_have_torchrun_s_variables():
    first, second = rank_processes(COMMAND, trial({"tp": 2}), Place(), 2, 4711, {})
    assert (first.rank, second.rank) == (0, 1)
    assert first.command == COMMAND
    assert json.loads(second.environment["AUTOSCOUT_TRIAL"])["configuration"] == {"tp": 2}
    assert {name: value for name, value in second.environment.items() if name != "AUTOSCOUT_TRIAL"} == {
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "4711",
        "OMP_NUM_THREADS": "1",
    }


def test_threads_that_were_asked_for_stay_and_a_single_rank_has_the_machine():
    for process in rank_processes(COMMAND, trial(), Place(), 2, 4711, {"OMP_NUM_THREADS": "4"}):
        assert "OMP_NUM_THREADS" not in process.environment
    (alone,) = rank_processes(COMMAND, trial(), Place(), 1, 4711, {})
    assert "OMP_NUM_THREADS" not in alone.environment


def test_the_ranks_of_several_nodes_are_numbered_through():
    place = Place.read(
        {
            "AUTOSCOUT_NODES": "3",
            "JOB_COMPLETION_INDEX": "2",
            "AUTOSCOUT_MASTER_ADDR": "job-0.job.space.svc",
            "AUTOSCOUT_MASTER_PORT": "29511",
        }
    )
    processes = rank_processes(COMMAND, trial(), place, 12, 29511, {})
    assert [process.rank for process in processes] == [8, 9, 10, 11]
    assert [process.environment["LOCAL_RANK"] for process in processes] == ["0", "1", "2", "3"]
    assert {process.environment["WORLD_SIZE"] for process in processes} == {"12"}
    assert {process.environment["GROUP_RANK"] for process in processes} == {"2"}
    assert {process.environment["MASTER_ADDR"] for process in processes} == {"job-0.job.space.svc"}
    assert {process.environment["MASTER_PORT"] for process in processes} == {"29511"}


def test_ranks_that_can_t_be_spread_evenly_are_refused():
    with pytest.raises(InvalidConfiguration, match="3 ranks can't be spread evenly over 2 nodes"):
        rank_processes(COMMAND, trial(), Place(nodes=2, address="a", port=1), 3, 1, {})


def test_an_engine_gets_the_trial_and_nothing_that_would_mislead_its_workers():
    process = engine_process(COMMAND, trial(), Place(nodes=2, node_rank=1, address="a", port=1))
    assert process.rank == 1
    assert process.environment.keys() == {"AUTOSCOUT_TRIAL"}


def test_without_the_variables_there_is_one_node():
    assert Place.read({}) == Place(nodes=1, node_rank=0, address="127.0.0.1", port=None)
    assert Place.read({"AUTOSCOUT_NODES": "1", "JOB_COMPLETION_INDEX": "0"}) == Place()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"AUTOSCOUT_NODES": "two"}, "AUTOSCOUT_NODES: 'two'"),
        ({"AUTOSCOUT_NODES": "2", "AUTOSCOUT_MASTER_ADDR": "a"}, "JOB_COMPLETION_INDEX: ''"),
        ({"AUTOSCOUT_NODES": "2", "JOB_COMPLETION_INDEX": "1"}, "AUTOSCOUT_MASTER_ADDR: not set"),
        (
            {"AUTOSCOUT_NODES": "2", "JOB_COMPLETION_INDEX": "2", "AUTOSCOUT_MASTER_ADDR": "a"},
            "JOB_COMPLETION_INDEX: 2 is not below AUTOSCOUT_NODES, which is 2",
        ),
    ],
)
def test_a_place_that_is_not_told_completely_is_the_platform_s_fault(environment, says):
    with pytest.raises(InfrastructureError, match=says):
        Place.read(environment)
