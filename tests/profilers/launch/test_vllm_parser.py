"""What we say of vLLM's arguments is what the installed vLLM says, and it takes every line that we write."""

from __future__ import annotations

import argparse

import pytest
from tests.support.launches import CASES, SERVING, TINY

from autoscout.api.vllm_arguments import OPTIONS, VERSION
from autoscout.launch.vllm import program
from autoscout_profiler.vllm.arguments import parser_and_options, values_of
from autoscout_profiler.vllm.knobs import RESERVED

PARSER, INSTALLED = parser_and_options()
VLLM = [name for name, case in CASES.items() if case.workload["framework"] == "vllm"]


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


@pytest.mark.parametrize("case", VLLM)
def test_the_parser_of_vllm_serve_takes_the_line(case):
    found = CASES[case]
    words = [word for group in program(found.values, found.workload, hardware(found.pool)).groups for word in group]
    parsed = PARSER.parse_args(words[3:])
    assert parsed.dtype == "bfloat16"
    for name, value in values_of(found.values).items():
        assert getattr(parsed, name) == value, name


@pytest.mark.parametrize("name", sorted(name for name, option in OPTIONS.items() if option.form == "flag"))
def test_both_values_of_every_flag_are_taken(name):
    for value in (True, False):
        groups = program({name: value}, SERVING | {"model": {"architecture": TINY}}, hardware({})).groups
        words = [word for group in groups for word in group]
        assert getattr(PARSER.parse_args(words[3:]), name) is value
