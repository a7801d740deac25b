"""`autoscout bench`: algorithms side by side on a table of known outcomes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from autoscout.api import convert
from autoscout.api.errors import ApiError
from autoscout.baselines import ALGORITHMS, NEEDS, algorithm
from autoscout.cli.documents import only_document
from autoscout.cli.files import UnwritableError
from autoscout.cli.table import TableError, missing, read_table, statuses
from autoscout.report.benchmark import Results, json_text, text
from autoscout.report.convergence import convergence, reached
from autoscout.report.words import duration, number
from autoscout.search.benchmark import Run, Setup, run
from autoscout.search.landscape import Landscape
from autoscout.search.problem import Problem
from autoscout.search.settings import NAMES, SettingsError, read
from autoscout.space.parameter import SpaceError

RESULTS = "results.json"
AUTOSCOUT = "autoscout"
SETTINGS: Mapping[str, Sequence[str]] = {
    AUTOSCOUT: tuple(NAMES),
    "cherrypick": ("stopBelow",),
    "udo": ("exploration",),
}
"""What each algorithm reads of `search.settings`."""


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        settings: `key=value`, as typed; an algorithm gets those that it knows.
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
        setup = replace(options.setup, settings=_settings(options.settings, names))
        landscape = read_table(options.table, _problem(options.job), options.job.stem)
        _make(options.output)
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

    def results() -> Results:
        runs = tuple(found[task] for task in tasks if task in found)
        metric = landscape.problem.objectives[0].metric
        return Results(landscape.name, metric, landscape.optimum, setup.budget, runs)

    try:
        for each in _runs(landscape, tasks, setup, options.workers):
            found[each.algorithm, each.seed] = each
            # Written after every run: hours of work should survive an interruption.
            _write(options.output, {RESULTS: json_text(results())})
            _say(console, _line(each, len(found), len(tasks)))
        plots = {"convergence.svg": convergence(results()), "reached.svg": reached(results())}
        paths = [options.output / RESULTS, *_write(options.output, plots)]
    except (SpaceError, ValueError, ModuleNotFoundError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    except OSError as error:
        errors.print(f"error: {options.output}: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    _say(console, f"\n{text(results())}\nWritten: {', '.join(map(str, paths))}")
    return 0


def _make(output: Path) -> None:
    """Make the directory before hours of work go into it."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"--output {UnwritableError(output, error)}") from error


def _names(given: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if not names:
        raise BenchError(f"--algorithms is empty; there are: {', '.join(ALGORITHMS)}")
    for name in names:
        try:
            algorithm(name)
        except KeyError:
            raise BenchError(f"--algorithms: {name!r} is not known; there are: {', '.join(ALGORITHMS)}") from None
        if lacking := [package for package in NEEDS.get(name, ()) if find_spec(package) is None]:
            raise BenchError(
                f"--algorithms: {name} needs {' and '.join(lacking)}, which the base install leaves out: "
                "pip install 'autoscout[rivals]'"
            )
    return names


def _settings(given: Sequence[str], algorithms: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key.strip():
            raise BenchError(f"--settings: {each!r} is not KEY=VALUE")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise BenchError(f"--settings {key.strip()}: {value!r} is no YAML value; quote it") from None
    for key in found:
        if not any(_knows(name, key) for name in algorithms):
            known = {name: ", ".join(SETTINGS[name]) for name in algorithms if SETTINGS.get(name)}
            there = "; ".join(f"{name} has {settings}" for name, settings in known.items()) or "they have none"
            raise BenchError(f"--settings: {key!r} is none of the settings of {', '.join(algorithms)}; {there}")
    if AUTOSCOUT in algorithms:
        try:
            read(_given_to(AUTOSCOUT, found))
        except SettingsError as error:
            raise BenchError(f"--settings: {error}") from error
    return found


def _knows(algorithm_name: str, key: str) -> bool:
    """Whether a setting, or all below it, belongs to an algorithm."""
    return any(name == key or name.startswith(f"{key}.") for name in SETTINGS.get(algorithm_name, ()))


def _given_to(algorithm_name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if _knows(algorithm_name, key)}


def _problem(file: Path) -> Problem:
    try:
        document = only_document(file)
    except ValueError as error:
        raise BenchError(str(error)) from error
    try:
        return convert.problem(convert.job(_with_command(document)), looked_up=True)
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
    own = replace(setup, settings=_given_to(name, setup.settings))
    return run(landscape, name, algorithm(name), seed, own, time.process_time)


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


def _write(directory: Path, contents: Mapping[str, str]) -> list[Path]:
    """Write files whole or not at all; where there is nothing to show, none."""
    paths = []
    for name, content in contents.items():
        if content:
            beside = directory / f"{name}.partial"
            beside.write_text(content, encoding="utf-8")
            paths.append(beside.replace(directory / name))
    return paths


def _say(console: Console, words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)
