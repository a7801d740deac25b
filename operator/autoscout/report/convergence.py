"""Benchmarks as pictures: incumbent against profiles or time, and how many seeds are there. Standalone SVG."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from autoscout.report.benchmark import Results, quantile
from autoscout.report.scale import Scale, scale
from autoscout.report.words import number
from autoscout.search.benchmark import RATIOS, Run

WIDTH, HEIGHT = 880, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 150, 44, 48
LABEL = 15
"""Height of one line of the legend."""

COLOURS = ("#0b7a4b", "#2f6fb3", "#c2571a", "#8a4fb0", "#b3263e", "#6b7280", "#0f8b8d", "#a07c00", "#d0589c")
DASHES = ("", "7 3", "2 3", "9 3 2 3")
"""Lines are told apart by their dashes too, not by colour alone."""

STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#5a626e}"
    ".title{font-size:15px;font-weight:600;fill:#1c1f24}.grid{stroke:#eceef1}.axis{stroke:#b9bfc7}"
    ".line{fill:none;stroke-width:2.2}.band{stroke:none;opacity:.12}"
)

SAMPLES = 400
"""Points of a curve against time."""

Point = tuple[float, float]
"""(profiles or minutes, value)."""


@dataclass(frozen=True)
class _Across:
    """The axis of what a search has spent.

    Attributes:
        steps: where curves are sampled, ascending.
        at: the incumbent of a run by then; a run that ended earlier keeps its last.
    """

    label: str
    steps: Sequence[float]
    at: Callable[[Run, float], float | None]


def convergence(results: Results) -> str:
    """Incumbent over optimum against profiles: median of the seeds, the quartiles as a band.

    A seed without a feasible configuration counts as infinitely bad: a line begins where half of them have one.
    An empty string where the table has no feasible row.
    """
    return _ratios(results, _profiles(results.budget))


def wall_clock(results: Results) -> str:
    """The same against the modelled time of the profiles; an empty string also where that is not modelled."""
    spent = [run.elapsed[_last_improvement(run)] for run in results.runs if run.elapsed]
    if len(spent) < len(results.runs) or not spent or max(spent) <= 0:
        return ""
    horizon = max(spent)
    steps = [horizon * step / SAMPLES for step in range(SAMPLES + 1)]
    minutes = _Across("minutes of profiles (modelled)", [step / 60 for step in steps], _at_minutes)
    return _ratios(results, minutes)


def _ratios(results: Results, across: _Across) -> str:
    optimum = results.optimum
    if not optimum:
        return ""
    minimized = all(value is None or value >= optimum for run in results.runs for value in run.best)

    def ratio(value: float | None) -> float | None:
        if value is None or not value:
            return None
        return value / optimum if minimized else optimum / value

    curves = {
        name: [
            (share, _curve(results.of(name), across, lambda run, at: ratio(across.at(run, at)), share))
            for share in (0.25, 0.5, 0.75)
        ]
        for name in results.algorithms
    }
    values = [value for bands in curves.values() for _, points in bands for _, value in points]
    if not values:
        return ""
    up = scale([1.0, *values], HEIGHT - BOTTOM, TOP)
    return _picture(f"{results.landscape}: best {results.metric} over the optimum", across, up, curves)


def reached(results: Results) -> str:
    """The share of seeds whose incumbent is within 1 % of the optimum, against profiles."""

    def near(run: Run, at: float) -> float:
        count = run.profiles_to[RATIOS[-1]]
        return 100.0 if count is not None and count <= at else 0.0

    across = _profiles(results.budget)
    curves = {
        name: [(0.5, [(at, _mean([near(run, at) for run in results.of(name)])) for at in across.steps])]
        for name in results.algorithms
    }
    up = Scale(0.0, 105.0, HEIGHT - BOTTOM, TOP)
    return _picture(f"{results.landscape}: seeds within 1 % of the optimum, in %", across, up, curves)


def _profiles(budget: int) -> _Across:
    return _Across("profiles", range(1, budget + 1), _at)


def _at(run: Run, at: float) -> float | None:
    return run.best[min(int(at), len(run.best)) - 1] if run.best else None


def _at_minutes(run: Run, minutes: float) -> float | None:
    done = bisect_right(run.elapsed, 60 * minutes + 1e-9)
    return run.best[done - 1] if done else None


def _last_improvement(run: Run) -> int:
    return next((at for at, value in enumerate(run.best) if value == run.best[-1]), 0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _curve(
    runs: Sequence[Run], across: _Across, value: Callable[[Run, float], float | None], share: float
) -> list[Point]:
    points = [(at, quantile([value(run, at) for run in runs], share)) for at in across.steps]
    return [(at, found) for at, found in points if found is not None]


def _picture(title: str, spent: _Across, up: Scale, curves: dict[str, list[tuple[float, list[Point]]]]) -> str:
    across = Scale(spent.steps[0], max(spent.steps[0] + 1, spent.steps[-1]), LEFT, WIDTH - RIGHT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        *_frame(across, up, spent.label),
    ]
    for position, (name, bands) in enumerate(curves.items()):
        parts += _drawn(name, position, bands, across, up)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(across: Scale, up: Scale, label: str) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in up.ticks():
        y = up(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    parts += [
        f'<text x="{across(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{number(tick)}</text>'
        for tick in across.ticks()
    ]
    parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>')
    parts.append(f'<text x="{(LEFT + right) / 2:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(label)}</text>')
    return parts


def _drawn(name: str, position: int, bands: list[tuple[float, list[Point]]], across: Scale, up: Scale) -> list[str]:
    colour, dash = COLOURS[position % len(COLOURS)], DASHES[position % len(DASHES)]
    stroke = f'stroke="{colour}"' + (f' stroke-dasharray="{dash}"' if dash else "")
    y = TOP + 8 + LABEL * position
    x = WIDTH - RIGHT + 12
    parts = [
        f'<path class="line" {stroke} d="M{x} {y - 4}h24"/>',
        f'<text x="{x + 30}" y="{y}">{escape(name)}</text>',
    ]
    by_share = dict(bands)
    if 0.25 in by_share and by_share.get(0.75):
        low, high = dict(by_share[0.25]), by_share[0.75]
        there = [(at, low[at]) for at, _ in high if at in low]
        outline = [*_stairs(high, across, up), *reversed(_stairs(there, across, up))]
        shape = "L".join(f"{px:.1f} {py:.1f}" for px, py in outline)
        parts.append(f'<path class="band" fill="{colour}" d="M{shape}Z"/>')
    line = "L".join(f"{px:.1f} {py:.1f}" for px, py in _stairs(by_share[0.5], across, up))
    if line:
        parts.append(f'<path class="line" {stroke} d="M{line}"><title>{escape(name)}</title></path>')
    return parts


def _stairs(points: Sequence[Point], across: Scale, up: Scale) -> list[tuple[float, float]]:
    """The corners of a line that holds its value until the next profile; runs of equal values are two corners."""
    corners: list[tuple[float, float]] = []
    last = math.nan
    for at, value in points:
        if value == last and len(corners) > 1:
            corners[-1] = (across(at), corners[-1][1])
            continue
        if corners:
            corners.append((across(at), up(last)))
        corners += [(across(at), up(value))] * 2
        last = value
    return corners
