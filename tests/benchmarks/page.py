"""`docs/benchmarks/README.md`, from the summaries that lie beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.accuracy import PROFILES
from tests.benchmarks.cost import ASSUMPTION
from tests.benchmarks.suites import SUITES, Suite
from tests.benchmarks.summary import cell, table
from tests.benchmarks.testbed.jobs import beds
from tests.benchmarks.verdicts import MARKS, glance, median, noisy
from tests.benchmarks.verdicts import parts as parts_in_words

Document = Mapping[str, Any]

BEDS = "\n".join(f"  - `{bed.name}`: {bed.about}." for bed in beds())
HEAD = f"""# Benchmarks

Made by `python -m tests.benchmarks` (its `--help` says how to make parts of it); every figure below comes from the JSON
files in this directory.

Nothing here was measured on a GPU. A landscape is a table of a whole search space, and a profile is a look-up:

- `calculon-*`, `simumax-*`, `aiconfigurator-*` were modelled by third parties' tools. **They are no blind test**: the
  engine and its simulators were developed with these tables in sight, though no row of them is in the code.
- `testbed-*` is [our own model](../../tests/benchmarks/testbed): an event simulation of A100 and A40 nodes with
  quirks, out-of-memory, failures and noise, which shares no code with the simulators that the engine sees
  ([ADR 0018](../adr/0018-modelled-testbed.md)). `python -m tests.benchmarks.testbed --output DIR` writes its tables.
  They served to check changes of the engine: no blind test either.
{BEDS}

Trial 0 is the default configuration, and infeasible profiles count. The columns say how many profiles the incumbent
needed to come within 10, 5 and 1 % of the best feasible row: median over the seeds, and the quartiles. A seed that did
not get there within the budget counts as infinitely long; `-`: so did half of them.

The rivals are written to be strong: every move into an invalid combination is repaired, never rejected; infeasible
starts are ranked by how far they are off; CherryPick's stopping rule is off. `metis` sees the same simulators as
`autoscout`; the others see none. Milliseconds are CPU time in deciding what to profile, on one core of a busy machine.

{ASSUMPTION}
"""

VERDICTS = {"ablations": parts_in_words, "ablations-scored": parts_in_words, "simulator-noise": noisy}
"""What stands above the tables of a suite."""


def page(directory: Path) -> str:
    """The page in Markdown."""
    parts = [HEAD]
    # One variant alone compares nothing.
    found = {name: [each for each in _documents(directory / name) if len(each["algorithms"]) > 1] for name in SUITES}
    if found["rivals"]:
        bare = {each["landscape"]: each["algorithms"] for each in found["profiles-only"]}
        parts.append(glance(found["rivals"], bare))
    for name, suite in SUITES.items():
        if found[name]:
            verdict = VERDICTS[name](found[name]) if name in VERDICTS else ""
            parts += [_heading(suite), *filter(None, [verdict])]
            parts += [_section(directory, name, document) for document in found[name]]
    if accuracies := _documents(directory / "predict"):
        parts.append(_accuracies(accuracies))
    return "\n".join(parts)


def _documents(directory: Path) -> list[Document]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(directory.glob("*.json"))]


def _heading(suite: Suite) -> str:
    figure = f" ({suite.figure} of the paper)" if suite.figure else ""
    return f"## {suite.title}{figure}\n" + (f"\n{suite.note}\n" if suite.note else "")


def _section(directory: Path, suite: str, document: Document) -> str:
    landscape = document["landscape"]
    seeds = sorted({found["seeds"] for found in document["algorithms"].values()})
    said = f"{' to '.join(map(str, {seeds[0]: 0, seeds[-1]: 0}))} seeds, budget {document['budget']} profiles"
    said += f", noise {document['noise']:g}" if document["noise"] else ""
    pictures = [f"![convergence]({suite}/{landscape}.svg)"]
    if (directory / suite / f"{landscape}-time.svg").exists() and suite == "rivals":
        pictures.append(f"![against modelled time]({suite}/{landscape}-time.svg)")
    final = _finals(document) if document["noise"] else ""
    absent = [variant.name for variant in SUITES[suite].variants if variant.name not in document["algorithms"]]
    said += f". Not run here: {', '.join(absent)}" if absent else ""
    shown = "\n\n".join(pictures)
    return f"### {landscape}\n\n{said}.\n\n{table(dict(document))}\n{final}\n{shown}\n{_losses(document)}"


def _finals(document: Document) -> str:
    """Under noise what counts is where a search ends."""
    ends = ", ".join(f"{name} {cell(found['finalOverOptimum'])}" for name, found in document["algorithms"].items())
    return f"\nTrue value of the last incumbent over the optimum: {ends}.\n"


def _losses(document: Document) -> str:
    """Where AutoScout needs more profiles than another, in words: nobody should have to look for it."""
    algorithms = document["algorithms"]
    own = next(
        (name for name in ("autoscout", "autoscout without simulators", "all parts") if name in algorithms), None
    )
    if own is None:
        return ""
    lines = []
    for ratio, label, _ in MARKS:
        needed = median(algorithms[own], ratio)
        ahead = [name for name, each in algorithms.items() if name != own and median(each, ratio) < needed]
        if ahead:
            lines.append(f"\nAhead of {own} on the way to {label}: {', '.join(ahead)}.\n")
    return "".join(lines)


def _accuracies(documents: list[Document]) -> str:
    what = (
        "Rank correlation and mean absolute percentage error of the first objective over the rows that run; precision "
        "and recall of out-of-memory.\n"
    )
    lines = [
        "## What `autoscout predict` knows without a profile\n",
        what,
        "| | rows | rank correlation | MAPE | OOM rows | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for found in documents:
        error = f"{100 * found['mape']:.0f} %"
        precision, recall = (_share(found[name]) for name in ("oomPrecision", "oomRecall"))
        lines.append(
            f"| {found['landscape']} | {found['rows']} | {found['rankCorrelation']:.2f} | {error} "
            f"| {found['oomRows']} | {precision} | {recall} |"
        )
    return "\n".join([*lines, "", _intervals(documents)])


def _intervals(documents: list[Document]) -> str:
    what = (
        "How many of the rows that were not profiled lie in the 90 % interval of `simulators.calibration`, before any "
        "profile and after some at random (mean of 10 draws), and the factor by which the interval reaches beyond the "
        "prediction on either side (median). 90 % is what it should hold: more is too wide, less too narrow.\n"
    )
    lines = [
        "### What their intervals hold\n",
        what,
        f"| | metric | {' | '.join(f'{count} profiles' for count in PROFILES)} |",
        "|---|---|" + "---|" * len(PROFILES),
    ]
    shares: dict[int, list[float]] = {count: [] for count in PROFILES}
    for found in documents:
        for each in found["intervals"]:
            known = {after["profiles"]: after for after in each["after"]}
            for count, after in known.items():
                shares[count].append(after["within90"])
            cells = " | ".join(_interval(known.get(count)) for count in PROFILES)
            lines.append(f"| {found['landscape']} | {each['metric']} | {cells} |")
    means = " | ".join(f"{100 * sum(each) / len(each):.0f} %" if each else "-" for each in shares.values())
    return "\n".join([*lines, f"| mean | | {means} |", ""])


def _interval(after: Document | None) -> str:
    return "-" if after is None else f"{100 * after['within90']:.0f} %, x{after['width90']:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
