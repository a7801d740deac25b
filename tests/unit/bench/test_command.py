"""`autoscout bench` from the command line to its files."""

from __future__ import annotations

import json

import pytest
import yaml
from typer.testing import CliRunner

from autoscout.baselines import ALGORITHMS, NEEDS
from autoscout.baselines.random_search import RandomSearch
from autoscout.cli.main import app

JOB = {
    "apiVersion": "autoscout.io/v1alpha1",
    "kind": "TuningJob",
    "metadata": {"name": "grid"},
    "spec": {
        "objectives": [{"metric": "seconds"}],
        "searchSpace": {
            "parameters": [
                {"name": "x", "kind": "execution", "values": [1, 2, 3, 4], "default": 1},
                {"name": "y", "kind": "structural", "values": ["a", "b"], "default": "a"},
            ]
        },
    },
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(JOB))
    rows = [
        f"{x},{y},{'oom' if x == 4 else 'ok'},{'' if x == 4 else 10 - x + (y == 'a')}"
        for x in range(1, 5)
        for y in "ab"
    ]
    (tmp_path / "grid.csv").write_text("\n".join(["x,y,status,seconds", *rows]) + "\n")
    return tmp_path


def bench(files, *options):
    return CliRunner().invoke(
        app,
        [
            "bench",
            "--job",
            str(files / "grid.yaml"),
            "--table",
            str(files / "grid.csv"),
            "--output",
            str(files / "out"),
            *options,
        ],
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_writes_the_results_and_the_plots(files, workers):
    ended = bench(files, "--algorithms", "coordinate,random", "--seeds", "3", "--budget", "20", "--workers", workers)
    assert ended.exit_code == 0, ended.output
    written = json.loads((files / "out" / "results.json").read_text())
    assert (written["landscape"], written["optimum"], written["budget"]) == ("grid", 7.0, 20)
    runs = [(run["algorithm"], run["seed"]) for run in written["runs"]]
    assert runs == [(name, seed) for name in ("coordinate", "random") for seed in range(3)]
    for run in written["runs"]:
        assert run["best"][0] == 10.0  # the default
        assert len(run["best"]) == 8  # the whole space
        assert run["best"][-1] == 7.0
    assert (files / "out" / "convergence.svg").read_text().startswith("<svg ")
    assert (files / "out" / "reached.svg").read_text().startswith("<svg ")
    assert "[6/6]" in ended.output
    assert "seeds within 1%" in ended.output


def test_the_same_command_gives_the_same_results(files):
    def results():
        assert bench(files, "-a", "cherrypick,udo", "--seeds", "2", "--noise", "0.1").exit_code == 0
        runs = json.loads((files / "out" / "results.json").read_text())["runs"]
        return [{key: value for key, value in run.items() if key != "optimizerSeconds"} for run in runs]

    assert results() == results()


def test_an_output_that_can_not_be_made_is_said_before_anything_runs(files):
    (files / "out").write_text("")
    ended = bench(files, "-a", "random", "--seeds", "1")
    assert ended.exit_code == 2
    assert "error: --output" in ended.stderr
    assert "can't be written" in ended.stderr


def test_settings_reach_the_algorithm(files):
    ended = bench(files, "-a", "cherrypick", "--seeds", "1", "-s", "stopBelow=0.99")
    assert ended.exit_code == 0, ended.output
    run = json.loads((files / "out" / "results.json").read_text())["runs"][0]
    assert len(run["best"]) == 6  # its rule lets it stop after six


def test_each_algorithm_gets_the_settings_that_it_has(files):
    ended = bench(
        files, "-a", "autoscout,cherrypick", "--seeds", "1", "-s", "stopBelow=0.99", "-s", "tournament={k: 3}"
    )
    assert ended.exit_code == 0, ended.output
    runs = json.loads((files / "out" / "results.json").read_text())["runs"]
    assert [len(run["best"]) for run in runs] == [8, 6]


def test_a_run_can_end_when_it_is_near_enough(files):
    ended = bench(files, "-a", "random", "--seeds", "2", "--until", "1")
    assert ended.exit_code == 0, ended.output
    for run in json.loads((files / "out" / "results.json").read_text())["runs"]:
        assert run["best"].index(7.0) == len(run["best"]) - 1


def test_what_was_done_before_an_interruption_is_kept(files, monkeypatch):
    class Interrupted(RandomSearch):
        def suggest(self, problem, history, rng, count):
            if problem.seed == 1:
                raise ValueError("cut off")
            return super().suggest(problem, history, rng, count)

    monkeypatch.setitem(ALGORITHMS, "random", Interrupted())
    ended = bench(files, "-a", "random", "--seeds", "3")
    assert ended.exit_code == 1
    assert "error: cut off" in ended.output
    written = json.loads((files / "out" / "results.json").read_text())
    assert [run["seed"] for run in written["runs"]] == [0]


def test_a_package_that_is_missing_is_said_before_anything_runs(files, monkeypatch):
    monkeypatch.setitem(NEEDS, "random", ("no_such_package",))
    ended = bench(files, "-a", "coordinate,random")
    assert ended.exit_code == 2
    assert "random needs no_such_package" in ended.output
    assert "pip install 'autoscout[rivals]'" in ended.output
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-a", "cherrypik"), "--algorithms: 'cherrypik' is not known; there are: "),
        (("-a", " , "), "--algorithms is empty"),
        (("-a", "random", "-s", "k"), "--settings: 'k' is not KEY=VALUE"),
        (("-a", "random", "-s", "k=1"), "--settings: 'k' is none of the settings of random; they have none"),
        (("-a", "udo,random", "-s", "k=1"), "'k' is none of the settings of udo, random; udo has exploration"),
        (("-a", "autoscout", "-s", "tournament.k=99"), "--settings: search.settings.tournament.k: is 99; it must lie"),
        (("-a", "random", "-s", "k=[1"), "--settings k: '[1' is no YAML value"),
    ],
)
def test_an_option_that_is_wrong_is_named(files, options, message):
    ended = bench(files, *options)
    assert ended.exit_code == 2
    assert message in ended.output


def test_a_table_that_does_not_belong_to_the_job_is_refused(files):
    (files / "grid.csv").write_text("x,y,status,seconds\n9,a,ok,1\n")
    ended = bench(files, "-a", "random")
    assert ended.exit_code == 2
    assert "row 2, column 'x': 9 is not one of the values" in ended.output


def test_rows_that_are_missing_are_said(files):
    (files / "grid.csv").write_text("x,y,status,seconds\n1,a,ok,1\n")
    ended = bench(files, "-a", "random", "--seeds", "1")
    assert ended.exit_code == 0
    assert "the table has no row for 7 valid configurations" in ended.output
