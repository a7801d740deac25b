"""Files that commands write."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import typer


class UnwritableError(Exception):
    """A file can't be written; the message names it and the way out."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path}: can't be written: {error.strerror or error}; choose another place")


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all; its directory is made if it is missing. `-` is the standard output.

    Raises:
        UnwritableError: it can't be.
    """
    if str(path) == "-":
        sys.stdout.write(text)
        return
    # What a link names is written, and not the link.
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe, such as /dev/stdout, must not become a file.
            path.write_text(text, encoding="utf-8")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise UnwritableError(path, error) from error


def write_all(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write texts by the name of their file into a directory, which is made if it is missing.

    Returns:
        The files.

    Raises:
        UnwritableError: one can't be.
    """
    written = []
    for name, text in texts.items():
        write(directory / name, text)
        written.append(directory / name)
    return written


def announced(generate: Callable[[Path], Iterable[Path]], directory: Path) -> int:
    """Generate files into a directory and name each; the exit code."""
    try:
        for path in generate(directory):
            typer.echo(path)
    except UnwritableError as error:
        typer.echo(f"error: --output {error}", err=True)
        return 2
    return 0
