"""The spaces of the presets and a recommendation in each, letter by letter.

A running search reads its recorded trials with the space of the installed version (ADR 0011): read the diff with that
in mind after --update-golden. Adding a value or a knob is harmless, taking one away is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.api.test_presets import A100, CLUSTERS, manifest

from autoscout.api import convert
from autoscout.api.space import search_space
from autoscout.cli.advice import Adviser
from autoscout.cli.plan import launched, lines
from autoscout.cli.predict import simulator_of
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import render

EXPECTED = Path(__file__).parent / "expected"
H100 = CLUSTERS[1]

JOBS = {
    "megatron-dense": manifest("megatron", "llama-3.1-8b", A100),
    "megatron-experts-64-gpus": manifest("megatron", "qwen3-30b-a3b", H100),
    "megatron-narrowed": manifest(
        "megatron",
        "llama-3.1-8b",
        A100,
        parameters=[
            {"name": "cp", "values": [1]},
            {"name": "mbs", "values": [1, 2, 16]},
            {"name": "tp", "default": 4},
            {"name": "grad_fp32", "kind": "structural", "values": [False, True], "default": True},
        ],
        constraints=["pp <= 2"],
    ),
    "vllm-dense": manifest("vllm", "llama-3.1-8b", A100),
    "vllm-experts": manifest("vllm", "mixtral-8x7b", CLUSTERS[4] | {"nodes": 1}),
}


def described(space: SearchSpace) -> Iterator[str]:
    yield f"{space.count()} configurations"
    for parameter in space.parameters:
        values = " ".join(map(render, parameter.values))
        condition = f" when {parameter.active_when.source}" if parameter.active_when else ""
        yield f"{parameter.name}: {parameter.kind.value} {values}; {render(parameter.default)}{condition}"
    yield from (constraint.source for constraint in space.constraints)
    yield "default " + " ".join(f"{name}={render(value)}" for name, value in space.default().items())


def compared(name: str, text: str, pytestconfig: pytest.Config) -> None:
    file = EXPECTED / name
    if pytestconfig.getoption("--update-golden"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", JOBS)
def test_the_space_is_as_expected(name: str, pytestconfig: pytest.Config):
    space = search_space(convert.job(JOBS[name]).spec)
    assert isinstance(space, SearchSpace)
    compared(f"{name}.space.txt", "\n".join(described(space)) + "\n", pytestconfig)


@pytest.mark.parametrize("name", ["megatron-narrowed", "vllm-dense"])
def test_the_recommendation_is_as_expected(name: str, pytestconfig: pytest.Config):
    job = convert.job(JOBS[name])
    problem = convert.problem(job)
    advice = Adviser(problem, simulator_of(problem, name)).advise(3)
    text = "\n".join(lines(problem, advice, launched(job, advice.recommended.configuration)))
    compared(f"{name}.plan.txt", text + "\n", pytestconfig)


def test_there_is_no_expectation_without_its_case():
    spaces = {f"{name}.space.txt" for name in JOBS}
    assert {file.name for file in EXPECTED.iterdir()} == spaces | {"megatron-narrowed.plan.txt", "vllm-dense.plan.txt"}
