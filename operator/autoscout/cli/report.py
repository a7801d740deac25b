"""`autoscout report`: what a ledger says, without going on with it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from autoscout.api import convert
from autoscout.api.errors import ApiError
from autoscout.cli.files import UnwritableError
from autoscout.cli.ledger_file import LedgerError, read
from autoscout.cli.results import result_of, write
from autoscout.report.text import text


def report(directory: Path, json_to: Path | None, html_to: Path | None, console: Console, errors: Console) -> int:
    """Print the result and write the files that were asked for; the exit code."""
    try:
        header, state = read(directory)
        job = convert.job(header.job)
        found = result_of(job, convert.problem(job), state)
    except (LedgerError, ApiError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console.print(text(found), end="", markup=False, highlight=False, soft_wrap=True)
    try:
        write(found, json_to=json_to, html_to=html_to)
    except UnwritableError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    return 0
