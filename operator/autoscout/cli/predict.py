"""`autoscout predict`: what the simulators say of configurations in a CSV file, without any profile."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from autoscout.api import convert
from autoscout.api.errors import ApiError
from autoscout.api.tuning_job import TuningJob
from autoscout.cli.cells import value_of
from autoscout.cli.documents import only_document
from autoscout.cli.files import UnwritableError, write
from autoscout.search.problem import Problem
from autoscout.simulators.protocol import Prediction, Simulator
from autoscout.simulators.registry import DATASHEET, obstacle, simulator_for
from autoscout.simulators.workload import Hardware, Workload
from autoscout.space.parameter import SpaceError
from autoscout.space.values import Value

OK, REFUSED = 0, 2


class PredictError(Exception):
    """Nothing can be predicted; the message says why and what to do."""


@dataclass(frozen=True)
class Asked:
    """What is to be predicted.

    Attributes:
        header: names of the file's columns.
        rows: number of the row in the file, where the header is 1, and its cells; N of them.
        configurations: what the rows say of the job's parameters; N of them.
    """

    simulator: Simulator
    problem: Problem
    workload: Workload
    hardware: Hardware
    header: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]
    configurations: Sequence[Mapping[str, Value]]


def predict(job: Path, configurations: Path, output: Path, errors: Console) -> int:
    """Run the whole command; the exit code."""
    try:
        found = asked(job, configurations, errors)
        save(output, found, found.simulator.predict(found.configurations, found.workload, found.hardware))
    except (PredictError, UnwritableError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return REFUSED
    return OK


def asked(job: Path, configurations: Path, errors: Console) -> Asked:
    """Read both files; a parameter without a column is named on `errors`.

    Raises:
        PredictError: one of them is not in order, or there is no simulator for the job.
    """
    _, problem = problem_in(job, looked_up=True)
    simulator = simulator_of(problem, job)
    header, rows = _read(configurations)
    if lacking := [name for name in problem.space.by_name if name not in map(str.strip, header)]:
        words = f"warning: {configurations}: no column {', '.join(lacking)}: inactive in every row"
        errors.print(words, markup=False, highlight=False, soft_wrap=True)
    parsed = [_configuration(header, cells, problem, configurations, number) for number, cells in rows]
    assert problem.workload is not None  # noqa: S101 - else there would be no simulator
    assert problem.hardware is not None  # noqa: S101
    return Asked(simulator, problem, problem.workload, problem.hardware, header, rows, parsed)


def problem_in(file: Path, *, looked_up: bool = False) -> tuple[TuningJob, Problem]:
    """The one TuningJob of a file, and what it searches.

    Args:
        looked_up: see `convert.problem`.

    Raises:
        PredictError: it can't be read, or is not in order.
    """
    try:
        document = only_document(file)
    except ValueError as error:
        raise PredictError(str(error)) from error
    try:
        job = convert.job(document)
        return job, convert.problem(job, looked_up=looked_up)
    except ApiError as error:
        raise PredictError(f"{file}: {error}") from error


def simulator_of(problem: Problem, file: Path) -> Simulator:
    """The simulator of a job.

    Raises:
        PredictError: there is none; the message names the field that it needs.
    """
    names = tuple(problem.space.by_name)
    kernels = str(problem.settings.get("kernels", DATASHEET))
    simulator = simulator_for(problem.workload, problem.hardware, names, kernels)
    if simulator is None:
        reason = obstacle(problem.workload, problem.hardware, names, kernels)
        raise PredictError(f"{file}: nothing can be predicted for this job: {reason}")
    return simulator


def _read(file: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        data = file.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except OSError as error:
        raise PredictError(f"{file}: can't be read: {error.strerror or error}") from error
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise PredictError(f"{file}: is neither UTF-8 text nor gzip of it") from error
    lines = csv.reader(io.StringIO(text))
    try:
        header = next(lines, [])
        rows = [(lines.line_num, cells) for cells in lines if cells]
    except csv.Error as error:
        raise PredictError(f"{file}: row {lines.line_num}: is no CSV: {error}") from error
    if not header:
        raise PredictError(f"{file}: is empty: the first row names the columns, one for each parameter")
    for number, cells in rows:
        if len(cells) != len(header):
            raise PredictError(f"{file}: row {number}: has {len(cells)} cells, the header {len(header)}")
    return header, rows


def _configuration(
    header: Sequence[str], cells: Sequence[str], problem: Problem, file: Path, number: int
) -> Mapping[str, Value]:
    """What a row says of the job's parameters; an empty cell is an inactive one, other columns are not ours."""
    found: dict[str, Value] = {}
    for column, cell in zip(header, cells, strict=True):
        parameter = problem.space.by_name.get(column.strip())
        if parameter is None or not cell.strip():
            continue
        try:
            found[parameter.name] = value_of(parameter, cell.strip())
        except SpaceError as error:
            raise PredictError(f"{file}: row {number}, column {parameter.name!r}: {error.problem}") from None
    return found


def save(
    output: Path, found: Asked, prediction: Prediction, further: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Write the file's own columns, then what is predicted, then further columns: name to N cells.

    Raises:
        UnwritableError: it can't be written.
    """
    metrics = list(dict.fromkeys((*found.problem.metrics, *prediction.metrics)))
    added: list[str] = []
    columns: list[Sequence[str]] = []
    for metric in metrics:
        added += [f"predicted_{metric}", f"std_{metric}"]
        if metric in prediction.metrics:
            columns += [_cells(values) for values in prediction.column(metric)]
        elif metric == "peak_memory_gib":
            added = added[:-2]
        else:
            # No simulator knows this metric: the cells stay empty.
            columns += [[""] * len(found.rows)] * 2
    added += ["predicted_peak_memory_gib", "predicted_status"]
    columns += [_cells(prediction.peak_memory_gib), ["oom" if each else "ok" for each in prediction.out_of_memory]]
    for name, cells in (further or {}).items():
        added.append(name)
        columns.append(cells)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*found.header, *added])
    for position, (_, cells) in enumerate(found.rows):
        writer.writerow([*cells, *(column[position] for column in columns)])
    _save(output, text.getvalue())


def _cells(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    return [f"{value:.6g}" if np.isfinite(value) else "" for value in values]


def _save(output: Path, text: str) -> None:
    if output.suffix != ".gz":
        write(output, text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(gzip.compress(text.encode(), mtime=0))
    except OSError as error:
        raise UnwritableError(output, error) from error
