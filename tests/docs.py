"""Runs the commands of the documentation: python -m tests.docs README.md docs

A fenced block is run if its first line is marked so: ```sh run. Blocks run in the root of the checkout, each in a
shell of its own (`sh -eu`), with .venv/bin first on the PATH. What needs a cluster or a long time stays unmarked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```sh run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 900


def blocks(paths: Sequence[Path]) -> Iterator[tuple[Path, int, str]]:
    """File, line of the first command and commands of every marked block."""
    for path in paths:
        for file in sorted(path.rglob("*.md")) if path.is_dir() else [path]:
            text = file.read_text(encoding="utf-8")
            for match in BLOCK.finditer(text):
                yield file, text.count("\n", 0, match.start(1)) + 1, match[1]


def main(arguments: Sequence[str]) -> int:
    """Run all; 1 if any failed."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = failed = 0
    for file, line, commands in blocks([Path(argument) for argument in arguments]):
        ran += 1
        done = subprocess.run(
            ["sh", "-euc", commands],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        sys.stdout.write(f"{file}:{line}: {'ok' if done.returncode == 0 else f'exit code {done.returncode}'}\n")
        if done.returncode:
            failed += 1
            sys.stdout.write(done.stdout + done.stderr)
    sys.stdout.write(f"{ran} marked block(s) of documentation run, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
