"""Finished runs on disk, so that a benchmark that was cut off goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.suites import Variant

from autoscout.search.benchmark import Run


@dataclass(frozen=True)
class Case:
    """What a run depends on, its seed aside.

    Attributes:
        table: digest of the landscape's two files.
    """

    landscape: str
    table: str
    algorithm: str
    settings: str
    noise: float
    budget: int

    @staticmethod
    def of(landscape: str, table: str, variant: Variant, noise: float, budget: int) -> Case:
        """The case of a variant, whatever it is called in a suite."""
        settings = json.dumps(dict(variant.settings), sort_keys=True)
        return Case(landscape, table, variant.algorithm, settings, noise, budget)


@dataclass(frozen=True)
class Store:
    """One file a case, under the name of the landscape."""

    directory: Path

    def load(self, case: Case) -> dict[int, tuple[float | None, Run]]:
        """By seed: the ratio at which the run was ended (None: not at all), and the run."""
        try:
            document = json.loads(self._path(case).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {each["seed"]: (each.pop("until"), _run(each)) for each in document["runs"]}

    def fitting(self, case: Case, seeds: Sequence[int], until: float | None) -> list[Run]:
        """The runs of these seeds that went at least so far."""
        known = self.load(case)
        return [known[seed][1] for seed in seeds if seed in known and _goes_as_far(known[seed][0], until)]

    def missing(self, case: Case, seeds: Sequence[int], until: float | None) -> list[int]:
        """The seeds without such a run."""
        there = {run.seed for run in self.fitting(case, seeds, until)}
        return [seed for seed in seeds if seed not in there]

    def add(self, case: Case, until: float | None, runs: Iterable[Run]) -> None:
        """Keep runs beside those that are there."""
        known = self.load(case) | {run.seed: (until, run) for run in runs}
        document = {
            "case": vars(case),
            "runs": [{"until": ended, **_plain(run)} for _, (ended, run) in sorted(known.items())],
        }
        path = self._path(case)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".partial")
        beside.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
        beside.replace(path)

    def forget(self, case: Case) -> None:
        """Drop what is known of a case."""
        self._path(case).unlink(missing_ok=True)

    def _path(self, case: Case) -> Path:
        digest = hashlib.sha256(json.dumps(vars(case), sort_keys=True).encode()).hexdigest()[:12]
        return self.directory / case.landscape / f"{case.algorithm}-{digest}.json"


def _goes_as_far(ended: float | None, wanted: float | None) -> bool:
    return ended is None or (wanted is not None and ended <= wanted)


def _plain(run: Run) -> dict[str, Any]:
    return {**vars(run), "profiles_to": dict(run.profiles_to)}


def _run(document: dict[str, Any]) -> Run:
    lists = {name: tuple(document[name]) for name in ("best", "elapsed")}
    return Run(**{**document, **lists})
