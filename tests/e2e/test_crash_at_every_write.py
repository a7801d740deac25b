"""The operator is killed at each of its writes in turn, just before and just after: the same ledger, nothing twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.fault_proxy import Blow, Cut, FaultProxy
from tests.support.kubectl import PATIENCE_SECONDS, Kubectl
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import many_profiles

pytestmark = [
    pytest.mark.cluster,
    # The proxy's connections end where the operator is killed; nobody closes them.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

PROFILES = {1: 2, 2: 1}
"""By the nodes of each."""
QUIET_SECONDS = 30
"""After this long, an operator whose search is complete has nothing left to write."""


@pytest.fixture
def proxy(operator_kubeconfig: Path, tmp_path: Path) -> Iterator[FaultProxy]:
    with FaultProxy(operator_kubeconfig, tmp_path) as started:
        yield started


@pytest.fixture
def proxied(kubectl: Kubectl, proxy: FaultProxy, tmp_path: Path) -> Iterator[OperatorProcess]:
    operator = OperatorProcess(proxy.kubeconfig, [str(kubectl.namespace)], tmp_path / "operator.log")
    yield operator
    operator.kill()


@pytest.mark.parametrize("nodes", [1, 2], ids=["one node", "two nodes"])
@pytest.mark.parametrize("cut", list(Cut), ids=lambda cut: cut.name.lower())
def test_a_crash_at_any_write_loses_nothing_and_repeats_nothing(
    kubectl: Kubectl,
    proxy: FaultProxy,
    proxied: OperatorProcess,
    cut: Cut,
    nodes: int,
    figure: Callable[[str, object], None],
) -> None:
    """Every life of the operator ends at the first write that did not end two lives already."""
    job = many_profiles(profiles=PROFILES[nodes], parallelism=1)
    job["spec"]["hardware"]["pools"][0]["nodes"] = nodes
    kubectl.apply(job)
    kills = 0
    while not _complete(kubectl):
        struck = threading.Event()

        def strike() -> None:
            proxied.kill()
            struck.set()  # noqa: B023 - each blow has its own event, and is over before the next one

        proxy.arm(Blow(cut, strike))
        proxied.start(wait=False)
        if not _falls(struck, kubectl):
            break
        kills += 1
    assert _complete(kubectl), proxied.tail()
    trials = kubectl.list("tuningtrials")
    assert sorted(trial["spec"]["number"] for trial in trials) == list(range(PROFILES[nodes]))
    for trial in trials:
        assert [attempt["reason"] for attempt in trial["status"]["attempts"]] == ["Measured"]
    jobs, pods = kubectl.list("jobs"), kubectl.list("pods")
    assert len(jobs) == PROFILES[nodes]
    assert len(pods) == PROFILES[nodes] * nodes, "each profile was started exactly once"
    kinds = {
        what.split()[0] + " " + what.split("/namespaces/")[1].split("/", 1)[1].split("/")[0] for what in proxy.struck
    }
    expected = {"POST tuningtrials", "POST jobs", "PUT tuningtrials", "PATCH jobs", "PUT tuningjobs"}
    assert kinds >= expected | ({"POST services"} if nodes > 1 else set())
    what = f"{PROFILES[nodes]} profile(s) over {nodes} node(s)"
    figure(f"killed {cut.value}", f"{kills} times in {what}, 0 lost, 0 started twice")


def _falls(blow: threading.Event, kubectl: Kubectl) -> bool:
    """Whether a life of the operator comes to a write that ends it; else it completed the search."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not blow.wait(QUIET_SECONDS):
        if _complete(kubectl) or time.monotonic() > deadline:
            return False
    return True


def _complete(kubectl: Kubectl) -> bool:
    conditions = (kubectl.get("tuningjob", "tune").get("status") or {}).get("conditions") or []
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)
