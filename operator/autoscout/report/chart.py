"""The search as a picture: every trial a point, the best so far a line. Inline SVG, coloured by the page's style."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from autoscout.report.result import Result, Standing, TrialLine
from autoscout.report.scale import Scale, scale
from autoscout.report.text import shown
from autoscout.report.words import count, number
from autoscout.search.problem import Goal

WIDTH, HEIGHT = 880, 380
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 44, 46
STRIP = 20
"""Height, from the top, at which trials without a value are marked."""

CROWDED = 100
"""Number of trials from which the marks are drawn smaller."""


def chart(result: Result) -> str:
    """The SVG element, or an empty string while nothing has a value."""
    metric = result.problem.objectives[0].metric
    done = sorted(
        (line for line in result.trials if line.position is not None),
        key=lambda line: (line.position or 0, line.number),
    )
    values = [line.metrics[metric] for line in done if metric in line.metrics]
    if not values:
        return ""
    picture = _Picture(
        result,
        metric,
        tuple(done),
        across=Scale(0.5, max(len(done), 2) + 0.5, LEFT, WIDTH - RIGHT),
        up=scale(values, HEIGHT - BOTTOM, TOP),
    )
    return "\n".join(picture.elements())


@dataclass(frozen=True)
class _Picture:
    result: Result
    metric: str
    done: tuple[TrialLine, ...]
    across: Scale
    up: Scale

    def elements(self) -> list[str]:
        best = self.result.best
        said = f"the best is {number(best.metrics[self.metric])} in trial {best.number}" if best else "none is feasible"
        title = f"{self.metric} of every trial, and the best so far"
        told = f"{count(len(self.done), 'trial')}; {said}. The table of all trials holds the values."
        return [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="chart-title chart-text">',
            f'<title id="chart-title">{escape(title)}</title>',
            f'<desc id="chart-text">{escape(told)}</desc>',
            *self._frame(),
            *self._default(),
            *self._best_so_far(),
            *(self._mark(line, index) for index, line in enumerate(self.done, 1)),
            "</svg>",
        ]

    def _frame(self) -> list[str]:
        left, right, bottom = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for tick in self.up.ticks():
            y = self.up(tick)
            parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
            parts.append(_text("tick", left - 8, y + 4, number(tick), anchor="end"))
        step = max(1, -(-len(self.done) // 12))
        parts += [
            _text("tick", self.across(index), bottom + 18, str(index)) for index in range(1, len(self.done) + 1, step)
        ]
        parts.append(f'<path class="axis" d="M{left} {bottom}H{right}"/>')
        parts.append(_text("label", (left + right) / 2, HEIGHT - 8, "trials in the order in which they ended"))
        label = f"{self.metric} (logarithmic)" if self.up.logarithmic else self.metric
        middle = (TOP + bottom) / 2
        parts.append(
            f'<text class="label" transform="translate(16 {middle:.0f}) rotate(-90)" text-anchor="middle">'
            f"{escape(label)}</text>"
        )
        return parts

    @property
    def _down(self) -> bool:
        """Whether better values are lower in the picture."""
        return self.result.problem.objectives[0].goal is Goal.MINIMIZE

    def _default(self) -> list[str]:
        default = self.result.default
        if default is None or self.metric not in default.metrics:
            return []
        value = default.metrics[self.metric]
        y = self.up(value)
        # The best lies on the better side of the default: each label goes to the side away from the other.
        return [
            f'<path class="default" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>',
            _text("note", WIDTH - RIGHT, y + (-7 if self._down else 16), f"default {number(value)}", anchor="end"),
        ]

    def _best_so_far(self) -> list[str]:
        objective = self.result.problem.objectives[0]
        path = ""
        best: float | None = None
        for index, line in enumerate(self.done, 1):
            if line.standing is not Standing.FEASIBLE:
                continue
            value = line.metrics[self.metric]
            if best is None:
                path = f"M{self.across(index):.1f} {self.up(value):.1f}"
            elif objective.better(value, best):
                path += f"H{self.across(index):.1f}V{self.up(value):.1f}"
            else:
                continue
            best = value
        if best is None:
            return []
        y = self.up(best) + (20 if self._down else -11)
        return [
            f'<path class="best" d="{path}H{WIDTH - RIGHT}"/>',
            _text("note strong", WIDTH - RIGHT, y, f"best {number(best)}", anchor="end"),
        ]

    def _mark(self, line: TrialLine, index: int) -> str:
        x, size = self.across(index), 3.0 if len(self.done) > CROWDED else 5.0
        value = line.metrics.get(self.metric)
        y = STRIP if value is None else self.up(value)
        shape = shape_of(line.standing, x, y, size)
        if self.result.best is not None and line.number == self.result.best.number:
            shape = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="{size + 4:.1f}"/>' + shape
        return f"<g>{shape}<title>{escape(_told(line, value))}</title></g>"


def _text(name: str, x: float, y: float, words: str, *, anchor: str = "middle") -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def shape_of(standing: Standing, x: float, y: float, size: float) -> str:
    """The mark of a trial: told apart by its shape, not by its colour alone."""
    if standing is Standing.FEASIBLE:
        return f'<circle class="feasible" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"/>'
    if standing is Standing.REJECTED:
        return f'<circle class="rejected" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"/>'
    if standing is Standing.INFEASIBLE:
        return (
            f'<path class="infeasible" d="M{x - size:.1f} {y - size:.1f}l{2 * size:.1f} {2 * size:.1f}'
            f'm0 {-2 * size:.1f}l{-2 * size:.1f} {2 * size:.1f}"/>'
        )
    return f'<path class="lost" d="M{x:.1f} {y - size:.1f}l{size:.1f} {2 * size:.1f}h{-2 * size:.1f}z"/>'


def _told(line: TrialLine, value: float | None) -> str:
    settings = ", ".join(f"{name}={shown(setting)}" for name, setting in line.configuration.items())
    said = number(value) if value is not None else line.reason
    remark = f" ({line.standing}: {line.message or line.reason})" if line.reason else ""
    return f"trial {line.number}: {said}{remark}\n{settings}"
