"""A recommendation as one HTML file, in the style of the report: nothing is loaded from elsewhere, all is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from autoscout.cli.advice import Advice, Expected
from autoscout.report.html import POLICY
from autoscout.report.style import STYLE
from autoscout.report.words import DASH, number, times
from autoscout.search.problem import Problem
from autoscout.space.values import render


def page(name: str, problem: Problem, advice: Advice, command: str) -> str:
    """The whole page.

    Args:
        name: of the job.
        command: what realises the recommendation, or why there is none.
    """
    considered = "All" if advice.considered >= advice.size else f"{advice.considered:,}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(name)} - AutoScout plan</title>",
        f"<style>{STYLE}</style></head>",
        "<body><main>",
        f"<h1>{escape(name)}</h1>",
        f'<p class="soft">{considered} of {advice.size:,} configurations were simulated; nothing was measured.</p>',
        *_tiles(problem, advice),
        *_table("Configuration", ("parameter", "default", "recommended"), _settings(problem, advice)),
        "<h2>Launch command</h2>",
        f"<pre>{escape(command)}</pre>",
        *_table(
            "Runners-up", ("objective", "90 % interval", "likely to run", "configuration"), _others(problem, advice)
        ),
        *_table(
            "Why",
            ("parameter", "chosen", "explains", "best other value", "changes the objective", "likely to run"),
            _why(advice),
        ),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _tiles(problem: Problem, advice: Advice) -> list[str]:
    best, metric = advice.recommended, problem.objectives[0].metric
    low, mean, high = best.metrics[metric]
    memory = best.peak_memory_gib
    tiles = [
        ("Gain over the default", times(advice.gain), "predicted"),
        (metric, number(mean), f"{number(low)} to {number(high)}"),
        ("Default", number(advice.default.metrics[metric][1]), f"{advice.default.feasible:.0%} likely to run"),
        ("Likely to run", f"{best.feasible:.0%}", _kept(problem, advice)),
        ("Peak memory", number(memory) if math.isfinite(memory) else DASH, "GiB"),
    ]
    cells = [
        f'<div class="tile{" first" if index == 0 else ""}"><dt>{escape(title)}</dt>'
        f"<dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for index, (title, value, note) in enumerate(tiles)
    ]
    return ['<dl class="tiles">', *cells, "</dl>"]


def _kept(problem: Problem, advice: Advice) -> str:
    unknown = advice.unpredicted(problem)
    return "and to keep the constraints" + (f", but {', '.join(unknown)}: not predicted" if unknown else "")


def _settings(problem: Problem, advice: Advice) -> Iterator[Sequence[str]]:
    best, default = advice.recommended.configuration, advice.default.configuration
    for name in problem.space.by_name:
        yield name, *(render(each[name]) if name in each else "inactive" for each in (default, best))


def _others(problem: Problem, advice: Advice) -> Iterator[Sequence[str]]:
    for each in advice.runners_up:
        low, mean, high = each.metrics[problem.objectives[0].metric]
        yield number(mean), f"{number(low)} to {number(high)}", f"{each.feasible:.0%}", _short(each)


def _why(advice: Advice) -> Iterator[Sequence[str]]:
    for each in advice.influences:
        chosen = "inactive" if each.chosen is None else render(each.chosen)
        other = DASH if each.alternative is None else render(each.alternative)
        change = DASH if each.change is None else f"{each.change:+.1%}"
        likely = DASH if each.feasible is None else f"{each.feasible:.0%}"
        yield each.parameter, chosen, f"{each.share:.1%}", other, change, likely


def _short(expected: Expected) -> str:
    return " ".join(f"{name}={render(value)}" for name, value in expected.configuration.items())


def _table(title: str, head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    yield '<div class="scroll" tabindex="0"><table><thead><tr>'
    yield "".join(f"<th>{escape(cell)}</th>" for cell in head)
    yield "</tr></thead><tbody>"
    for first, *others in rows:
        yield f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in others)}</tr>"
    yield "</tbody></table></div>"
