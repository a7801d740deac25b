from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(cluster: Cluster) -> Cluster:
    """Our own: of another, the harness has nothing to show."""
    if cluster.external:
        pytest.skip("AUTOSCOUT_TEST_KUBECONFIG is set: the harness's own cluster is not under test")
    return cluster


class Kubectl:
    """kubectl in a namespace of its own."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        beside = Path(sys.executable).with_name("kubectl")
        program = str(beside) if beside.exists() else shutil.which("kubectl")
        if program is None:
            pytest.skip("kubectl is not installed")
        self._command = [program, f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]

    def __call__(self, *arguments: str, given: Any = None) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            input=None if given is None else json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def create(self, given: Any) -> None:
        self("create", "--filename=-", given=given)

    def await_value(self, what: str, path: str, value: str, seconds: int = 60) -> None:
        self("wait", what, f"--for=jsonpath={{{path}}}={value}", f"--timeout={seconds}s")

    def value(self, what: str, path: str) -> str:
        return self("get", what, f"--output=jsonpath={{{path}}}")


@pytest.fixture
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    namespace = f"harness-{uuid.uuid4().hex[:8]}"
    client = Kubectl(cluster.admin_kubeconfig, namespace)
    client("create", "namespace", namespace)
    yield client
    client("delete", "namespace", namespace, "--wait=false")
