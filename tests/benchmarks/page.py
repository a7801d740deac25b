"""`docs/benchmarks/README.md`, from the summaries that lie beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.benchmarks.suites import SUITES
from tests.benchmarks.summary import table

HEAD = """# Benchmarks

Made by `python -m tests.benchmarks`; every figure below comes from the JSON files in this directory.

Each landscape is a table of a whole search space whose rows were modelled by a third party's tool; a real profile is
a look-up. Trial 0 is the default configuration, and infeasible profiles count. The columns say how many profiles the
incumbent needed to come within 10, 5 and 1 % of the best feasible row: median over the seeds, and the quartiles. A
seed that did not get there within the budget counts as infinitely long; `-`: so did half of them.

The rivals are written to be strong: every move into an invalid combination is repaired, never rejected; infeasible
starts are ranked by how far they are off; CherryPick's stopping rule is off. `metis` sees the same simulators as
`autoscout`; the others see none. Milliseconds are CPU time in deciding what to profile, on one core.
"""


def page(directory: Path) -> str:
    """The page in Markdown."""
    parts = [HEAD]
    for name, suite in SUITES.items():
        found = [json.loads(file.read_text()) for file in sorted((directory / name).glob("*.json"))]
        if not found:
            continue
        note = f" ({suite.figure} of the paper)" if suite.figure else ""
        parts.append(f"## {suite.title}{note}\n")
        parts += [_section(name, document) for document in found]
    return "\n".join(parts)


def _section(suite: str, document: dict[str, Any]) -> str:
    landscape = document["landscape"]
    said = f"{document['seeds']} seeds, budget {document['budget']} profiles"
    said += f", noise {document['noise']:g}" if document["noise"] else ""
    picture = f"![convergence]({suite}/{landscape}.svg)"
    return f"### {landscape}\n\n{said}.\n\n{table(document)}\n\n{picture}\n{_losses(document)}"


def _losses(document: dict[str, Any]) -> str:
    """Where AutoScout needs more profiles than another, in words: nobody should have to look for it."""
    algorithms = document["algorithms"]
    if "autoscout" not in algorithms:
        return ""
    lines = []
    for ratio, label in (("1.05", "5 %"), ("1.01", "1 %")):
        own = _median(algorithms["autoscout"], ratio)
        ahead = [name for name, found in algorithms.items() if name != "autoscout" and _median(found, ratio) < own]
        if ahead:
            lines.append(f"\nAutoScout loses to {', '.join(ahead)} on the way to {label}.\n")
    return "".join(lines)


def _median(found: dict[str, Any], ratio: str) -> float:
    value = found["profilesTo"][ratio]["median"]
    return float("inf") if value is None else float(value)
