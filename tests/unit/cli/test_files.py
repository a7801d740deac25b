"""Files that commands write: whole or not at all, and nothing else is replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from autoscout.cli.files import UnwritableError, write


def test_a_pipe_stays_a_pipe_and_gets_the_text(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, "text")
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_what_a_link_names_is_written_and_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("result.json")
    write(tmp_path / "link.json", "text")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "result.json").read_text() == "text"


def test_where_nothing_can_be_written_the_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("whole")
    with pytest.raises(UnwritableError, match="can't be written"):
        write(tmp_path / "file" / "below.json", "text")
    with pytest.raises(UnwritableError, match="can't be written"):
        write(tmp_path, "text")
    assert (tmp_path / "file").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
