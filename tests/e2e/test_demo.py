"""The quickstart on this machine, as `make demo` runs it: real measurements, a real interruption, a real crash."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.noise import pessimistic

from autoscout.cli.ledger_file import read
from autoscout.search.outcome import Measured

QUICKSTART = Path(__file__).resolve().parents[2] / "docs/examples/quickstart.yaml"
SECONDS = 600


def command(directory: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "autoscout", "tune", str(QUICKSTART), "--directory", str(directory), *options]


def tune(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(directory, *options), capture_output=True, text=True, timeout=SECONDS, check=False, cwd=directory.parent
    )


@contextmanager
def tuning(directory: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(directory, *options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory.parent
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return
    raise AssertionError(f"{words!r} was never printed:\n{''.join(lines)}")


def written(directory: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((directory / "result.json").read_text())
    return result


def bound(trial: dict[str, Any]) -> float:
    return pessimistic(trial["metrics"]["milliseconds_per_call"], trial["samples"]["milliseconds_per_call"])


def test_the_quickstart_finds_a_configuration_and_the_command_that_runs_it(tmp_path: Path) -> None:
    done = tune(tmp_path / "run", "--budget", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    result = written(tmp_path / "run")
    assert result["cost"]["profiled"] == 4
    assert result["default"]["configuration"] == {"algorithm": "naive", "layout": "rows", "threads": 1}
    best = min((trial for trial in result["trials"] if trial["metrics"]["peak_memory_mib"] <= 64), key=bound)
    assert result["best"]["configuration"] == best["configuration"]
    default, found = (trial["metrics"]["milliseconds_per_call"] for trial in (result["default"], best))
    assert result["speedup"] == pytest.approx(default / found, rel=1e-3)
    assert all(len(trial["samples"]["milliseconds_per_call"]) == 15 for trial in result["trials"])
    assert all(trial["metrics"]["peak_memory_mib"] > 0 for trial in result["trials"])
    assert f"  {result['best']['command']}\n" in done.stdout
    assert (tmp_path / "run/report.html").stat().st_size > 5000


def test_the_printed_command_and_the_script_run_the_best_configuration(tmp_path: Path) -> None:
    tune(tmp_path / "run", "--budget", "1")
    printed = written(tmp_path / "run")["best"]["command"]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for shell in (["sh", "-c", printed], ["sh", str(tmp_path / "run/launch.sh")]):
        done = subprocess.run(shell, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        assert '"milliseconds_per_call"' in done.stdout


def test_control_c_keeps_the_ledger_and_resume_goes_on(tmp_path: Path) -> None:
    with tuning(tmp_path / "run", "--budget", "3") as process:
        wait_for(process, "trial 1 starts")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, rest
    assert "--resume" in rest
    before = read(tmp_path / "run")[1].ledger

    resumed = tune(tmp_path / "run", "--budget", "3", "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    after = read(tmp_path / "run")[1].ledger
    assert after.profiled == 3
    assert [entry.trial for entry in after.entries[: len(before.entries)]] == [entry.trial for entry in before.entries]
    assert after.entries[0] == before.entries[0]
    assert all(sum(attempt.counts for attempt in entry.attempts) == 1 for entry in after.entries)


def test_a_crash_loses_no_profile_and_measures_none_twice(tmp_path: Path) -> None:
    with tuning(tmp_path / "run", "--budget", "3") as process:
        wait_for(process, "trial 1 starts")
        process.kill()
        process.communicate(timeout=SECONDS)
    before = read(tmp_path / "run")[1].ledger
    assert isinstance(before.entries[0].outcome, Measured)

    resumed = tune(tmp_path / "run", "--budget", "3", "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    after = read(tmp_path / "run")[1].ledger
    assert after.entries[0] == before.entries[0]
    assert [attempt.reason for entry in after.entries for attempt in entry.attempts] == ["Measured"] * 3
    assert sorted(path.name for path in (tmp_path / "run/attempts").iterdir()) == ["0-0", "1-0", "2-0"]
