"""The suites of Megatron and vLLM: in the profilers' environment (environment.py), which `make test-profilers` makes.

In any other environment they are skipped and say so. The real pods (test_real_pods.py) are the other way round: they
need the operator's environment, and the profilers' one as a folder to put into pods.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FRAMEWORKS = ("torch", "megatron", "vllm")
ABSENT = [name for name in FRAMEWORKS if importlib.util.find_spec(name) is None]


class Unavailable(pytest.Module):
    """A file of tests whose framework is not there: importing it would fail."""

    def collect(self):
        pytest.skip(f"{', '.join(ABSENT)} not installed here: make test-profilers", allow_module_level=True)


def pytest_configure(config: pytest.Config) -> None:
    if not ABSENT:
        # What the frameworks warn of is theirs to mend. It begins with their import, before any test.
        config.addinivalue_line("filterwarnings", "ignore")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if ABSENT and module_path.parent != HERE:
        return Unavailable.from_parent(parent, path=module_path)
    return None
