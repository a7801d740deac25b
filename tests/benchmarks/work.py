"""Making the runs that are missing, in processes of their own."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from tests.benchmarks import cost
from tests.benchmarks.store import Case
from tests.benchmarks.suites import Variant

from autoscout.api import convert
from autoscout.baselines import algorithm
from autoscout.cli.documents import only_document
from autoscout.cli.table import read_table
from autoscout.search.benchmark import Run, Setup, run
from autoscout.search.landscape import Landscape

SEEDS_OF_A_UNIT = 2
"""Seeds that one process makes before they are kept."""


@dataclass(frozen=True)
class Source:
    """The two files of a landscape."""

    job: Path

    @property
    def name(self) -> str:
        return self.job.stem

    @property
    def table(self) -> Path:
        return self.job.with_suffix(".csv.gz")

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.job.read_bytes() + self.table.read_bytes()).hexdigest()[:12]


@dataclass(frozen=True)
class Unit:
    """Some seeds of one case."""

    source: Source
    case: Case
    variant: Variant
    until: float | None
    seeds: tuple[int, ...]


def sources(directories: Sequence[Path]) -> list[Source]:
    """The landscapes in some directories, by name."""
    jobs = [job for directory in directories for job in directory.glob("*.yaml") if job.with_suffix(".csv.gz").exists()]
    return [Source(job) for job in sorted(jobs, key=lambda job: job.name)]


@lru_cache(maxsize=1)
def landscape(source: Source) -> Landscape:
    """Read a landscape; the last one is kept."""
    document = only_document(source.job)
    spec = document["spec"]  # type: ignore[index]
    with_profile = {**document, "spec": {"profile": {"command": ["unused"]}, **spec}}  # type: ignore[dict-item]
    return read_table(source.table, convert.problem(convert.job(with_profile)), source.name)


def split(unit: Unit) -> list[Unit]:
    """Into pieces that a process takes at once."""
    return [
        replace(unit, seeds=unit.seeds[first : first + SEEDS_OF_A_UNIT])
        for first in range(0, len(unit.seeds), SEEDS_OF_A_UNIT)
    ]


def make(unit: Unit) -> tuple[Run, ...]:
    """The runs of a unit.

    Raises:
        ModuleNotFoundError: the algorithm needs a package that is not installed.
    """
    setup = Setup(unit.case.budget, unit.case.noise, unit.variant.settings, until=unit.until, cost=cost.seconds)
    optimizer = algorithm(unit.variant.algorithm)
    table = landscape(unit.source)
    return tuple(run(table, unit.variant.algorithm, optimizer, seed, setup, time.process_time) for seed in unit.seeds)


def made(units: Sequence[Unit], workers: int) -> Iterator[tuple[Unit, tuple[Run, ...]]]:
    """All units, as they are done; with several workers each is a process with one thread for linear algebra."""
    if workers == 1:
        for unit in units:
            yield unit, make(unit)
        return
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(library, "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {pool.submit(make, unit): unit for unit in units}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
