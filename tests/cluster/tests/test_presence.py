from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import Cluster, ClusterError
from tests.cluster.layout import CHECKOUT, Layout
from tests.cluster.presence import Presence


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state")


@pytest.fixture
def neighbour(layout: Layout) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the cluster."""
    program = (
        "import sys; from pathlib import Path; from tests.cluster import Cluster; "
        "from tests.cluster.layout import Layout; "
        "Cluster(Layout(Path(sys.argv[1]))).use(); print('here', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(layout.state)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "here\n"
        yield process
        process.kill()


def test_the_last_to_leave_stops_the_cluster(layout: Layout, neighbour):
    cluster = Cluster(layout)
    cluster.use()
    said = []
    cluster.release(said.append)
    assert said == [f"the test cluster stays up: used by process {neighbour.pid}"]
    neighbour.kill()
    neighbour.wait()
    cluster.release(said.append)
    assert len(said) == 1


def test_a_cluster_that_is_kept_stays_up_until_it_is_taken_down(layout: Layout):
    cluster = Cluster(layout)
    cluster.use()
    cluster.keep()
    cluster.release()
    assert layout.kept.exists()
    cluster.down()
    assert not layout.kept.exists()


def test_a_cluster_in_use_is_taken_down_by_force_only(layout: Layout, neighbour):
    cluster = Cluster(layout)
    with pytest.raises(ClusterError, match=rf"used by process {neighbour.pid}; down --force"):
        cluster.down(force=False)
    cluster.down(force=True)


def test_own_declarations_and_those_of_the_dead_are_not_others(tmp_path: Path):
    presence = Presence(tmp_path)
    presence.declare("a40-0")
    (tmp_path / "a100-0@1").write_text("0")  # process 1 lives, but it began at another time
    assert presence.own()
    assert presence.others() == []
    assert [path.name for path in tmp_path.iterdir()] == [f"a40-0@{os.getpid()}"]
    presence.withdraw("a40-0")
    assert not presence.own()
