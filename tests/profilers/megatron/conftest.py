"""Models that were trained once for all tests that look at them, and profiles under their supervisor."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.profilers.megatron.cases import SAMPLE_LENGTHS, TOKENS, cases
from tests.profilers.megatron.profiles import ENVIRONMENT

from autoscout_profiler.megatron.prepare import main as prepare

WORKER = Path(__file__).parent / "worker.py"
SECONDS = 3600
"""Longest time for all cases of one number of ranks, on a busy machine."""

Trained = Callable[[int, str], dict[str, Any]]


@pytest.fixture(scope="session")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of `SAMPLE_LENGTHS` bytes, twice."""
    folder = tmp_path_factory.mktemp("tokens")
    letters = "the quick brown fox jumps over the lazy dog, and the dog sleeps on; "
    texts = [(letters[number:] + letters * 2)[:size] for number, size in enumerate(SAMPLE_LENGTHS * 2)]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert prepare([str(folder / "texts.jsonl"), "--tokenizer", "bytes", "--output", str(folder / "tokens")]) == 0
    return folder / "tokens.bin"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, token_file: Path) -> Trained:
    """What became of a case, by its number of ranks and its name: losses, and what each rank says of its model."""

    @cache
    def run(world: int) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(f"world{world}")
        given, results = folder / "cases.json", folder / "results.json"
        given.write_text(json.dumps(cases(world)).replace(TOKENS, str(token_file)))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        done = subprocess.run(
            [*command, str(WORKER), str(given), str(results)],
            env=ENVIRONMENT,
            timeout=SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-8000:]
        found: dict[str, Any] = json.loads(results.read_text())
        return found

    return lambda world, name: run(world)[name]
