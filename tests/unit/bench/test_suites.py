"""The benchmark command, on a landscape of nine configurations."""

from __future__ import annotations

import csv
import gzip
import json

import pytest
import yaml
from tests.benchmarks.__main__ import main
from tests.benchmarks.suites import SUITES

from autoscout.baselines import ALGORITHMS


@pytest.fixture
def landscapes(tmp_path):
    job = {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "grid"},
        "spec": {
            "objectives": [{"metric": "seconds"}],
            "searchSpace": {"parameters": [{"name": "x", "kind": "execution", "values": [1, 2, 3], "default": 1}]},
            "profile": {"command": ["unused"]},
        },
    }
    directory = tmp_path / "landscapes"
    directory.mkdir()
    (directory / "grid.yaml").write_text(yaml.safe_dump(job))
    with gzip.open(directory / "grid.csv.gz", "wt", newline="") as table:
        csv.writer(table).writerows([("x", "status", "seconds"), (1, "ok", 3), (2, "ok", 1), (3, "oom", "")])
    return directory


def test_every_suite_names_algorithms_that_there_are():
    for suite in SUITES.values():
        assert {variant.algorithm for variant in suite.variants} <= set(ALGORITHMS)
        names = [variant.name for variant in suite.variants]
        assert len(names) == len(set(names))


def test_one_command_writes_figures_and_page(landscapes, tmp_path):
    output = tmp_path / "out"
    given = ["--landscapes", landscapes, "--output", output, "--suites", "noise", "ablations", "--seeds", "2"]
    assert main([*map(str, given), "--budget", "5"]) == 0
    written = json.loads((output / "noise" / "grid.json").read_text())
    assert (written["seeds"], written["budget"], written["noise"]) == (2, 5, 0.05)
    assert written["algorithms"]["coordinate"]["seedsWithin"]["1.01"] == 2
    assert (output / "ablations" / "grid.svg").read_text().startswith("<svg ")
    page = (output / "README.md").read_text()
    assert "## What each part brings (Figure 8 of the paper)" in page
    assert "| no tournament | " in page


def test_a_directory_without_landscapes_is_said(tmp_path, capsys):
    assert main(["--landscapes", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "there is no pair NAME.yaml and NAME.csv.gz" in capsys.readouterr().err
