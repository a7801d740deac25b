"""Files that commands write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_all(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write texts by the name of their file into a directory, which is made if it is missing.

    Returns:
        The files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
