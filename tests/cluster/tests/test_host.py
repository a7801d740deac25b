from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import host, hostpackages
from tests.cluster.processes import Processes

needs_root = pytest.mark.skipif(bool(hostpackages.problems()), reason="; ".join(hostpackages.problems()) or "able")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "run", tmp_path / "logs")
    yield made
    for name in made.names():
        made.stop(name, grace_seconds=0)


@pytest.fixture
def cgroup() -> Iterator[str]:
    path = f"autoscout-test-{uuid.uuid4().hex[:8]}"
    yield path
    host.destroy_cgroup(path)


@needs_root
def test_a_cgroup_is_destroyed_with_all_that_runs_in_it_and_below(processes: Processes, cgroup: str):
    host.create_cgroup(cgroup, leaf=False)
    for name in ("outer", "inner"):
        leaf = host.create_cgroup(f"{cgroup}/{name}", leaf=True)
        processes.spawn(name, host.in_cgroup(leaf, ["sh", "-c", "echo joined; sleep 600 & sleep 600"]))
        processes.wait_until(name, lambda name=name: "joined" in processes.log(name).read_text(), 10)

    host.destroy_cgroup(cgroup)

    assert [processes.pid(name) for name in ("outer", "inner")] == [None, None]
    assert not any(directory.exists() for directory in host.cgroup_directories(cgroup))


@needs_root
def test_destroying_a_cgroup_that_does_not_exist_is_no_error(cgroup: str):
    host.destroy_cgroup(cgroup)


@needs_root
def test_a_node_sees_its_own_directories_in_place_of_the_built_in_paths(tmp_path: Path):
    for path in host.PRIVATE_PATHS:
        (tmp_path / path.lstrip("/")).mkdir(parents=True)
    (tmp_path / "var/lib/kubelet/mark").write_text("the node's own")
    made = host.create_mount_points()
    try:
        command = host.in_private_mounts(tmp_path, ["cat", "/var/lib/kubelet/mark"])
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "the node's own"
        assert not Path("/var/lib/kubelet/mark").exists()
        assert host.mounts_below(tmp_path) == []
    finally:
        host.remove_mount_points(made)


@needs_root
def test_a_bridge_is_removed_by_its_owner_only():
    name = f"t{uuid.uuid4().hex[:8]}"
    interface = Path("/sys/class/net", name)
    host.add_bridge(name, ["10.198.250.1/32"], "/one/state")
    host.remove_bridge(name, "/another/state")
    assert interface.exists()
    host.remove_bridge(name, "/one/state")
    assert not interface.exists()


def test_sysctls_are_put_back_as_they_were_before_the_first_start(tmp_path: Path, monkeypatch):
    kernel, record = tmp_path / "proc", tmp_path / "sysctls.json"
    for name in host.CHANGED_SYSCTLS:
        (kernel / name).parent.mkdir(parents=True, exist_ok=True)
        (kernel / name).write_text("0\n")
    monkeypatch.setattr(host, "SYSCTLS", kernel)

    host.save_sysctls(record)
    (kernel / "net/ipv4/ip_forward").write_text("1\n")
    host.save_sysctls(record)  # a second start after a crash must not take the changed values for the true ones
    assert set(json.loads(record.read_text()).values()) == {"0"}
    host.restore_sysctls(record)

    assert (kernel / "net/ipv4/ip_forward").read_text() == "0"
    assert not record.exists()


def test_removing_mount_points_spares_what_has_come_to_be_used(tmp_path: Path):
    used, unused = tmp_path / "used", tmp_path / "unused"
    for directory in (used, unused):
        directory.mkdir()
    (used / "file").touch()
    host.remove_mount_points([str(used), str(unused), str(tmp_path / "absent")])
    assert list(tmp_path.iterdir()) == [used]
