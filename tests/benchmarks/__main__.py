"""Reproduce every benchmark: `python -m tests.benchmarks`. See docs/benchmarks/README.md.

Runs are kept in --runs as they are made; a command that was cut off, or widened, makes only what is missing.
Figures and page in --output are written at the end, from all runs that are there.

    python -m tests.benchmarks --seeds 3 --suites rivals --output /somewhere        a quick look
    python -m tests.benchmarks --suites rivals --algorithms cherrypick tpe          some columns first
    python -m tests.benchmarks --landscapes 'testbed-*' --suites ablations          some landscapes only
    python -m tests.benchmarks --algorithms autoscout --force                       after a change of the engine
    python -m tests.benchmarks --suites none                                        only the page, from what is there

A run without noise ends as soon as its incumbent is within 1 % of the optimum, as `endedWithin` says in the JSON.
"""

# ruff: noqa: T201 - a command prints

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.accuracy import accuracy
from tests.benchmarks.page import page
from tests.benchmarks.store import Case, Store
from tests.benchmarks.suites import SUITES, Suite, Variant
from tests.benchmarks.summary import json_text, summary
from tests.benchmarks.testbed.jobs import beds
from tests.benchmarks.testbed.tables import current, write
from tests.benchmarks.work import Source, Unit, landscape, made, sources, split

from autoscout.baselines import NEEDS
from autoscout.report.benchmark import Results
from autoscout.report.convergence import convergence, wall_clock
from autoscout.report.words import duration

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT.parent / "shared" / "landscapes"
BUILD = ROOT / "build" / "benchmarks"
NONE = "none"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    options = _options(arguments)
    found = _sources(options)
    if not found:
        print(f"{_said(options.tables)}: there is no pair NAME.yaml and NAME.csv.gz", file=sys.stderr)
        return 2
    suites = {name: SUITES[name] for name in options.suites if name != NONE}
    store = Store(options.runs)
    units = _units(suites, found, store, options)
    _make(units, store, options.workers)
    for source in found:
        for name, suite in SUITES.items():
            _figures(name, suite, source, store, options)
        _accuracy(source, options.output)
    (options.output / "README.md").write_text(page(options.output), encoding="utf-8")
    print(f"Written: {options.output / 'README.md'}")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--tables", type=Path, nargs="+", metavar="DIRECTORY", default=[TABLES], help=f"landscapes of others; {TABLES}")
    add("--no-testbed", action="store_true", help="leave the modelled testbed out (else its tables are made on demand)")
    add("--landscapes", nargs="+", metavar="NAME", default=["*"], help="only these; * and ? are wildcards")
    add("--suites", nargs="+", choices=[*SUITES, NONE], default=list(SUITES), metavar="SUITE", help=", ".join(SUITES))
    add("--algorithms", nargs="+", metavar="NAME", default=["*"], help="run only these, by search.algorithm")
    add("--variants", nargs="+", metavar="NAME", default=["*"], help="run only these, by their names in the tables")
    add("--seeds", type=int, default=20, help="of each variant: 0 to SEEDS - 1; default 20")
    add("--budget", type=int, default=200, help="profiles of each run; default 200")
    add("--workers", type=int, default=2, help="processes; default 2")
    add("--force", action="store_true", help="make again what is asked for, even if it is there")
    add("--runs", type=Path, default=BUILD / "runs", metavar="DIRECTORY", help="where runs are kept")
    add("--output", type=Path, default=ROOT / "docs" / "benchmarks", metavar="DIRECTORY", help="figures and page")
    return parser.parse_args(arguments)


def _sources(options: argparse.Namespace) -> list[Source]:
    directories = list(options.tables)
    if not options.no_testbed:
        tables = BUILD / "testbed"
        for bed in beds():
            if _matches(bed.name, options.landscapes) and not current(bed, tables):
                print(f"making the table {bed.name}", flush=True)
                write(bed, tables)
        directories.append(tables)
    return [source for source in sources(directories) if _matches(source.name, options.landscapes)]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _said(directories: Sequence[Path]) -> str:
    return ", ".join(map(str, directories))


def _units(suites: dict[str, Suite], found: list[Source], store: Store, options: argparse.Namespace) -> list[Unit]:
    """What is asked for and missing; a run that two suites want is made once, as far as the more demanding one goes."""
    wanted: dict[Case, Unit] = {}
    for suite in suites.values():
        for source in found:
            if not suite.covers(source.name):
                continue
            for variant in suite.variants:
                if not _asked_for(variant, options) or not _installed(variant.algorithm):
                    continue
                case = Case.of(source.name, source.digest, variant, suite.noise, suite.budget(options.budget))
                until = suite.until
                if case in wanted:
                    until = _further(until, wanted[case].until)
                wanted[case] = Unit(source, case, variant, until, tuple(range(options.seeds)))
    units: list[Unit] = []
    for case, unit in wanted.items():
        if options.force:
            store.forget(case)
        if seeds := store.missing(case, unit.seeds, unit.until):
            units += split(replace(unit, seeds=tuple(seeds)))
    return units


def _asked_for(variant: Variant, options: argparse.Namespace) -> bool:
    return _matches(variant.algorithm, options.algorithms) and _matches(variant.name, options.variants)


def _installed(algorithm: str) -> bool:
    return all(find_spec(package) is not None for package in NEEDS.get(algorithm, ()))


def _further(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else min(first, second)


def _make(units: list[Unit], store: Store, workers: int) -> None:
    """Make the runs, keep each unit's as soon as they are there, and say how long it will take."""
    total, done, began = sum(len(unit.seeds) for unit in units), 0, time.monotonic()
    print(f"{total} runs to make", flush=True)
    for unit, runs in made(units, workers):
        store.add(unit.case, unit.until, runs)
        done += len(runs)
        left = (time.monotonic() - began) / done * (total - done)
        needed = ", ".join(str(run.profiles_to["1.01"] or "-") for run in runs)
        print(
            f"[{done}/{total}, about {duration(left)} left] {unit.case.landscape} {unit.case.algorithm} "
            f"{unit.case.settings} seeds {unit.seeds[0]} to {unit.seeds[-1]}: profiles to 1 %: {needed}",
            flush=True,
        )


def _figures(name: str, suite: Suite, source: Source, store: Store, options: argparse.Namespace) -> None:
    """Write JSON and pictures of one suite on one landscape, from the runs that there are."""
    if not suite.covers(source.name):
        return
    runs = []
    for variant in suite.variants:
        case = Case.of(source.name, source.digest, variant, suite.noise, suite.budget(options.budget))
        fitting = store.fitting(case, range(options.seeds), suite.until)
        runs += [replace(run, algorithm=variant.name) for run in fitting]
    if not runs:
        return
    table = landscape(source)
    metric = table.problem.objectives[0].metric
    results = Results(source.name, metric, table.optimum, suite.budget(options.budget), tuple(runs))
    directory = options.output / name
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        f"{source.name}.json": json_text(summary(results, noise=suite.noise, until=suite.until)),
        f"{source.name}.svg": convergence(results),
        f"{source.name}-time.svg": wall_clock(results),
    }
    for file, content in contents.items():
        if content:
            (directory / file).write_text(content, encoding="utf-8")


def _accuracy(source: Source, output: Path) -> None:
    found = accuracy(landscape(source))
    if found is None:
        return
    directory = output / "predict"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{source.name}.json").write_text(json_text(found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
