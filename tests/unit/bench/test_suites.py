"""The benchmark command, on a landscape of three configurations."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import replace

import pytest
import yaml
from tests.benchmarks import cost
from tests.benchmarks.__main__ import main
from tests.benchmarks.accuracy import accuracy
from tests.benchmarks.page import page
from tests.benchmarks.store import Case, Store
from tests.benchmarks.suites import RIVALS, SUITES, Variant
from tests.benchmarks.verdicts import glance, misses, noisy, parts
from tests.support.landscapes import TINY, tiny_landscape

from autoscout.baselines import ALGORITHMS
from autoscout.search.benchmark import RATIOS, Run
from autoscout.search.landscape import Row, Status
from autoscout.search.problem import Objective
from autoscout.search.settings import read


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


def made(landscapes, output, *options):
    given = ["--tables", landscapes, "--no-testbed", "--output", output, "--runs", output / "runs", "--workers", "1"]
    return main([*map(str, given), "--seeds", "2", "--budget", "5", *options])


def document(output, suite):
    return json.loads((output / suite / "grid.json").read_text())


def test_every_suite_names_algorithms_and_settings_that_there_are():
    for suite in SUITES.values():
        names = [variant.name for variant in suite.variants]
        assert len(names) == len(set(names))
        for variant in suite.variants:
            assert variant.algorithm in ALGORITHMS
            if variant.algorithm == "autoscout":
                read(variant.settings)


@pytest.mark.parametrize(
    ("figure", "variants"),
    [
        ("Figures 4 to 7", {"autoscout", "coordinate", "cherrypick", "tpe", "smac", "udo", "metis", "random"}),
        ("Figure 8", {"all parts", "sparse only", "no orchestrator", "no simulators"}),
        ("Figure 9", {f"K = {k}" for k in (1, 5, 10, 20, 40)}),
        ("Figure 10", {"autoscout", "coordinate", "cherrypick", "udo"}),
        ("Figure 11", {"0 %", "40 %", "80 %", "coordinate", "cherrypick"}),
    ],
)
def test_every_figure_of_the_paper_has_its_suite(figure, variants):
    suite = next(suite for suite in SUITES.values() if suite.figure == figure)
    assert variants <= {variant.name for variant in suite.variants}


def test_parts_are_compared_where_they_are_not_idle():
    for name in ("ablations", "tournament"):
        assert all(variant.settings["exhaustive"] == 0 for variant in SUITES[name].variants)


def test_subsets_of_a_landscape_run_in_the_suite_about_sizes_only():
    name = "testbed-qwen3moe-8xa100-3dp"
    assert [suite for suite in SUITES if SUITES[suite].covers(name)] == ["spaces"]
    assert not SUITES["spaces"].covers("calculon-gpt13b-8xa100")


def test_one_command_writes_figures_and_page(landscapes, tmp_path):
    output = tmp_path / "out"
    assert made(landscapes, output, "--suites", "noise", "ablations", "--algorithms", "coordinate", "autoscout") == 0
    noise = document(output, "noise")
    assert (noise["budget"], noise["noise"], noise["endedWithin"]) == (5, 0.05, None)
    assert noise["algorithms"]["coordinate"]["seeds"] == 2
    assert noise["algorithms"]["coordinate"]["seedsWithin"]["1.01"] == 2
    assert "cherrypick" not in noise["algorithms"]  # was not asked for
    assert document(output, "ablations")["endedWithin"] == 1.01
    assert (output / "ablations" / "grid.svg").read_text().startswith("<svg ")
    assert ">minutes of profiles (modelled)</text>" in (output / "ablations" / "grid-time.svg").read_text()
    page = (output / "README.md").read_text()
    assert "## What each part brings (Figure 8 of the paper)" in page
    assert "| no tournament | " in page
    assert "2 seeds, budget 5 profiles, noise 0.05. Not run here: cherrypick, random." in page
    assert "no blind test" in page


def test_what_is_there_is_not_made_again(landscapes, tmp_path, capsys):
    output = tmp_path / "out"
    options = ["--suites", "rivals", "--algorithms", "coordinate", "random"]
    made(landscapes, output, *options)
    assert "4 runs to make" in capsys.readouterr().out
    before = document(output, "rivals")
    made(landscapes, output, *options)
    assert "0 runs to make" in capsys.readouterr().out
    assert document(output, "rivals") == before
    made(landscapes, output, *options, "--seeds", "3")
    assert "2 runs to make" in capsys.readouterr().out
    made(landscapes, output, *options, "--force")
    assert "4 runs to make" in capsys.readouterr().out


def test_another_table_makes_the_runs_again(landscapes, tmp_path, capsys):
    output = tmp_path / "out"
    made(landscapes, output, "--suites", "rivals", "--algorithms", "random")
    with gzip.open(landscapes / "grid.csv.gz", "at", newline="") as table:
        table.write("\r\n")
    capsys.readouterr()
    made(landscapes, output, "--suites", "rivals", "--algorithms", "random")
    assert "2 runs to make" in capsys.readouterr().out


def test_two_workers_make_the_same_runs(landscapes, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    options = ["--suites", "rivals", "--algorithms", "coordinate", "random"]
    made(landscapes, one, *options)
    made(landscapes, two, *options, "--workers", "2")
    assert figures(document(one, "rivals")) == figures(document(two, "rivals"))


def figures(summary):
    return {name: {**each, "millisecondsPerProposal": None} for name, each in summary["algorithms"].items()}


def test_a_run_that_went_further_serves_where_less_is_asked_for(tmp_path):
    store, variant = Store(tmp_path), Variant("a", "random")
    case = Case.of("grid", "digest", variant, 0.0, 5)
    run = Run("random", 0, (3.0, 1.0), dict.fromkeys(RATIOS, 2), 0, 0.5, (60.0, 120.0))
    store.add(case, 1.0, [run])
    assert store.fitting(case, [0, 1], 1.01) == store.fitting(case, [0], 1.0) == [run]
    assert store.missing(case, [0, 1], 1.01) == [1]
    assert store.missing(case, [0], None) == [0]
    store.add(case, None, [replace(run, seed=1)])
    assert store.missing(case, [0, 1], None) == [0]


def needed(*medians, seeds=20, within=20):
    """What a variant needs to 10, 5 and 1 %; one figure: all three."""
    counts = medians if len(medians) == 3 else medians * 3
    profiles = {ratio: {"q25": each, "median": each, "q75": each} for ratio, each in zip(RATIOS, counts, strict=True)}
    return {"profilesTo": profiles, "seedsWithin": {"1.01": within}, "seeds": seeds}


def test_the_page_says_where_it_loses():
    algorithms = {
        "autoscout": needed(2, 12, 30, within=18),
        "coordinate": needed(2, 5, 40),
        "cherrypick": needed(9, 20, 200),
        "udo": needed(9, None, None),
    }
    assert list(misses(algorithms, needed(5, 20, 50))) == [
        "12 profiles to 5 %, the mark is 10",
        "coordinate 5 to 5 %, AutoScout 12",
        "without simulators 20 to 5 %, against coordinate 5",
        "without simulators 50 to 1 %, against coordinate 40",
        "only 18 of 20 seeds come within 1 %",
    ]


def test_a_rival_that_did_not_run_everywhere_is_named_beside_the_verdict():
    whole = {"autoscout": needed(5), **{name: needed(90) for name in RIVALS}}
    without = {name: each for name, each in whole.items() if name != "smac"}
    documents = [{"landscape": name, "algorithms": each} for name, each in (("one", whole), ("other", without))]
    assert "Not every rival ran on every landscape: smac;" in glance(documents, {})
    assert "Not every rival" not in glance(documents[:1], {})


def test_a_part_that_brings_nothing_is_reported():
    algorithms = {
        "all parts": needed(10),
        "sparse only": needed(20),
        "no tournament": needed(10),
        "dense only": needed(5),
    }
    said = parts([{"landscape": "grid", "algorithms": algorithms}])
    assert "- sparse only: slower on grid." in said
    assert "- no tournament: slower nowhere: the part brings nothing here." in said
    assert "- dense only: slower nowhere: the part brings nothing here; faster on grid." in said


def test_what_noisy_simulators_leave_of_the_lead_is_said():
    def said(off):
        algorithms = {"0 %": needed(10), "80 %": needed(off), "coordinate": needed(50)}
        return noisy([{"landscape": "grid", "algorithms": algorithms}])

    assert said(20) == "- grid: 10 to 1 %, 20 at 80 %, the best rival 50: 75% of the lead is left, as it should.\n"
    assert "-25% of the lead is left, less than the 75% that should be left" in said(60)
    assert "- at 80 %, the best rival 50: 0% of the lead is left, less" in said(None)


def test_what_a_profile_costs():
    def row(status, **metrics):
        return Row(TINY.space.default(), status, metrics)

    training = replace(TINY, objectives=(Objective("seconds_per_iteration"),))
    serving = replace(TINY, objectives=(Objective("milliseconds_per_token"),))
    assert cost.seconds(training, row(Status.OK, seconds_per_iteration=4.0)) == 60 + 15 * 4
    assert cost.seconds(serving, row(Status.OK, milliseconds_per_token=0.5)) == 60 + 32.768
    rate = replace(TINY, objectives=(Objective("tokens_per_second"),))
    assert cost.seconds(rate, row(Status.OK, tokens_per_second=2000.0)) == 60 + 32.768
    latency = replace(TINY, objectives=(Objective("ttft_ms"),))
    assert cost.seconds(latency, row(Status.OK, ttft_ms=900.0)) == 60
    assert cost.seconds(training, row(Status.OOM)) == 75
    assert cost.seconds(training, row(Status.FAILED)) == cost.seconds(training, None) == 60


def test_how_good_the_simulators_are_is_said():
    assert accuracy(tiny_landscape()) is None  # no workload, no simulator


def test_the_page_says_what_intervals_hold_and_how_wide_they_are(tmp_path):
    found = {"landscape": "grid", "rows": 3, "rankCorrelation": 0.9, "mape": 0.1, "oomRows": 0}
    after = [{"profiles": 0, "within90": 0.94, "width90": 1.25}, {"profiles": 5, "within90": 0.88, "width90": 1.1}]
    found |= {"oomPrecision": None, "oomRecall": None, "intervals": [{"metric": "seconds", "after": after}]}
    (tmp_path / "predict").mkdir()
    (tmp_path / "predict" / "grid.json").write_text(json.dumps(found))
    text = page(tmp_path)
    assert "| grid | 3 | 0.90 | 10 % | 0 | - | - |" in text
    assert "| grid | seconds | 94 %, x1.25 | 88 %, x1.10 | - | - |" in text
    assert "| mean | | 94 % | 88 % | - | - |" in text


def test_a_directory_without_landscapes_is_said(tmp_path, capsys):
    assert main(["--tables", str(tmp_path), "--no-testbed", "--output", str(tmp_path)]) == 2
    assert "there is no pair NAME.yaml and NAME.csv.gz" in capsys.readouterr().err
