"""`autoscout predict --profiles`: some rows correct the simulators, the others judge them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml
from tests.unit.simulators.manifests import trainer
from typer.testing import CliRunner

from autoscout.cli.main import app

CONFIGURATIONS = [(tp, 8 // tp, mbs, ar) for tp in (1, 2, 4, 8) for mbs in (1, 2, 4) for ar in ("none", "full")]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("job.yaml").write_text(yaml.safe_dump(trainer()))
    Path("in.csv").write_text(
        "tp,dp,mbs,ar\n" + "".join(f"{tp},{dp},{mbs},{ar}\n" for tp, dp, mbs, ar in CONFIGURATIONS)
    )
    predict("in.csv", "raw.csv")
    # A machine that takes 1.4 times as long as predicted, and runs out of memory where it was feared.
    lines = ["tp,dp,mbs,ar,status,seconds_per_iteration,note"]
    for row in rows("raw.csv"):
        seconds = 1.4 * float(row["predicted_seconds_per_iteration"]) if row["predicted_status"] == "ok" else ""
        lines.append(f"{row['tp']},{row['dp']},{row['mbs']},{row['ar']},{row['predicted_status']},{seconds},x y")
    Path("table.csv").write_text("\n".join(lines) + "\n")


def predict(table, output, *options):
    return CliRunner().invoke(app, ["predict", "job.yaml", "-c", table, "-o", output, *options])


def rows(file):
    return list(csv.DictReader(Path(file).read_text().splitlines()))


def error(output):
    return float(re.search(r"MAPE ([\d.]+) %", output)[1])


def test_profiles_correct_what_is_predicted_of_the_other_rows():
    without, after = predict("table.csv", "0.csv", "--profiles", "0"), predict("table.csv", "8.csv", "--profiles", "8")
    assert (without.exit_code, after.exit_code) == (0, 0), without.output + after.output
    assert error(without.output) == pytest.approx(100 * (1 - 1 / 1.4), abs=0.1)
    assert error(after.output) < 5
    assert "rank correlation 1.000" in without.output
    assert "out of memory: precision 1.000, recall 1.000" in without.output
    assert "of the other 24 rows:" in without.output
    assert "8 rows taken as measured (seed 0):" in after.output
    assert "of the other 16 rows:" in after.output


def test_the_output_says_which_rows_were_profiled_and_has_what_is_predicted_after_them():
    predict("table.csv", "out.csv", "--profiles", "8")
    assert list(rows("out.csv")[0])[-2:] == ["predicted_status", "profiled"]
    assert [row["profiled"] for row in rows("out.csv")].count("true") == 8
    assert [row["note"] for row in rows("out.csv")] == ["x y"] * 24
    before, after = (
        [float(row["predicted_seconds_per_iteration"]) for row in rows(file)] for file in ("raw.csv", "out.csv")
    )
    assert all(1.2 < late / early < 1.6 for early, late in zip(before, after, strict=True))


def test_without_profiles_the_rows_are_predicted_as_ever():
    predict("table.csv", "0.csv", "--profiles", "0")
    predict("table.csv", "plain.csv")
    assert [{**row, "profiled": "false"} for row in rows("plain.csv")] == rows("0.csv")
    assert "profiled" not in rows("plain.csv")[0]


def test_the_seed_draws_the_rows():
    outputs = [predict("table.csv", "out.csv", "--profiles", "8", "--seed", seed).output for seed in ("0", "0", "1")]
    assert outputs[0] == outputs[1] != outputs[2]


def test_the_table_has_the_standard_output_to_itself():
    done = predict("table.csv", "-", "--profiles", "8")
    assert len(list(csv.DictReader(done.stdout.splitlines()))) == 24
    assert "8 rows taken as measured" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "profiles", "says"),
    [
        ("", "", "24", "table.csv: has 24 rows: with --profiles 24 none is left to be judged; give fewer"),
        (
            ",status,",
            ",state,",
            "1",
            "there is no column 'status', which says how each profile ended (ok, oom, failed)",
        ),
        ("seconds_per_iteration", "hours", "1", "no column of a metric that is predicted (seconds_per_iteration, "),
        (",ok,", ",good,", "1", "column 'status': 'good' is none of ok, oom, failed"),
        (",ok,", ",ok,fast", "1", "column 'seconds_per_iteration': 'fast"),
    ],
)
def test_what_is_missing_is_named(old, new, profiles, says):
    Path("table.csv").write_text(Path("table.csv").read_text().replace(old, new, 1))
    done = predict("table.csv", "out.csv", "--profiles", profiles)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not Path("out.csv").exists()
