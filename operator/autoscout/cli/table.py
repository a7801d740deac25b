"""The table of a landscape: a column for each parameter, `status`, and a column for each metric."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

from autoscout.cli.cells import value_of
from autoscout.search.landscape import Landscape, Row, Status
from autoscout.search.problem import Problem
from autoscout.space.parameter import Parameter, SpaceError
from autoscout.space.values import Value

STATUS = "status"


class TableError(ValueError):
    """The table can't be read or does not belong to the job; the message names row and column."""


def read_table(file: Path, problem: Problem, name: str) -> Landscape:
    """The landscape in a CSV file, compressed by gzip or not.

    An empty cell is an inactive parameter or a metric that is not reported. `1.0` stands for 1, `True` and
    `true` for true. Rows are counted as a spreadsheet does: the header is row 1.

    Raises:
        TableError: see the class.
    """
    return parse_table(_text(file), problem, name)


def parse_table(text: str, problem: Problem, name: str) -> Landscape:
    """The landscape in the text of a CSV file; see `read_table`."""
    lines = csv.reader(io.StringIO(text))
    header = [column.strip() for column in next(lines, [])]
    _check_header(header, problem)
    rows: dict[str, Row] = {}
    seen: dict[str, int] = {}
    try:
        for cells in lines:
            if not cells:
                continue
            number = lines.line_num
            row = _row(header, cells, problem, number)
            fingerprint = row.configuration.fingerprint
            if fingerprint in seen:
                raise TableError(f"row {number}: is the same configuration as row {seen[fingerprint]}")
            rows[fingerprint], seen[fingerprint] = row, number
    except csv.Error as error:
        raise TableError(f"row {lines.line_num}: is no CSV: {error}") from error
    if not rows:
        raise TableError("has no rows: one for each valid configuration is needed")
    return Landscape(name, problem, rows)


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"can't be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise TableError("is cut off or damaged: it can't be decompressed") from error
    except UnicodeDecodeError as error:
        raise TableError("is not UTF-8 text") from error


def _check_header(header: list[str], problem: Problem) -> None:
    for position, column in enumerate(header):
        if not column:
            raise TableError(f"row 1: column {position + 1} has no name")
        if column in header[:position]:
            raise TableError(f"row 1: column {column!r} is there twice")
    bounds = [constraint.metric for constraint in problem.constraints]
    needed = {
        **dict.fromkeys(problem.space.by_name, "a parameter of the job"),
        STATUS: "how each profile ended (ok, oom, failed)",
        **dict.fromkeys(bounds, "a metric that the job bounds"),
        **{objective.metric: "an objective of the job" for objective in problem.objectives},
    }
    for column, what in needed.items():
        if column not in header:
            raise TableError(f"row 1: there is no column {column!r}, {what}; there are: {', '.join(header) or 'none'}")


def _row(header: list[str], cells: list[str], problem: Problem, number: int) -> Row:
    if len(cells) != len(header):
        raise TableError(f"row {number}: has {len(cells)} cells, the header {len(header)}")
    given = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    parameters = problem.space.by_name
    status = status_of(given[STATUS], number)
    assignment = {name: _value(parameter, given[name], number) for name, parameter in parameters.items() if given[name]}
    try:
        configuration = problem.space.canonical(assignment)
    except SpaceError as error:
        where = f"row {number}, column {error.field!r}" if error.field in parameters else f"row {number}"
        raise TableError(f"{where}: is no valid configuration of the job: {error}") from error
    inactive = next((name for name in assignment if name not in configuration), None)
    if inactive is not None:
        raise TableError(
            f"row {number}, column {inactive!r}: is {given[inactive]!r}, but the parameter is inactive there: "
            "the cell must be empty"
        )
    metrics = {
        column: value
        for column, cell in given.items()
        if column not in parameters and column != STATUS and (value := _metric(column, cell, number)) is not None
    }
    return Row(configuration, status, metrics)


def _value(parameter: Parameter, cell: str, number: int) -> Value:
    try:
        return value_of(parameter, cell)
    except SpaceError as error:
        raise TableError(f"row {number}, column {parameter.name!r}: {error.problem}") from None


def status_of(cell: str, number: int) -> Status:
    """How a profile ended.

    Args:
        number: of the row, where the header is 1.

    Raises:
        TableError: the cell holds no status.
    """
    try:
        return Status(cell)
    except ValueError:
        raise TableError(f"row {number}, column {STATUS!r}: {cell!r} is none of {', '.join(Status)}") from None


def metric_of(column: str, cell: str, number: int) -> float | None:
    """The value of a metric; None where the cell is empty or not finite.

    Args:
        number: of the row, where the header is 1.

    Raises:
        TableError: the cell holds no number.
    """
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        raise TableError(f"row {number}, column {column!r}: {cell!r} is no number") from None
    return value if math.isfinite(value) else None


def _metric(column: str, cell: str, number: int) -> float | None:
    """The same of a column that is neither status nor parameter."""
    try:
        return metric_of(column, cell, number)
    except TableError as error:
        raise TableError(f"{error}, so the column is no metric; it is no parameter of the job either") from None


def missing(landscape: Landscape) -> int:
    """How many valid configurations the table has no row for."""
    return landscape.problem.space.count() - len(landscape.rows)


def statuses(landscape: Landscape) -> Mapping[Status, int]:
    """How many rows have each status."""
    return {status: sum(row.status is status for row in landscape.rows.values()) for status in Status}
