"""From a ledger to a result, and from a result to files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autoscout import __version__
from autoscout.api.tuning_job import TuningJob
from autoscout.cli.ledger_lines import Folded
from autoscout.executors.command import launch_line
from autoscout.report.document import json_text
from autoscout.report.html import html
from autoscout.report.result import Result, result
from autoscout.search.plan import Phase, Verdict
from autoscout.search.problem import Problem

JSON, HTML = "result.json", "report.html"

CUT_OFF = Verdict(
    Phase.SEARCHING, "Unfinished", "the search still runs or was cut off; autoscout tune --resume goes on"
)
"""For a ledger whose last run left no verdict."""


def result_of(job: TuningJob, problem: Problem, state: Folded) -> Result:
    """What the ledger of this job says."""
    return result(
        problem,
        state.ledger,
        name=job.metadata.name,
        verdict=state.verdict or CUT_OFF,
        engine_version=__version__,
        seconds=state.elapsed,
        commands={entry.trial.number: launch_line(job, entry.trial.configuration) for entry in state.ledger.entries},
    )


def write(found: Result, *, json_to: Path | None, html_to: Path | None) -> None:
    """Write the files that are wanted; each is there as a whole or not at all. `-` is the standard output.

    Raises:
        OSError: one can't be written.
    """
    if json_to is not None:
        _write(json_to, json_text(found))
    if html_to is not None:
        _write(html_to, html(found))


def _write(path: Path, text: str) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
