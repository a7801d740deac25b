from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.cluster import Cluster, ClusterError, components, doctor, ensure, hostpackages
from tests.cluster.__main__ import main
from tests.cluster.layout import API_SERVER_PORT, NODES, Layout, cache_directory


@pytest.fixture
def able(monkeypatch, tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is missing, on a machine where everything is allowed."""
    environment = {"AUTOSCOUT_CACHE_DIR": str(tmp_path)}
    for module in components.MODULES:
        binaries = components.cached_binaries(module, environment)
        binaries.mkdir(parents=True)
        for name in module.packages:
            (binaries / name).touch()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(hostpackages, "_effective_capabilities", lambda: 2**41 - 1)
    monkeypatch.setattr(hostpackages, "cgroup_directories", lambda _: [])
    monkeypatch.setattr(hostpackages, "missing_packages", list)
    return environment


def test_there_is_no_reason_where_nothing_is_missing(able):
    assert doctor(able) == []


def test_missing_binaries_are_a_reason_only_if_they_cannot_be_built_now(able, monkeypatch, tmp_path: Path):
    empty = {"AUTOSCOUT_CACHE_DIR": str(tmp_path / "empty")}
    monkeypatch.setattr(components, "toolchain_problem", lambda: None)
    assert doctor(empty) == []
    (reason,) = doctor(empty, may_build=False)
    assert "make cluster-up" in reason
    monkeypatch.setattr(components, "toolchain_problem", lambda: "no toolchain")
    assert doctor(empty) == ["no toolchain"]


def test_without_root_that_is_the_reason(able, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert doctor(able) == ["starting nodes needs root"]


def test_the_capabilities_that_a_container_lacks_are_named(able, monkeypatch):
    monkeypatch.setattr(hostpackages, "_effective_capabilities", lambda: 0xA80425FB)  # Docker's default
    assert ["CAP_NET_ADMIN" in reason or "CAP_SYS_ADMIN" in reason for reason in doctor(able)] == [True, True]


def test_missing_packages_are_a_reason_only_without_apt(able, monkeypatch):
    monkeypatch.setattr(hostpackages, "missing_packages", lambda: ["containerd", "runc"])
    monkeypatch.setattr(hostpackages, "can_install", lambda: True)
    assert doctor(able) == []
    monkeypatch.setattr(hostpackages, "can_install", lambda: False)
    (reason,) = doctor(able)
    assert "containerd, runc" in reason


def test_another_cluster_is_used_without_starting_anything(tmp_path: Path):
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    environment = {"AUTOSCOUT_TEST_KUBECONFIG": str(kubeconfig)}
    assert doctor(environment) == []
    cluster = ensure(environment=environment)
    assert (cluster.admin_kubeconfig, cluster.external, cluster.nodes) == (kubeconfig, True, ())
    for forbidden in (cluster.down, cluster.restart_apiserver, lambda: cluster.stop_node("a40-0")):
        with pytest.raises(ClusterError, match="not ours"):
            forbidden()


def test_another_cluster_whose_kubeconfig_is_missing_is_a_reason(tmp_path: Path):
    environment = {"AUTOSCOUT_TEST_KUBECONFIG": str(tmp_path / "absent")}
    (reason,) = doctor(environment)
    assert "absent, which is no file" in reason
    with pytest.raises(ClusterError, match="absent, which is no file"):
        ensure(environment=environment)


def test_nothing_is_up_in_a_fresh_state_directory_and_taking_it_down_is_no_error(tmp_path: Path, capsys):
    cluster = Cluster(Layout(tmp_path / "state"))
    assert cluster.processes() == {}
    assert "kube-apiserver does not run" in cluster.problems()
    assert main(["--state", str(tmp_path / "state"), "status"]) == 1
    assert "nothing is up" in capsys.readouterr().out
    cluster.down()


def test_a_taken_port_is_named_with_a_way_to_find_who_has_it(tmp_path: Path):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", API_SERVER_PORT))
            taken.listen()
        except OSError:
            pass  # the test cluster itself runs and has it
        with pytest.raises(ClusterError, match=r"port 2\d+ on the loopback is taken.*ss -ltnp"):
            Cluster(Layout(tmp_path))._require_free_ports()


def test_nodes_share_neither_name_nor_bridge_nor_addresses():
    for place in ("name", "bridge", "address", "subnet"):
        assert len({getattr(node, place) for node in NODES}) == len(NODES)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AUTOSCOUT_CACHE_DIR": "/chosen", "XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/chosen"),
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/xdg/autoscout"),
        ({"HOME": "/home/me"}, "/home/me/.cache/autoscout"),
    ],
)
def test_the_cache_is_where_the_user_wants_it(environment: dict[str, str], expected: str):
    assert cache_directory(environment) == Path(expected)
