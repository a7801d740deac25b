"""`autoscout predict`: the CSV that goes in and the CSV that comes out."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tests.unit.simulators.manifests import server, trainer

from autoscout.cli.predict import predict


def run(tmp_path: Path, job: object, text: str, capsys: pytest.CaptureFixture[str], name: str = "in.csv"):
    """(exit code, rows of the output or None, what was said)."""
    file, into, out = tmp_path / "job.yaml", tmp_path / name, tmp_path / "out" / "out.csv"
    file.write_text(yaml.safe_dump(job))
    into.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    code = predict(file, into, out, Console(stderr=True, width=1000))
    rows = list(csv.DictReader(out.read_text().splitlines())) if out.exists() else None
    return code, rows, capsys.readouterr().err


def test_the_columns_are_the_inputs_then_those_of_each_metric_then_memory_and_status(tmp_path, capsys):
    code, rows, _ = run(tmp_path, trainer(), "note,tp,dp,mbs,ar\nfirst,2,4,1,none\n\n'x y',8,1,4,\n", capsys)
    assert code == 0
    assert list(rows[0]) == [
        "note",
        "tp",
        "dp",
        "mbs",
        "ar",
        "predicted_seconds_per_iteration",
        "std_seconds_per_iteration",
        "predicted_tokens_per_second",
        "std_tokens_per_second",
        "predicted_peak_memory_gib",
        "predicted_status",
    ]
    assert [row["note"] for row in rows] == ["first", "'x y'"]
    assert rows[1]["ar"] == ""
    assert all(float(row["std_seconds_per_iteration"]) > 0 for row in rows)


def test_what_does_not_fit_is_oom(tmp_path, capsys):
    _, rows, _ = run(tmp_path, trainer(), "tp,dp,mbs,ar\n1,8,8,none\n8,1,1,full\n", capsys)
    assert [row["predicted_status"] for row in rows] == ["oom", "ok"]
    assert float(rows[0]["predicted_peak_memory_gib"]) > 80 > float(rows[1]["predicted_peak_memory_gib"])


def test_numbers_and_booleans_may_be_written_as_spreadsheets_do(tmp_path, capsys):
    _, rows, _ = run(tmp_path, trainer(), "tp,dp,mbs,ar,zero1\n2.0,4,1,none,True\n2,4.0,1,none,true\n", capsys)
    values = [{name: cell for name, cell in row.items() if "predicted" in name} for row in rows]
    assert values[0] == values[1]


def test_a_compressed_file_is_read(tmp_path, capsys):
    code, rows, _ = run(tmp_path, trainer(), "tp,dp,mbs,ar\n2,4,1,none\n", capsys, "in.csv.gz")
    assert (code, len(rows)) == (0, 1)


def test_a_metric_of_the_job_that_nobody_predicts_stays_empty(tmp_path, capsys):
    job = trainer()
    job["spec"]["constraints"] = [{"metric": "loss", "max": "3"}, {"metric": "peak_memory_gib", "max": "70"}]
    _, rows, _ = run(tmp_path, job, "tp,dp,mbs,ar\n2,4,1,none\n", capsys)
    assert (rows[0]["predicted_loss"], rows[0]["std_loss"]) == ("", "")
    assert list(rows[0])[-2:] == ["predicted_peak_memory_gib", "predicted_status"]
    assert list(rows[0]).count("predicted_peak_memory_gib") == 1


def test_a_server_has_latencies_too(tmp_path, capsys):
    _, rows, _ = run(tmp_path, server(), "tp,max_num_seqs\n1,64\n", capsys)
    for metric in ("milliseconds_per_token", "ttft_ms", "tpot_ms", "tokens_per_second"):
        assert float(rows[0][f"predicted_{metric}"]) > 0


def test_a_header_alone_gives_a_header(tmp_path, capsys):
    code, rows, _ = run(tmp_path, trainer(), "tp,dp\n", capsys)
    assert (code, rows) == (0, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("tp,dp\n2\n", "row 2: has 1 cells, the header 2"),
        ("tp\n3\n", "row 2, column 'tp': 3 is not one of the values"),
        ("ar\nsome\n", "row 2, column 'ar': 'some' is not one of the values"),
    ],
)
def test_mistakes_name_row_and_column(tmp_path, capsys, text, said):
    code, rows, err = run(tmp_path, trainer(), text, capsys)
    assert (code, rows) == (2, None)
    assert said in err


def test_a_job_without_simulator_says_what_is_missing(tmp_path, capsys):
    job = trainer()
    del job["spec"]["workload"]["model"]
    code, _, err = run(tmp_path, job, "tp\n2\n", capsys)
    assert code == 2
    assert "spec.workload.model.architecture" in err


def test_a_missing_file_is_named(tmp_path, capsys):
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(trainer()))
    assert predict(file, tmp_path / "no.csv", tmp_path / "out.csv", Console(stderr=True, width=1000)) == 2
    assert "no.csv: can't be read: No such file" in capsys.readouterr().err


def test_a_parameter_without_a_column_is_named(tmp_path, capsys):
    code, rows, said = run(tmp_path, trainer(), "tp,dp,mbs\n2,4,1\n", capsys)
    assert (code, len(rows)) == (0, 1)
    assert "warning" in said
    assert "no column ar, zero1: inactive in every row" in said
