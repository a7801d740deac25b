"""The first node of several waits for its own name."""

from __future__ import annotations

import socket

import pytest

from autoscout_profiler.errors import InfrastructureError
from autoscout_profiler.vllm.address import PATIENCE_SECONDS, await_name


class Names:
    """A DNS that learns a name after some questions."""

    def __init__(self, known_after: int) -> None:
        self.left = known_after
        self.pauses: list[float] = []

    def resolve(self, name: str) -> str:
        if self.left:
            self.left -= 1
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return f"address of {name}"

    def wait(self) -> None:
        await_name("node-0.nodes", self.resolve, self.pauses.append)


def test_a_name_that_is_known_needs_no_waiting():
    names = Names(0)
    names.wait()
    assert names.pauses == []


def test_a_name_that_comes_late_is_waited_for():
    names = Names(3)
    names.wait()
    assert len(names.pauses) == 3


def test_a_name_that_never_comes_is_the_clusters_fault():
    names = Names(1000)
    with pytest.raises(InfrastructureError, match=r"node-0\.nodes: no address after 60 s: .*not known"):
        names.wait()
    assert sum(names.pauses) == PATIENCE_SECONDS
