"""What a suite found on one landscape: figures without the landscape's rows."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from autoscout.report.benchmark import Results, quantile
from autoscout.search.benchmark import RATIOS, Run

SHARES = (("q25", 0.25), ("median", 0.5), ("q75", 0.75))


def summary(results: Results, *, noise: float, until: float | None) -> dict[str, Any]:
    """Medians and quartiles of the profiles needed; None: half of the seeds or more did not get there."""
    return {
        "landscape": results.landscape,
        "metric": results.metric,
        "budget": results.budget,
        "noise": noise,
        "endedWithin": until,
        "algorithms": {name: _one(results, name) for name in results.algorithms},
    }


def _one(results: Results, name: str) -> dict[str, Any]:
    runs = results.of(name)
    counts = {ratio: [run.profiles_to[ratio] for run in runs] for ratio in RATIOS}
    minutes = {ratio: [_minutes(run, ratio) for run in runs] for ratio in RATIOS}
    return {
        "seeds": len(runs),
        "profilesTo": {ratio: _quartiles(found) for ratio, found in counts.items()},
        "minutesTo": {ratio: _quartiles(found) for ratio, found in minutes.items()},
        "seedsWithin": {ratio: sum(count is not None for count in found) for ratio, found in counts.items()},
        "finalOverOptimum": _quartiles([_final(run, results.optimum) for run in runs], digits=4),
        "simulated": round(statistics.median(run.simulated for run in runs)),
        "millisecondsPerProposal": round(
            1000 * statistics.median(run.optimizer_seconds / max(1, len(run.best)) for run in runs), 2
        ),
    }


def _quartiles(values: Sequence[float | None], digits: int = 1) -> dict[str, float | None]:
    found = {label: quantile(values, share) for label, share in SHARES}
    return {label: None if value is None else round(value, digits) for label, value in found.items()}


def _minutes(run: Run, ratio: str) -> float | None:
    """Modelled minutes until the incumbent was so near; None: it was not, or time is not modelled."""
    count = run.profiles_to[ratio]
    return run.elapsed[count - 1] / 60 if count is not None and run.elapsed else None


def _final(run: Run, optimum: float | None) -> float | None:
    last = run.best[-1] if run.best else None
    if last is None or not optimum or not last:
        return None
    return max(last / optimum, optimum / last)


def table(document: dict[str, Any]) -> str:
    """The summary as a table in Markdown."""
    lines = [
        "| | to 10 % | to 5 % | to 1 % | seeds within 1 % | minutes to 1 % | ms a proposal |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in document["algorithms"].items():
        cells = [cell(found["profilesTo"][ratio]) for ratio in RATIOS]
        share = f"{found['seedsWithin'][RATIOS[-1]]}/{found['seeds']}"
        minutes = cell(found["minutesTo"][RATIOS[-1]])
        lines.append("| " + " | ".join([name, *cells, share, minutes, f"{found['millisecondsPerProposal']:g}"]) + " |")
    return "\n".join(lines)


def cell(found: dict[str, float | None]) -> str:
    """Median and quartiles; a dash stands for what half of the seeds, or a quarter, did not reach."""
    if found["median"] is None:
        return "-"
    low, middle, high = ("-" if found[label] is None else f"{found[label]:g}" for label, _ in SHARES)
    return f"{middle} ({low} to {high})"


def json_text(document: object) -> str:
    """As it is stored."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
