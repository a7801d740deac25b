"""Benchmarks as pictures: incumbent against profiles, and how many seeds have found the optimum. Standalone SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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

Point = tuple[int, float]
"""(profiles, value)."""


def convergence(results: Results) -> str:
    """Incumbent over optimum against profiles: median of the seeds, the quartiles as a band.

    A seed without a feasible configuration counts as infinitely bad: a line begins where half of them have one.
    An empty string where the table has no feasible row.
    """
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
            (share, _curve(results.of(name), results.budget, lambda run, at: ratio(_at(run, at)), share))
            for share in (0.25, 0.5, 0.75)
        ]
        for name in results.algorithms
    }
    values = [value for bands in curves.values() for _, points in bands for _, value in points]
    if not values:
        return ""
    up = scale([1.0, *values], HEIGHT - BOTTOM, TOP)
    return _picture(results, f"{results.landscape}: best {results.metric} over the optimum", up, curves)


def reached(results: Results) -> str:
    """The share of seeds whose incumbent is within 1 % of the optimum, against profiles."""

    def near(run: Run, at: int) -> float:
        count = run.profiles_to[RATIOS[-1]]
        return 100.0 if count is not None and count <= at else 0.0

    curves = {
        name: [(0.5, [(at, _mean([near(run, at) for run in results.of(name)])) for at in _steps(results.budget)])]
        for name in results.algorithms
    }
    up = Scale(0.0, 105.0, HEIGHT - BOTTOM, TOP)
    return _picture(results, f"{results.landscape}: seeds within 1 % of the optimum, in %", up, curves)


def _steps(budget: int) -> range:
    return range(1, budget + 1)


def _at(run: Run, at: int) -> float | None:
    """The incumbent after so many profiles; a run that ended earlier keeps its last."""
    return run.best[min(at, len(run.best)) - 1] if run.best else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _curve(runs: Sequence[Run], budget: int, value: Callable[[Run, int], float | None], share: float) -> list[Point]:
    points = [(at, quantile([value(run, at) for run in runs], share)) for at in _steps(budget)]
    return [(at, found) for at, found in points if found is not None]


def _picture(results: Results, title: str, up: Scale, curves: dict[str, list[tuple[float, list[Point]]]]) -> str:
    across = Scale(1, max(2, results.budget), LEFT, WIDTH - RIGHT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        *_frame(across, up),
    ]
    for position, (name, bands) in enumerate(curves.items()):
        parts += _drawn(name, position, bands, across, up)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(across: Scale, up: Scale) -> list[str]:
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
    parts.append(f'<text x="{(LEFT + right) / 2:.1f}" y="{HEIGHT - 10}" text-anchor="middle">profiles</text>')
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
