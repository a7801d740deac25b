"""What a suite found on one landscape: figures without the landscape's rows."""

from __future__ import annotations

import json
import statistics
from typing import Any

from autoscout.report.benchmark import Results, quantile
from autoscout.search.benchmark import RATIOS


def summary(results: Results, *, seeds: int, noise: float) -> dict[str, Any]:
    """Medians and quartiles of the profiles needed; None: half of the seeds or more did not get there."""
    return {
        "landscape": results.landscape,
        "budget": results.budget,
        "seeds": seeds,
        "noise": noise,
        "algorithms": {name: _one(results, name) for name in results.algorithms},
    }


def _one(results: Results, name: str) -> dict[str, Any]:
    runs = results.of(name)
    counts = {ratio: [run.profiles_to[ratio] for run in runs] for ratio in RATIOS}
    return {
        "profilesTo": {
            ratio: {label: quantile(found, share) for label, share in (("q25", 0.25), ("median", 0.5), ("q75", 0.75))}
            for ratio, found in counts.items()
        },
        "seedsWithin": {ratio: sum(count is not None for count in found) for ratio, found in counts.items()},
        "millisecondsPerProposal": round(
            1000 * statistics.median(run.optimizer_seconds / max(1, len(run.best)) for run in runs), 2
        ),
    }


def table(document: dict[str, Any]) -> str:
    """The summary as a table in Markdown."""
    lines = ["| | to 10 % | to 5 % | to 1 % | seeds within 1 % | ms a proposal |", "|---|---|---|---|---|---|"]
    for name, found in document["algorithms"].items():
        cells = [_cell(found["profilesTo"][ratio]) for ratio in RATIOS]
        share = f"{found['seedsWithin'][RATIOS[-1]]}/{document['seeds']}"
        lines.append("| " + " | ".join([name, *cells, share, f"{found['millisecondsPerProposal']:g}"]) + " |")
    return "\n".join(lines)


def _cell(found: dict[str, float | None]) -> str:
    if found["median"] is None:
        return "-"
    low, middle, high = ("-" if value is None else f"{value:g}" for value in found.values())
    return f"{middle} ({low} to {high})"


def json_text(document: dict[str, Any]) -> str:
    """As it is stored."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
