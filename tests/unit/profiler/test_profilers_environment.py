"""The environment of the profilers' tests, up to the point where something would be installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.profilers import environment

SCRIPT = Path(environment.__file__)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOSCOUT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_another_version_is_another_folder_and_a_comment_is_not(cache, tmp_path, monkeypatch):
    copies = tmp_path / "requirements"
    copies.mkdir()
    for part in environment.PARTS:
        (copies / f"{part}.txt").write_text((environment.REQUIREMENTS / f"{part}.txt").read_text())
    monkeypatch.setattr(environment, "REQUIREMENTS", copies)
    before = environment.location()
    assert before.parent == cache / "profilers"

    megatron = copies / "megatron-cpu.txt"
    megatron.write_text(megatron.read_text() + "\n# A remark.\n")
    assert environment.location() == before
    megatron.write_text(megatron.read_text().replace("megatron-core==0.16.1", "megatron-core==0.16.2"))
    assert environment.location() != before


def test_torch_is_pinned_to_its_build_for_cpus_wherever_it_is_named():
    for part in ("megatron-cpu", "vllm-cpu"):
        assert "torch==2.13.0+cpu\n" in (environment.REQUIREMENTS / f"{part}.txt").read_text()
    assert environment.WHEEL.startswith("torch-2.13.0+cpu-cp311")


def test_without_the_wheel_nothing_is_made_and_the_way_out_is_told(cache, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "AUTOSCOUT_WHEELS": str(wheels)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == environment.UNAVAILABLE
    assert done.stdout == ""
    assert f"is not in {wheels}" in done.stderr
    assert "AUTOSCOUT_WHEELS" in done.stderr
    assert not environment.location().exists()


def test_asking_where_it_is_installs_nothing(cache):
    done = subprocess.run([sys.executable, str(SCRIPT), "--locate"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(environment.location())
    assert not cache.exists()


def test_what_is_complete_is_used_as_it_is(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOSCOUT_WHEELS", str(tmp_path / "missing"))
    directory = environment.location()
    directory.mkdir(parents=True)
    for part in environment.PARTS:
        (directory / f".{part}.installed").touch()
    environment.ensure(directory)
    (directory / f".{environment.PARTS[-1]}.installed").unlink()
    assert environment.missing_parts(directory) == [environment.PARTS[-1]]
    with pytest.raises(environment.UnavailableError, match="torch"):
        environment.ensure(directory)
