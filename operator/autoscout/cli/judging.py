"""`autoscout predict --profiles`: how fast measurements that are known already correct the simulators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from autoscout.cli.files import UnwritableError
from autoscout.cli.predict import OK, REFUSED, Asked, PredictError, asked, save
from autoscout.cli.table import STATUS, TableError, metric_of, status_of
from autoscout.report.words import count
from autoscout.search.landscape import Status
from autoscout.simulators.accuracy import Accuracy, Known, accuracy, corrected, drawn
from autoscout.space.values import Value


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        profiles: rows that are taken as measured before the others are predicted.
        seed: of their draw.
    """

    job: Path
    configurations: Path
    output: Path
    profiles: int
    seed: int


def judge(options: Options, console: Console, errors: Console) -> int:
    """Predict all rows after some of them, and say how good that is of the others; the exit code."""
    try:
        found = asked(options.job, options.configurations, errors)
        rows = _known(found, options.configurations)
        profiled, others = _drawn(len(rows), options)
        predict = corrected(found.simulator, [rows[i] for i in profiled], found.workload, found.hardware)
        taken = set(profiled)
        marks = ["true" if i in taken else "false" for i in range(len(rows))]
        save(options.output, found, predict(found.configurations), {"profiled": marks})
        judged = accuracy(predict([found.configurations[i] for i in others]), [rows[i] for i in others])
    except (PredictError, UnwritableError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return REFUSED
    for line in _lines(judged, [rows[i] for i in profiled], len(others), options.seed):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return OK


def _drawn(rows: int, options: Options) -> tuple[list[int], list[int]]:
    if options.profiles >= rows:
        raise PredictError(
            f"{options.configurations}: has {count(rows, 'row')}: with --profiles {options.profiles} none is left to "
            "be judged; give fewer"
        )
    return drawn(rows, options.profiles, options.seed)


def _known(found: Asked, file: Path) -> list[Known]:
    header = [column.strip() for column in found.header]
    metrics = found.simulator.predict([], found.workload, found.hardware).metrics
    there = [metric for metric in metrics if metric in header]
    if STATUS not in header:
        raise PredictError(
            f"{file}: there is no column {STATUS!r}, which says how each profile ended ({', '.join(Status)}): "
            "--profiles needs measured rows"
        )
    if not there:
        raise PredictError(
            f"{file}: there is no column of a metric that is predicted ({', '.join(metrics)}): "
            "--profiles needs measured rows"
        )
    try:
        return [
            _row(dict(zip(header, map(str.strip, cells), strict=True)), there, configuration, number)
            for (number, cells), configuration in zip(found.rows, found.configurations, strict=True)
        ]
    except TableError as error:
        raise PredictError(f"{file}: {error}") from error


def _row(cells: Mapping[str, str], metrics: Sequence[str], configuration: Mapping[str, Value], number: int) -> Known:
    status = status_of(cells[STATUS], number)
    if status is not Status.OK:
        return Known(configuration, None, out_of_memory=status is Status.OOM)
    values = {metric: metric_of(metric, cells[metric], number) for metric in metrics}
    return Known(configuration, {metric: value for metric, value in values.items() if value is not None})


def _lines(found: Accuracy, profiled: Sequence[Known], others: int, seed: int) -> Iterator[str]:
    ran = sum(row.metrics is not None for row in profiled)
    memory = sum(row.out_of_memory for row in profiled)
    yield (
        f"{count(len(profiled), 'row')} taken as measured (seed {seed}): {ran} ran, {memory} out of memory, "
        f"{len(profiled) - ran - memory} failed"
    )
    yield f"of the other {count(others, 'row')}:"
    for metric, each in found.metrics.items():
        rank = "-" if each.rank_correlation is None else f"{each.rank_correlation:.3f}"
        yield (
            f"  {metric}: rank correlation {rank}, MAPE {100 * each.mape:.1f} %, {100 * each.within90:.1f} % in the "
            f"90 % interval (a factor of {each.width90:.2f} either way), {count(each.rows, 'row')}"
        )
    yield (
        f"  out of memory: precision {_share(found.precision)}, recall {_share(found.recall)}, "
        f"{count(found.out_of_memory, 'row')}"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
