"""Reproduce every benchmark: `python -m tests.benchmarks`. See docs/benchmarks/README.md.

With fewer seeds and suites for a quick look:

    python -m tests.benchmarks --seeds 3 --suites rivals --output /somewhere
"""

# ruff: noqa: T201 - a command prints

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.page import page
from tests.benchmarks.suites import SUITES, Suite
from tests.benchmarks.summary import json_text, summary, table

from autoscout.api import convert
from autoscout.baselines import algorithm
from autoscout.cli.documents import documents
from autoscout.cli.table import read_table
from autoscout.report.benchmark import Results
from autoscout.report.convergence import convergence
from autoscout.search.benchmark import Run, Setup, run
from autoscout.search.landscape import Landscape

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    options = _options(arguments)
    landscapes = _landscapes(options.landscapes)
    if not landscapes:
        print(f"{options.landscapes}: there is no pair NAME.yaml and NAME.csv.gz", file=sys.stderr)
        return 2
    for name in options.suites:
        for landscape in landscapes:
            _suite(name, SUITES[name], landscape, options)
    (options.output / "README.md").write_text(page(options.output), encoding="utf-8")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--landscapes", type=Path, default=ROOT.parent / "shared" / "landscapes", metavar="DIRECTORY")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks", metavar="DIRECTORY")
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=list(SUITES), metavar="SUITE")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=200)
    return parser.parse_args(arguments)


def _landscapes(directory: Path) -> list[Landscape]:
    found = []
    for job in sorted(directory.glob("*.yaml")):
        table_file = job.with_suffix(".csv.gz")
        if table_file.exists():
            problem = convert.problem(convert.job(documents(job)[0]))
            found.append(read_table(table_file, problem, job.stem))
    return found


def _suite(name: str, suite: Suite, landscape: Landscape, options: argparse.Namespace) -> None:
    runs = []
    for variant in suite.variants:
        setup = Setup(options.budget, suite.noise, variant.settings)
        optimizer = algorithm(variant.algorithm)
        for seed in range(options.seeds):
            each: Run = run(landscape, variant.algorithm, optimizer, seed, setup, time.process_time)
            runs.append(replace(each, algorithm=variant.name))
            print(f"{name} {landscape.name} {variant.name} seed {seed}: {dict(each.profiles_to)}", flush=True)
    metric = landscape.problem.objectives[0].metric
    results = Results(landscape.name, metric, landscape.optimum, options.budget, tuple(runs))
    document = summary(results, seeds=options.seeds, noise=suite.noise)
    directory = options.output / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{landscape.name}.json").write_text(json_text(document), encoding="utf-8")
    (directory / f"{landscape.name}.svg").write_text(convergence(results), encoding="utf-8")
    print(table(document), flush=True)


if __name__ == "__main__":
    sys.exit(main())
