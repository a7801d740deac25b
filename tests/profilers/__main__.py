"""`make test-profilers`: the suites of this folder, each in the environment that it needs.

The frameworks' suites run in the profilers' environment, which is made first where it is missing; the real pods run in
this one. Where the profilers' environment can't be had, both are skipped, and the summary says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from .environment import CHECKOUT, InstallationError, UnavailableError, ensure, location

SUITES = "tests/profilers"
PODS = f"{SUITES}/test_real_pods.py"
NOTHING_SELECTED = 5
"""Exit code of pytest where its options select no test."""


def main(options: Sequence[str]) -> int:
    """Run all with these options for pytest; the first exit code that says that something failed."""
    directory = location()
    try:
        ensure(directory)
    except UnavailableError as error:
        sys.stderr.write(f"--- the profilers' environment can't be had here: {error}\n")
        return _pytest(sys.executable, SUITES, *options)
    except InstallationError as error:
        sys.stderr.write(f"--- the profilers' environment could not be made: {error}\n")
        return 1
    sys.stderr.write(f"--- the profilers' environment: {directory}\n")
    frameworks = _pytest(str(directory / "bin/python"), SUITES, f"--ignore={PODS}", *options)
    pods = _pytest(sys.executable, PODS, *options, AUTOSCOUT_PROFILERS=str(directory))
    return frameworks or pods


def _pytest(python: str, *arguments: str, **variables: str) -> int:
    # The ranks of a profile are processes: more threads than one each would measure their quarrel.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run([python, "-m", "pytest", *arguments], cwd=CHECKOUT, env=environment, check=False)
    return 0 if done.returncode == NOTHING_SELECTED else done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
