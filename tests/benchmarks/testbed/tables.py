"""A problem of the testbed as a landscape: NAME.yaml and NAME.csv.gz, the same bytes on every machine."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from functools import cache
from pathlib import Path

import yaml
from tests.benchmarks.testbed.jobs import Bed

from autoscout.api import convert
from autoscout.space.search_space import SearchSpace


def space(bed: Bed) -> SearchSpace:
    """The search space of a problem."""
    document = {**bed.job, "spec": {**bed.job["spec"], "profile": {"command": ["unused"]}}}
    return convert.problem(convert.job(document)).space


def current(bed: Bed, directory: Path) -> bool:
    """Whether both files are there, written by the testbed as it is now."""
    made_by = directory / f"{bed.name}.testbed"
    return made_by.exists() and made_by.read_text(encoding="utf-8") == _state()


@cache
def _state() -> str:
    """SHA-256 of the testbed's own code."""
    code = (file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(b"".join(code)).hexdigest()


def write(bed: Bed, directory: Path) -> dict[str, int]:
    """Evaluate every valid configuration and write both files; how many rows have each status."""
    directory.mkdir(parents=True, exist_ok=True)
    searched = space(bed)
    names = list(searched.by_name)
    counts: dict[str, int] = {}
    rows, metrics = [], dict[str, None]()
    for configuration in searched.enumerate():
        given = dict(configuration)
        result = bed.evaluate(given)
        counts[result.status] = counts.get(result.status, 0) + 1
        metrics.update(dict.fromkeys(result.metrics))
        rows.append((given, result))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "status", *metrics])
    for given, result in rows:
        cells = [result.metrics.get(metric) for metric in metrics]
        writer.writerow(
            [
                *(given.get(name, "") for name in names),
                result.status,
                *("" if cell is None else f"{cell:.6g}" for cell in cells),
            ]
        )
    # Without a time stamp, so that equal tables are equal files.
    (directory / f"{bed.name}.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    (directory / f"{bed.name}.yaml").write_text(
        yaml.safe_dump(dict(bed.job), sort_keys=False, width=120), encoding="utf-8"
    )
    (directory / f"{bed.name}.testbed").write_text(_state(), encoding="utf-8")
    return counts
