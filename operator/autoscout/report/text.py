"""A result as plain text: what `autoscout tune` and `autoscout report` end with."""

from __future__ import annotations

from collections.abc import Sequence

from autoscout.report.result import MetricLine, Result, Setting
from autoscout.report.words import DASH, count, duration, number, times
from autoscout.search.plan import Phase
from autoscout.space.values import render


def text(result: Result) -> str:
    """The whole result, without colour, ended by a line feed."""
    parts = [[headline(result)], _metrics(result), _settings(result), _command(result), cost_lines(result)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def headline(result: Result) -> str:
    """One line: the name, the phase, why."""
    verdict = result.verdict
    word = "complete" if verdict.phase is Phase.COMPLETE else str(verdict.phase).lower()
    return f"{result.name}: {word} ({verdict.reason}): {verdict.message}"


def _metrics(result: Result) -> list[str]:
    rows = [("metric", "default", "best", "")]
    rows += [(line.metric, number(line.default), number(line.best), _remark(line)) for line in result.metrics]
    lines = _table(rows, right=(1, 2))
    if result.best is None:
        lines.append("No measurement reported every objective and kept every constraint.")
    return lines


def _remark(line: MetricLine) -> str:
    words = [f"{times(line.ratio)} better" if line.ratio is not None else "", f"({line.role})"]
    if line.kept is not None:
        words.append("kept" if line.kept else "broken")
    return " ".join(word for word in words if word)


def _settings(result: Result) -> list[str]:
    if not result.settings or result.best is None:
        return []
    rows = [("parameter", "default", f"best (trial {result.best.number})", "")]
    rows += [
        (setting.parameter, shown(setting.default), shown(setting.best), _mark(setting)) for setting in result.settings
    ]
    return _table(rows)


def _mark(setting: Setting) -> str:
    return "changed" if setting.differs else ""


def shown(value: bool | float | str | None) -> str:
    """A parameter's value, or a dash where it is inactive."""
    return DASH if value is None else render(value)


def _command(result: Result) -> list[str]:
    if result.best is None or not result.best.command:
        return []
    return ["Run the best configuration with:", f"  {result.best.command}"]


def cost_lines(result: Result) -> list[str]:
    """What it cost, in one or two lines."""
    cost = result.cost
    wall, attempts = duration(cost.seconds), count(cost.attempts, "run")
    outcomes = f"{cost.infeasible} infeasible, {cost.lost} lost, {cost.pending} pending"
    hours = number(cost.gpu_hours)
    lines = [f"Cost: {count(cost.profiled, 'profile')} ({outcomes}), {attempts}, {wall} wall time, {hours} GPU-hours"]
    if cost.failures:
        reasons = ", ".join(f"{reason} {amount}" for reason, amount in cost.failures.items())
        lines.append(f"Not measured: {reasons}")
    return lines


def _table(rows: Sequence[tuple[str, ...]], right: tuple[int, ...] = ()) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
