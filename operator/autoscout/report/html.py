"""A result as one HTML file: no script, nothing loaded from elsewhere, everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from autoscout.report.chart import chart, shape_of
from autoscout.report.result import Result, Standing, TrialLine
from autoscout.report.style import STYLE
from autoscout.report.text import headline, shown
from autoscout.report.words import DASH, count, duration, number, times

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content-Security-Policy of the file: even if something slipped through the escaping, it could not run or load."""

LEGEND = {
    Standing.FEASIBLE: "measured",
    Standing.REJECTED: "measured, breaks a constraint",
    Standing.INFEASIBLE: "infeasible",
    Standing.LOST: "lost",
}


def html(result: Result) -> str:
    """The whole page."""
    search = result.problem
    told = headline(result).removeprefix(f"{result.name}: ")
    made_by = f"AutoScout {result.engine_version}, algorithm {search.algorithm}, seed {search.seed}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(result.name)} - AutoScout</title>",
        f"<style>{STYLE}</style></head>",
        "<body><main>",
        f"<h1>{escape(result.name)}</h1>",
        f'<p class="soft">{escape(told[:1].upper() + told[1:])}</p>',
        *_tiles(result),
        *_figure(result),
        *_metrics(result),
        *_settings(result),
        *_command(result),
        *_trials(result),
        f"<footer>{escape(made_by)}</footer>",
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _tiles(result: Result) -> list[str]:
    objective, cost = result.problem.objectives[0], result.cost
    best = result.best.metrics.get(objective.metric) if result.best else None
    base = result.default.metrics.get(objective.metric) if result.default else None
    failures = ", ".join(f"{reason} {amount}" for reason, amount in cost.failures.items())
    tiles = [
        ("Gain over the default", times(result.speedup), objective.metric),
        ("Best", number(best), f"trial {result.best.number}" if result.best else "nothing feasible"),
        ("Default", number(base), "" if base is not None else "not measured"),
        ("Profiles", str(cost.profiled), failures or "all measured"),
        ("Wall time", duration(cost.seconds), count(cost.attempts, "run")),
        ("GPU-hours", number(cost.gpu_hours), "start-up included"),
    ]
    cells = [
        f'<div class="tile{" first" if index == 0 else ""}"><dt>{escape(title)}</dt>'
        f"<dd>{escape(value)}<small>{_breakable(note)}</small></dd></div>"
        for index, (title, value, note) in enumerate(tiles)
    ]
    return ['<dl class="tiles">', *cells, "</dl>"]


def _breakable(words: str) -> str:
    """Escaped, and free to break after an underscore: metrics have long names."""
    return escape(words).replace("_", "_<wbr>")


def _figure(result: Result) -> list[str]:
    drawing = chart(result)
    if not drawing:
        return []
    present = {line.standing for line in result.trials}
    legend = [
        f'<span><svg viewBox="0 0 16 16" aria-hidden="true">{shape_of(standing, 8, 8, 5)}</svg>{label}</span>'
        for standing, label in LEGEND.items()
        if standing in present
    ]
    legend.append(
        '<span><svg viewBox="0 0 16 16" aria-hidden="true"><path class="best" d="M0 8H16"/></svg>best so far</span>'
    )
    return [
        "<h2>The search</h2>",
        "<figure>",
        drawing,
        "<figcaption>" + "".join(legend) + "</figcaption>",
        "</figure>",
    ]


def _metrics(result: Result) -> list[str]:
    rows = []
    for line in result.metrics:
        kept = "" if line.kept is None else ("kept" if line.kept else "broken")
        rows.append(
            f'<tr><th scope="row">{escape(line.metric)}</th><td>{escape(line.role)}</td>'
            f'<td class="value">{number(line.default)}</td><td class="value">{number(line.best)}</td>'
            f'<td class="value">{times(line.ratio) if line.ratio is not None else (kept or DASH)}</td></tr>'
        )
    head = _head(("metric", "wanted", "default", "best", "gain"), right=(2, 3, 4))
    return ["<h2>Best against default</h2>", *_table("metrics", "", head, rows)]


def _settings(result: Result) -> list[str]:
    if not result.settings or result.best is None:
        return []
    rows = [
        f"<tr{' class=' + chr(34) + 'changed' + chr(34) if setting.differs else ''}>"
        f'<th scope="row">{escape(setting.parameter)}</th>'
        f"{_cell(setting.default)}{_cell(setting.best, 'new')}"
        f"<td>{'changed' if setting.differs else ''}</td></tr>"
        for setting in result.settings
    ]
    head = _head(("parameter", "default", f"best (trial {result.best.number})", "change"))
    return ["<h2>Configuration</h2>", *_table("configuration", "", head, rows)]


def _command(result: Result) -> list[str]:
    if result.best is None or not result.best.command:
        return []
    more = [("As a script", result.script), ("As a manifest for kubectl apply", result.manifest)]
    return [
        "<h2>Run the best configuration</h2>",
        f'<pre tabindex="0" aria-label="command line">{escape(result.best.command)}</pre>',
        *(
            f"<details><summary>{title}</summary><pre>{escape(content)}</pre></details>"
            for title, content in more
            if content
        ),
    ]


def _trials(result: Result) -> list[str]:
    metrics = [line.metric for line in result.metrics]
    names = ("trial", "outcome", *metrics, *result.parameters, "proposed by", "time", "why")
    head = _head(names, right=(*range(2, 2 + len(metrics)), len(names) - 2))
    rows = [_row(result, line, metrics) for line in result.trials]
    note = "A dash marks a parameter that is inactive in that configuration, or a metric that was not reported."
    return ["<h2>All trials</h2>", *_table("all trials", note, head, rows)]


def _row(result: Result, line: TrialLine, metrics: Sequence[str]) -> str:
    chosen = result.best is not None and line.number == result.best.number
    cells = [
        f'<th scope="row">{line.number}</th>',
        f'<td class="status-{line.standing}">{"best" if chosen else line.standing}</td>',
        *(f'<td class="value">{number(line.metrics.get(metric))}</td>' for metric in metrics),
        *(_cell(line.configuration.get(name)) for name in result.parameters),
        f"<td>{escape(line.proposer)}</td>",
        f'<td class="value">{duration(line.seconds)}</td>',
        f'<td class="why">{escape(_why(line))}</td>',
    ]
    return f"<tr{' class=' + chr(34) + 'chosen' + chr(34) if chosen else ''}>{''.join(cells)}</tr>"


def _why(line: TrialLine) -> str:
    if line.message and line.reason and line.standing is not Standing.REJECTED:
        return f"{line.reason}: {line.message}"
    return line.message or line.reason


def _cell(value: bool | float | str | None, name: str = "") -> str:
    classes = " ".join(part for part in (name, "off" if value is None else "") if part)
    attribute = f' class="{classes}"' if classes else ""
    return f"<td{attribute}>{escape(shown(value))}</td>"


def _head(names: Sequence[str], right: Sequence[int] = ()) -> str:
    cells = [
        f'<th scope="col"{" class=" + chr(34) + "value" + chr(34) if index in right else ""}>{escape(name)}</th>'
        for index, name in enumerate(names)
    ]
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def _table(label: str, note: str, head: str, rows: Sequence[str]) -> list[str]:
    caption = f"<caption>{escape(note)}</caption>" if note else ""
    return [
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">',
        f"<table>{caption}{head}",
        "<tbody>",
        *rows,
        "</tbody></table></div>",
    ]
