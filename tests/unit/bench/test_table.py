"""Tables: what their cells mean, and what is wrong with one that does not belong to the job."""

from __future__ import annotations

import gzip

import pytest
from tests.unit.space.spaces import parameter, space

from autoscout.cli.table import TableError, missing, parse_table, read_table
from autoscout.search.landscape import Status
from autoscout.search.problem import MetricConstraint, Objective, Problem

PROBLEM = Problem(
    space(
        parameter("tp", [1, 2]),
        parameter("sp", [False, True], when="tp > 1"),
        parameter("share", [0.5, 1.0], default=1.0),
        parameter("kind", ["none", "full"]),
    ),
    (Objective("seconds"),),
    (MetricConstraint("latency", maximum=3),),
)
HEADER = "tp,sp,share,kind,status,seconds,latency\n"


def table(*rows, header=HEADER):
    return parse_table(header + "".join(f"{row}\n" for row in rows), PROBLEM, "example")


def only(*rows):
    found = list(table(*rows).rows.values())
    assert len(found) == 1
    return found[0]


def test_a_row_is_a_configuration_a_status_and_metrics():
    row = only("1,,0.5,full,ok,1.5,2")
    assert dict(row.configuration) == {"tp": 1, "share": 0.5, "kind": "full"}
    assert row.status is Status.OK
    assert row.metrics == {"seconds": 1.5, "latency": 2.0}


@pytest.mark.parametrize("sp", ["True", "true", "TRUE", "1", "1.0"])
def test_numbers_and_booleans_may_be_written_as_spreadsheets_do(sp):
    row = only(f"2.0,{sp},1,none,ok,1e0, 2 ")
    assert dict(row.configuration) == {"tp": 2, "sp": True, "share": 1.0, "kind": "none"}
    assert type(row.configuration["tp"]) is int
    assert row.metrics == {"seconds": 1.0, "latency": 2.0}


def test_an_empty_metric_is_not_reported():
    assert only("1,,0.5,full,oom,,7").metrics == {"latency": 7.0}
    assert only("1,,0.5,full,ok,nan,7").metrics == {"latency": 7.0}


def test_columns_may_come_in_any_order_with_further_metrics():
    found = table("ok,9,full,1,0.5,,3,2", header="status,memory,kind,tp,share,sp,latency,seconds\n")
    assert next(iter(found.rows.values())).metrics == {"memory": 9, "latency": 3, "seconds": 2}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,,0.5,full,ok,1", "row 3: has 6 cells, the header 7"),
        ("1,,0.5,full,done,1,2", "row 3, column 'status': 'done' is none of ok, oom, failed"),
        ("3,,0.5,full,ok,1,2", r"row 3, column 'tp': 3 is not one of the values \[1, 2\]"),
        ("two,,0.5,full,ok,1,2", "row 3, column 'tp': 'two' is not one of the values"),
        ("1,True,0.5,full,ok,1,2", "row 3, column 'sp': is 'True', but the parameter is inactive there"),
        ("2,,0.5,full,ok,1,2", "row 3, column 'sp': is no valid configuration of the job: sp: is missing"),
        ("1,,0.5,full,ok,fast,2", "row 3, column 'seconds': 'fast' is no number"),
        ("1,,1.0,none,ok,1,2", "row 3: is the same configuration as row 2"),
    ],
)
def test_a_row_that_does_not_belong_to_the_job_is_named(row, message):
    with pytest.raises(TableError, match=message):
        table("1,,1.0,none,ok,1,2", row)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("tp,sp,kind,status,seconds,latency", "row 1: there is no column 'share', a parameter of the job"),
        ("tp,sp,share,kind,seconds,latency", "row 1: there is no column 'status', how each profile ended"),
        ("tp,sp,share,kind,status,latency", "row 1: there is no column 'seconds', an objective of the job"),
        ("tp,sp,share,kind,status,seconds", "row 1: there is no column 'latency', a metric that the job bounds"),
        ("tp,sp,share,kind,status,seconds,latency,tp", "row 1: column 'tp' is there twice"),
        ("tp,sp,share,kind,status,seconds,latency,", "row 1: column 8 has no name"),
        ("", "row 1: there is no column 'tp'"),
    ],
)
def test_a_header_that_does_not_belong_to_the_job_is_named(header, message):
    with pytest.raises(TableError, match=message):
        parse_table(f"{header}\n", PROBLEM, "example")


def test_a_column_that_is_neither_parameter_nor_metric_is_an_error():
    with pytest.raises(TableError, match=r"row 2, column 'note': 'x' is no number.*no parameter of the job either"):
        table("1,,0.5,full,ok,1,2,x", header=HEADER.strip() + ",note\n")


def test_missing_rows_are_counted():
    assert missing(table("1,,1.0,none,ok,1,2")) == PROBLEM.space.count() - 1


def test_no_rows_at_all_is_an_error():
    with pytest.raises(TableError, match="has no rows"):
        table()


def test_a_file_may_be_compressed(tmp_path):
    text = HEADER + "1,,1.0,none,ok,1,2\n"
    (tmp_path / "plain.csv").write_text(text)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "torn.csv.gz").write_bytes(gzip.compress(text.encode())[:-9])
    for name in ("plain.csv", "packed.csv.gz"):
        assert len(read_table(tmp_path / name, PROBLEM, "example").rows) == 1
    with pytest.raises(TableError, match="cut off"):
        read_table(tmp_path / "torn.csv.gz", PROBLEM, "example")
    with pytest.raises(TableError, match="can't be read"):
        read_table(tmp_path / "none.csv", PROBLEM, "example")
