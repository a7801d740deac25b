"""`autoscout validate FILE...`: check TuningJobs without running them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from autoscout.api.errors import FieldError
from autoscout.cli.documents import documents
from autoscout.executors import admission


def check(files: Iterable[Path], *, cluster: bool = True) -> tuple[list[str], bool]:
    """Check every document of every file.

    Args:
        cluster: whether the jobs are to run on a cluster; locally they need no image.

    Returns:
        The lines to print (`FILE: ok` or `FILE: spec.x.y: what is wrong`), and whether all is well.
    """
    lines: list[str] = []
    well = True
    for file in files:
        errors = list(_errors(file, cluster=cluster))
        lines += [f"{file}: {error}" for error in errors] or [f"{file}: ok"]
        well = well and not errors
    return lines, well


def _errors(file: Path, *, cluster: bool) -> Iterator[FieldError]:
    try:
        found = documents(file)
    except (OSError, ValueError) as error:
        yield FieldError("", error.strerror or str(error) if isinstance(error, OSError) else str(error))
        return
    if not found:
        yield FieldError("", "holds no TuningJob")
    for number, document in enumerate(found, start=1):
        prefix = f"document {number}: " if len(found) > 1 else ""
        for found_error in admission.check(document, cluster=cluster):
            yield FieldError(f"{prefix}{found_error.field}", found_error.message)
