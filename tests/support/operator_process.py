"""The operator as a process of its own, to be killed at will."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self


class OperatorProcess:
    """`autoscout operator` for some namespaces, with its log in a file."""

    def __init__(self, kubeconfig: Path, namespaces: list[str], log: Path, *options: str) -> None:
        self._kubeconfig = kubeconfig
        self._namespaces = namespaces
        self._options = options
        self.log = log
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> None:
        command = [sys.executable, "-m", "autoscout", "operator", "--kubeconfig", str(self._kubeconfig)]
        for namespace in self._namespaces:
            command += ["--namespace", namespace]
        command += ["--listen-port", str(self.port), *self._options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.await_ready()

    def await_ready(self, timeout: float = 180) -> None:
        """Until it answers probes: a connection refused is the only sign of a port that is not open yet."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.running, f"the operator ended:\n{self.tail()}"
            try:
                self.http("/readyz")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the operator is not ready after {timeout} s:\n{self.tail()}")

    def kill(self) -> None:
        """SIGKILL, to it and its worker processes: a power cut, not a farewell."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def terminate(self, timeout: float = 120) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout)

    def signal(self, number: signal.Signals) -> None:
        """A signal to it and its worker processes."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def wait(self, timeout: float) -> int:
        """Until it ends by itself; returns the exit code."""
        assert self._process is not None
        return self._process.wait(timeout)

    def http(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, name: str) -> dict[str, float]:
        """Samples of one metric, by their labels as printed."""
        pattern = re.compile(rf"^{re.escape(name)}(\{{[^}}]*\}})? (\S+)$", re.MULTILINE)
        return {labels: float(value) for labels, value in pattern.findall(self.http("/metrics"))}

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _free_port() -> int:
    """A port that stays free until the operator listens, and while it is down: none that the kernel gives away."""
    while True:
        port = random.randrange(12_000, 20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
