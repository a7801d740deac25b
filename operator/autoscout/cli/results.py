"""From a ledger to a result, and from a result to files."""

from __future__ import annotations

from pathlib import Path

from autoscout.api.tuning_job import TuningJob
from autoscout.cli import files
from autoscout.cli.ledger_lines import Folded
from autoscout.launch.result import launched_result
from autoscout.report.document import json_text
from autoscout.report.html import html
from autoscout.report.result import Result
from autoscout.search.plan import Phase, Verdict
from autoscout.search.problem import Problem

JSON, HTML = "result.json", "report.html"
SCRIPT, MANIFEST = "launch.sh", "manifest.yaml"

CUT_OFF = Verdict(
    Phase.SEARCHING, "Unfinished", "the search still runs or was cut off; autoscout tune --resume goes on"
)
"""For a ledger whose last run left no verdict."""


def result_of(job: TuningJob, problem: Problem, state: Folded) -> Result:
    """What the ledger of this job says."""
    return launched_result(job, problem, state.ledger, verdict=state.verdict or CUT_OFF, seconds=state.elapsed)


def write(found: Result, *, json_to: Path | None, html_to: Path | None) -> None:
    """Write the files that are wanted; each is there as a whole or not at all. `-` is the standard output.

    Raises:
        files.UnwritableError: one can't be written.
    """
    if json_to is not None:
        files.write(json_to, json_text(found))
    if html_to is not None:
        files.write(html_to, html(found))


def write_launch(found: Result, directory: Path) -> list[Path]:
    """Write what runs the best configuration, as a script and as a manifest.

    Returns:
        The files; none where nothing feasible was found.

    Raises:
        files.UnwritableError: one can't be written.
    """
    contents = [(directory / SCRIPT, found.script), (directory / MANIFEST, found.manifest)]
    wanted = [(path, content) for path, content in contents if content]
    for path, content in wanted:
        files.write(path, content)
    return [path for path, _ in wanted]
