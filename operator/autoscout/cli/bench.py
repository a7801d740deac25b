"""`autoscout bench`: algorithms side by side on a table of known outcomes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from autoscout.api import convert
from autoscout.api.errors import ApiError
from autoscout.baselines import ALGORITHMS, algorithm
from autoscout.cli.documents import only_document
from autoscout.cli.table import TableError, missing, read_table, statuses
from autoscout.report.benchmark import Results, json_text, text
from autoscout.report.convergence import convergence, reached
from autoscout.report.words import duration, number
from autoscout.search.benchmark import Run, Setup, run
from autoscout.search.landscape import Landscape
from autoscout.search.problem import Problem
from autoscout.space.parameter import SpaceError

RESULTS = "results.json"


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        settings: `key=value`, as typed.
        workers: processes; each makes whole runs.
    """

    job: Path
    table: Path
    algorithms: str
    output: Path
    seeds: int = 20
    first_seed: int = 0
    setup: Setup = field(default_factory=Setup)
    settings: tuple[str, ...] = ()
    workers: int = 1


class BenchError(Exception):
    """Nothing was started; the message says why."""


def bench(options: Options, console: Console, errors: Console) -> int:
    """Run the whole command; the exit code."""
    try:
        names = _names(options.algorithms)
        setup = Setup(options.setup.budget, options.setup.noise, _settings(options.settings), options.setup.parallelism)
        landscape = read_table(options.table, _problem(options.job), options.job.stem)
    except (BenchError, ApiError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except TableError as error:
        errors.print(f"error: {options.table}: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    _say(console, _beginning(landscape, options))
    _warn(landscape, errors)
    tasks = [(name, seed) for name in names for seed in range(options.first_seed, options.first_seed + options.seeds)]
    found: dict[tuple[str, int], Run] = {}
    try:
        for each in _runs(landscape, tasks, setup, options.workers):
            found[each.algorithm, each.seed] = each
            _say(console, _line(each, len(found), len(tasks)))
    except (SpaceError, ValueError, ModuleNotFoundError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    results = Results(
        landscape=landscape.name,
        metric=landscape.problem.objectives[0].metric,
        optimum=landscape.optimum,
        budget=setup.budget,
        runs=tuple(found[task] for task in tasks),
    )
    try:
        paths = _write(results, options.output)
    except OSError as error:
        errors.print(f"error: {options.output}: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    _say(console, f"\n{text(results)}\nWritten: {', '.join(map(str, paths))}")
    return 0


def _names(given: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if not names:
        raise BenchError(f"--algorithms is empty; there are: {', '.join(ALGORITHMS)}")
    for name in names:
        try:
            algorithm(name)
        except KeyError:
            raise BenchError(f"--algorithms: {name!r} is not known; there are: {', '.join(ALGORITHMS)}") from None
    return names


def _settings(given: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key.strip():
            raise BenchError(f"--settings: {each!r} is not KEY=VALUE")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise BenchError(f"--settings {key.strip()}: {value!r} is no YAML value; quote it") from None
    return found


def _problem(file: Path) -> Problem:
    try:
        document = only_document(file)
    except ValueError as error:
        raise BenchError(str(error)) from error
    try:
        return convert.problem(convert.job(_with_command(document)))
    except ApiError as error:
        raise BenchError(f"{file}: {error}") from error


def _with_command(document: object) -> object:
    """The job with some command, if it has none: a table is looked up, nothing is run."""
    spec = document.get("spec") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(spec, dict) or "profile" in spec:
        return document
    return {**document, "spec": {**spec, "profile": {"command": ["unused"]}}}


def _runs(landscape: Landscape, tasks: Sequence[tuple[str, int]], setup: Setup, workers: int) -> Iterator[Run]:
    if workers == 1:
        for name, seed in tasks:
            yield _run(landscape, name, seed, setup)
        return
    with ProcessPoolExecutor(min(workers, len(tasks)), initializer=_remember, initargs=(landscape, setup)) as pool:
        futures = [pool.submit(_remembered, name, seed) for name, seed in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run(landscape: Landscape, name: str, seed: int, setup: Setup) -> Run:
    return run(landscape, name, algorithm(name), seed, setup, time.process_time)


_WORKER: dict[str, tuple[Landscape, Setup]] = {}
"""What a worker process was started for: the table is sent once, not with every run."""


def _remember(landscape: Landscape, setup: Setup) -> None:
    _WORKER["task"] = (landscape, setup)


def _remembered(name: str, seed: int) -> Run:
    landscape, setup = _WORKER["task"]
    return _run(landscape, name, seed, setup)


def _beginning(landscape: Landscape, options: Options) -> str:
    kinds = ", ".join(f"{amount} {status}" for status, amount in statuses(landscape).items())
    metric = landscape.problem.objectives[0].metric
    return (
        f"{landscape.name}: {len(landscape.rows)} configurations ({kinds}); "
        f"optimum {number(landscape.optimum)} {metric}; {options.seeds} seeds"
    )


def _warn(landscape: Landscape, errors: Console) -> None:
    """Say what a reader of the figures has to know."""
    warnings = []
    if lacking := missing(landscape):
        warnings.append(f"the table has no row for {lacking} valid configurations; a profile of one counts as failed")
    if landscape.optimum is None:
        warnings.append("no row reports every objective and keeps every constraint: there is nothing to find")
    for each in warnings:
        errors.print(f"warning: {each}", markup=False, highlight=False, soft_wrap=True)


def _line(each: Run, done: int, tasks: int) -> str:
    best = next((value for value in reversed(each.best) if value is not None), None)
    needed = ", ".join(f"{ratio}: {'-' if count is None else count}" for ratio, count in each.profiles_to.items())
    return (
        f"[{done}/{tasks}] {each.algorithm} seed {each.seed}: best {number(best)} after {len(each.best)} profiles; "
        f"profiles to {needed} ({duration(each.optimizer_seconds)})"
    )


def _write(results: Results, directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        RESULTS: json_text(results),
        "convergence.svg": convergence(results),
        "reached.svg": reached(results),
    }
    paths = []
    for name, content in contents.items():
        if content:
            (directory / name).write_text(content, encoding="utf-8")
            paths.append(directory / name)
    return paths


def _say(console: Console, words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)
