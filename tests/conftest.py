"""What all suites share: their order, the cluster, and the closing list of what ran and what did not."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from tests.cluster import Cluster, ClusterError, doctor, ensure

TESTS = Path(__file__).parent

# As the commands do, and before the libraries that read it are loaded. On busy cores several threads of linear algebra
# wait for each other most of the time, and their sums differ in the last digit from those of another number of cores.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# The machines are shared: how long one example takes says nothing about the code.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")

SUITES = {
    "unit": "the core and the edges, without processes",
    "property": "what holds for all inputs",
    "golden": "outputs, letter by letter",
    "contract": "one suite for every implementation of a seam",
    "cluster": "the test cluster itself",
    "integration": "against a real API server",
    "e2e": "from the command or kubectl apply to a result",
    "profilers": "Megatron and vLLM for real, on CPUs",
}
"""The suites, quick ones first: a folder each."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected outputs instead of comparing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(suite_of(item.path)))


def suite_of(path: Path) -> str:
    """The suite that a file belongs to: its first folder below tests/."""
    return path.resolve().relative_to(TESTS).parts[0]


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A real Kubernetes: the one that AUTOSCOUT_TEST_KUBECONFIG names, the one that runs, or one started for this run.

    One that was started here is stopped at the end. Without a way to have one, the test is skipped and says why.
    """
    if reasons := doctor():
        pytest.skip("no cluster: " + "; ".join(reasons))
    report = _reporter(request.config)
    try:
        cluster = ensure(report)
    except ClusterError as error:
        pytest.fail(f"the test cluster did not start: {error}", pytrace=False)
    yield cluster
    cluster.release(report)


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster) -> Path:
    """Path of the kubeconfig of a cluster administrator."""
    return cluster.admin_kubeconfig


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Notes a measured figure; the closing summary prints it."""

    def note(what: str, value: object) -> None:
        record_property("figure", (what, value))

    return note


def _reporter(config: pytest.Config):
    """Writes to the terminal at once: building the cluster's binaries takes minutes, and silence looks like a hang."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")

    def report(message: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.write_line(f"test cluster: {message}")

    return report


@dataclass
class Tally:
    """What became of one suite."""

    passed: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, object, object]:
    """What was run and what was not, and why; behind pytest's own lists."""
    result = yield
    if not config.option.collectonly:
        _summarize(terminalreporter, config)
    return result


def _summarize(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for kind, reports in terminalreporter.stats.items():
        for report in reports:
            if isinstance(report, pytest.TestReport | pytest.CollectReport):
                _count(tallies[suite_of(config.rootpath / report.fspath)], kind, report)
    terminalreporter.section("what was run, and what was not")
    for suite in sorted(tallies, key=_place):
        terminalreporter.write_line(f"{suite:12} {_told(tallies[suite])}  - {SUITES.get(suite, 'an unknown suite')}")
        for reason, amount in tallies[suite].skipped.most_common():
            terminalreporter.write_line(f"{'':12} {amount} not run: {reason}")
    if figures := list(_figures(terminalreporter)):
        terminalreporter.section("what was measured")
        for what, value in figures:
            terminalreporter.write_line(f"{what}: {value}")
    if rest := [suite for suite in SUITES if suite not in tallies]:
        terminalreporter.write_line(f"not selected: {', '.join(rest)}")


def _figures(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, object]]:
    for report in terminalreporter.stats.get("passed", ()):
        yield from (value for name, value in report.user_properties if name == "figure" and report.when == "call")


def _count(tally: Tally, kind: str, report: pytest.TestReport | pytest.CollectReport) -> None:
    if kind in {"failed", "error"}:
        tally.failed += 1
    elif kind == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        tally.skipped[reason.removeprefix("Skipped: ")] += 1
    elif kind in {"passed", "xfailed"} and report.when == "call":
        tally.passed += 1


def _told(tally: Tally) -> str:
    words = [f"{tally.passed} passed"]
    words += [f"{tally.failed} FAILED"] if tally.failed else []
    words += [f"{tally.skipped.total()} not run"] if tally.skipped else []
    return ", ".join(words)


def _place(suite: str) -> int:
    return list(SUITES).index(suite) if suite in SUITES else len(SUITES)
