from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from tests.cluster import components
from tests.cluster.components import COREDNS, KUBERNETES, MODULES, Module
from tests.cluster.layout import ClusterError


@pytest.fixture
def module(tmp_path: Path) -> Module:
    """A copy of the Go module, to be edited."""
    return dataclasses.replace(KUBERNETES, path=Path(shutil.copytree(KUBERNETES.path, tmp_path / "module")))


def fill_cache(environment: dict[str, str]) -> None:
    for module in MODULES:
        fill(components.cached_binaries(module, environment), module.packages)


def fill(directory: Path, names: object) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()
    return directory


def test_the_control_plane_is_taken_from_kubebuilder_assets_and_the_rest_from_the_cache(tmp_path: Path):
    assets = fill(tmp_path / "assets", ["etcd", "kube-apiserver", "kubelet"])
    environment = {"AUTOSCOUT_CACHE_DIR": str(tmp_path / "cache"), "KUBEBUILDER_ASSETS": str(assets)}
    fill_cache(environment)

    found = components.find(environment)

    assert found is not None
    assert {name for name, path in found.paths.items() if path.parent == assets} == {"etcd", "kube-apiserver"}
    cached = {components.cached_binaries(module, environment) for module in MODULES}
    assert {path.parent for path in found.paths.values()} == {assets, *cached}


def test_assets_change_the_key_so_that_a_cluster_of_other_binaries_is_not_taken_for_this_one(tmp_path: Path):
    environment = {"AUTOSCOUT_CACHE_DIR": str(tmp_path / "cache")}
    fill_cache(environment)
    assets = fill(tmp_path / "assets", ["etcd"])
    plain, other = components.find(environment), components.find(environment | {"KUBEBUILDER_ASSETS": str(assets)})
    assert plain is not None
    assert other is not None
    assert plain.key != other.key


def test_nothing_is_found_while_one_binary_is_missing(tmp_path: Path):
    environment = {"AUTOSCOUT_CACHE_DIR": str(tmp_path)}
    fill_cache(environment)
    assert components.find(environment) is not None
    (components.cached_binaries(COREDNS, environment) / "coredns").unlink()
    assert components.find(environment) is None


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "pause/main.go"])
def test_whatever_the_build_depends_on_is_in_its_key(module: Module, file: str):
    before = components.build_key(module)
    with (module.path / file).open("a") as source:
        source.write("\n")
    assert components.build_key(module) != before


def test_the_staging_modules_are_those_of_the_release():
    version = KUBERNETES.version
    text = (KUBERNETES.path / "go.mod").read_text()
    replaced = [line.split() for line in text.splitlines() if "=>" in line]
    assert replaced
    assert {words[-1] for words in replaced} == {version.replace("v1.", "v0.")}


def fake_go(directory: Path, build: str) -> str:
    """A PATH on which `go` does what it is told for a build, and knows its version."""
    directory.mkdir()
    script = directory / "go"
    script.write_text(f'#!/bin/sh\ncase "$1" in env) echo go1.99.0;; build) {build};; esac\n')
    script.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def test_a_build_is_cached_and_not_repeated(tmp_path: Path, monkeypatch):
    binaries = " ".join(name for module in MODULES for name in module.packages)
    script = (
        f'while [ "$1" != -o ]; do shift; done; for name in {binaries}'
        '; do echo built > "$2$name"; done; echo x >> "$COUNT"'
    )
    monkeypatch.setenv("PATH", fake_go(tmp_path / "path", script))
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    environment = {"AUTOSCOUT_CACHE_DIR": str(tmp_path / "cache")}

    first = components.find_or_build(lambda _: None, environment)
    second = components.find_or_build(lambda _: None, environment)

    assert first == second
    assert (tmp_path / "count").read_text() == "x\n" * len(MODULES)


def test_a_build_that_fails_leaves_nothing_that_looks_finished(tmp_path: Path, monkeypatch):
    half = 'while [ "$1" != -o ]; do shift; done; touch "$2etcd"; echo no space left >&2; exit 1'
    monkeypatch.setenv("PATH", fake_go(tmp_path / "path", half))
    environment = {"AUTOSCOUT_CACHE_DIR": str(tmp_path / "cache")}

    with pytest.raises(ClusterError, match="no space left"):
        components.find_or_build(lambda _: None, environment)

    assert components.find(environment) is None
    assert not components.cached_binaries(KUBERNETES, environment).parent.exists()


def test_without_a_toolchain_the_message_says_what_is_missing(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"no Go toolchain \(go\)"):
        components.find_or_build(lambda _: None, {"AUTOSCOUT_CACHE_DIR": str(tmp_path)})


def test_a_toolchain_that_is_too_old_is_named(tmp_path: Path, module: Module, monkeypatch):
    monkeypatch.setenv("PATH", fake_go(tmp_path / "path", "true"))
    text = (module.path / "go.mod").read_text()
    (module.path / "go.mod").write_text(text.replace("\ngo 1.", "\ngo 9."))
    assert "here is go1.99.0" in str(components.toolchain_problem([module]))
