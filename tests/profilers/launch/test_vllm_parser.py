"""What we say of vLLM's arguments is what the installed vLLM says, and it takes every line that we write."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from functools import cache
from typing import Annotated

import annotated_types
import pytest
import vllm.config
from pydantic import TypeAdapter, ValidationError
from tests.support.launches import CASES, SERVING, TINY
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

from autoscout.api.vllm_arguments import OPTIONS, RANGES, VERSION
from autoscout.launch.program import MASTER_ADDRESS, NODE_RANK, pieces
from autoscout.launch.vllm import program
from autoscout_profiler.runner.launch import DEFAULT_MASTER_PORT, Place, hardware_of
from autoscout_profiler.vllm.arguments import parser_and_options, plan, values_of
from autoscout_profiler.vllm.knobs import DEGREES, RESERVED
from autoscout_profiler.vllm.model import written
from autoscout_profiler.vllm.settings import Settings

BOUNDS = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt)
PARSER, INSTALLED = parser_and_options()
SERVER = make_arg_parser(FlexibleArgumentParser())
VLLM = [name for name, case in CASES.items() if case.workload["framework"] == "vllm"]
SEVERAL = [name for name in VLLM if CASES[name].pool.get("nodes", 1) > 1]


def hardware(pool):
    return {"gpu": pool.get("gpu"), "nodes": pool.get("nodes", 1), "gpusPerNode": pool.get("gpusPerNode", 0)}


def test_the_version_is_the_one_that_was_listed():
    import vllm

    assert vllm.__version__.startswith(f"{VERSION}.")


def test_every_argument_is_listed_with_its_form():
    one_way = {action.dest for action in PARSER._actions if isinstance(action, argparse._StoreTrueAction)}
    installed = {name: option.form for name, option in INSTALLED.items() if name not in RESERVED | one_way}
    listed = {name: option.form for name, option in OPTIONS.items()}
    assert {name: listed.get(name) for name in installed} == installed
    # Those of the engine's asynchronous form are in its parser only.
    assert set(listed) - set(installed) <= {action.dest for action in PARSER._actions}


@cache
def bounded():
    """The fields of vLLM's configuration with bounds: name to their types."""
    found = {}
    for module in pkgutil.iter_modules(vllm.config.__path__):
        names = vars(importlib.import_module(f"vllm.config.{module.name}"))
        for each in list(names.values()):
            for name, field in getattr(each, "__pydantic_fields__", {}).items():
                bounds = [part for part in field.metadata if isinstance(part, BOUNDS)]
                if bounds:
                    found.setdefault(name, []).append(Annotated[field.annotation, *bounds])
    return found


def takes(kind, number):
    try:
        TypeAdapter(kind).validate_python(number)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(RANGES))
def test_vllm_takes_the_numbers_that_are_listed(name):
    kinds = bounded()[name]
    for number in (-1, 0, 0.5, 1, 1.5, 2, 4096):
        assert {takes(kind, number) for kind in kinds} == {RANGES[name].holds(number)}, number


@pytest.mark.parametrize("case", VLLM)
def test_the_parser_of_vllm_serve_takes_the_line(case):
    found = CASES[case]
    started = program(found.values, found.workload, hardware(found.pool))
    words = [word for group in started.groups for word in group][2:]
    parsed = SERVER.parse_args([*(_on_node(word, 1) for word in words), *started.others])
    assert parsed.model_tag == words[0]
    assert parsed.dtype == "bfloat16"
    for name, value in values_of(found.values).items():
        assert getattr(parsed, name) == value, name


@pytest.mark.parametrize("case", SEVERAL)
@pytest.mark.parametrize("node", [0, 1])
def test_a_node_of_several_is_started_as_it_was_measured(case, node, tmp_path):
    found = CASES[case]
    pool = hardware(found.pool)
    started = program(found.values, found.workload, pool)
    words = [_on_node(word, node) for group in started.groups for word in group][2:]
    parsed = SERVER.parse_args([*words, *(started.others if node else ())])
    settings = Settings.read(found.values, found.workload, hardware_of({"hardware": pool}))
    source = written(TINY | {"layers": 8, "attentionHeads": 8, "queryGroups": 8}, "llama", 64, tmp_path)
    place = Place(pool["nodes"], node, "10.0.0.1", DEFAULT_MASTER_PORT)
    measured = plan(settings, values_of(found.values), source, 64, place).arguments
    placed = {*DEGREES, "nnodes", "node_rank", "master_addr", "master_port", "distributed_executor_backend"}
    assert {name: getattr(parsed, name) for name in placed} == {name: measured.get(name, 1) for name in placed}
    assert parsed.headless == (node > 0)


def _on_node(word, node):
    """A word as the shell of this node has it."""
    values = {NODE_RANK: str(node), MASTER_ADDRESS: "10.0.0.1"}
    return "".join(values[text] if named else text for text, named in pieces(word))


@pytest.mark.parametrize("name", sorted(name for name, option in OPTIONS.items() if option.form == "flag"))
def test_both_values_of_every_flag_are_taken(name):
    for value in (True, False):
        groups = program({name: value}, SERVING | {"model": {"architecture": TINY}}, hardware({})).groups
        words = [word for group in groups for word in group]
        assert getattr(PARSER.parse_args(words[3:]), name) is value
