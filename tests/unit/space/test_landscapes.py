"""Third-party tables: each row is a valid configuration, and there are no others."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
import yaml

from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

ROOT = Path(__file__).resolve().parents[3]
TABLES = ROOT.parent / "shared" / "landscapes"
ROWS = {
    "aiconfigurator-llama31-8b-a100-vllm": 5_200,
    "calculon-gpt13b-8xa100": 11_040,
    "simumax-llama3-8b-8xa100pcie": 4_176,
}

pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason=f"no tables in {TABLES.relative_to(ROOT.parent)}")


def load(name):
    document = yaml.safe_load((TABLES / f"{name}.yaml").read_text())["spec"]["searchSpace"]
    parameters = tuple(
        Parameter(
            entry["name"],
            Kind(entry["kind"]),
            tuple(entry["values"]),
            entry["default"],
            Expression(entry["activeWhen"]) if "activeWhen" in entry else None,
        )
        for entry in document["parameters"]
    )
    return SearchSpace(parameters, tuple(Expression(source) for source in document["constraints"]))


def parsed(parameter, text):
    """The value that a cell means."""
    kind = type(parameter.values[0])
    return text == "True" if kind is bool else kind(text) if kind is not int else int(float(text))


@pytest.mark.parametrize("name", ROWS)
def test_the_table_holds_every_valid_configuration_once(name):
    space = load(name)
    seen = set()
    with gzip.open(TABLES / f"{name}.csv.gz", "rt") as table:
        for row in csv.DictReader(table):
            given = {
                parameter.name: parsed(parameter, row[parameter.name])
                for parameter in space.parameters
                if row[parameter.name]
            }
            configuration = space.canonical(given)
            assert dict(configuration) == given  # the empty cells are the inactive parameters
            seen.add(configuration)
    assert len(seen) == ROWS[name] == space.count()
    assert set(space.enumerate()) == seen
