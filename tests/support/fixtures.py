"""Fixtures of the suites that need a cluster: CRDs, namespaces, the operator with exactly its rights."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.kubectl import Kubectl, Object
from tests.support.operator_process import OperatorProcess

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "charts/autoscout/files/cluster-role.yaml"
SYSTEM = "autoscout-test-system"

_numbers = itertools.count()

StartOperator = Callable[..., OperatorProcess]


@pytest.fixture(scope="session")
def admin(kubeconfig: Path) -> Kubectl:
    """kubectl with the CRDs installed."""
    kubectl = Kubectl(kubeconfig)
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    for name in ("tuningjobs", "tuningtrials"):
        kubectl.wait("condition=Established", "crd", f"{name}.autoscout.io")
    return kubectl


@pytest.fixture
def kubectl(admin: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of its own that enforces the restricted Pod Security Standard."""
    name = f"autoscout-test-{os.getpid()}-{next(_numbers)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        yield admin.within(name)
    finally:
        admin.delete("namespace", name, wait=False)
        # Without an operator nobody lets go of Jobs whose result was not harvested.
        _release(admin.within(name))


@pytest.fixture(scope="session")
def operator_kubeconfig(admin: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kubeconfig of a service account that may do what the chart's role says, and nothing else."""
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
    admin.apply(*yaml.safe_load_all(ROLES.read_text()))
    account = {"kind": "ServiceAccount", "name": "autoscout-operator", "namespace": SYSTEM}
    admin.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account["name"], "namespace": SYSTEM}},
        _binding("ClusterRoleBinding", "autoscout-operator", account),
        _binding("RoleBinding", "autoscout-operator-leader", account),
    )
    token = admin.within(SYSTEM).run("create", "token", account["name"], "--duration=6h").stdout.strip()
    config: Object = yaml.safe_load(admin.run("config", "view", "--raw", "--minify", "--flatten").stdout)
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = tmp_path_factory.mktemp("operator") / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def start_operator(kubectl: Kubectl, operator_kubeconfig: Path, tmp_path: Path) -> Iterator[StartOperator]:
    """Starts operators for this test's namespace; whatever still runs at the end is killed."""
    started: list[OperatorProcess] = []
    assert kubectl.namespace is not None

    def start(*options: str) -> OperatorProcess:
        log = tmp_path / f"operator-{len(started)}.log"
        process = OperatorProcess(operator_kubeconfig, [str(kubectl.namespace)], log, *options)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def operator(start_operator: StartOperator) -> OperatorProcess:
    """An operator that serves this test's namespace."""
    return start_operator()


def _binding(kind: str, role: str, account: dict[str, str]) -> Object:
    metadata = {"name": role} if kind == "ClusterRoleBinding" else {"name": role, "namespace": SYSTEM}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [account],
    }


def _release(kubectl: Kubectl) -> None:
    for job in kubectl.list("jobs"):
        kubectl.run(
            "patch",
            "job",
            job["metadata"]["name"],
            "--type=merge",
            "-p",
            '{"metadata":{"finalizers":null}}',
            check=False,
        )
