"""The Kubernetes binaries: found where they are, else built once from Go modules and cached.

Looked for in this order: the directory named by KUBEBUILDER_ASSETS (the control plane only), the cache, the Go
toolchain. The cache's key is the hash of all that the build depends on, so an edited go.mod builds anew and an
interrupted build is never mistaken for a finished one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .layout import ClusterError, cache_directory

MODULE = Path(__file__).parent / "gomodule"
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
PACKAGES = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "etcd": "./etcd",
    "pause": "./pause",
    "gpu-device-plugin": "./gpu-device-plugin",
    "service-gateway": "./service-gateway",
}
BUILD_TAGS = "providerless"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Components:
    """Where each binary is, by name, and a key that changes whenever one of them does."""

    paths: Mapping[str, Path]
    key: str

    def __getitem__(self, name: str) -> str:
        return str(self.paths[name])


def kubernetes_version(module: Path = MODULE) -> str:
    """The release that go.mod asks for, such as v1.34.4."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError(f"{module}/go.mod does not require k8s.io/kubernetes")
    return found.group(1)


def build_key(module: Path = MODULE) -> str:
    """The version, and the hash of the module files, the sources and the flags."""
    digest = hashlib.sha256(BUILD_TAGS.encode() + os.uname().machine.encode())
    sources = [module / "go.mod", module / "go.sum", *sorted(module.glob("*/*.go"))]
    for source in sources:
        digest.update(str(source.relative_to(module)).encode() + b"\0" + source.read_bytes())
    return f"{kubernetes_version(module)}-{digest.hexdigest()[:12]}"


def cached_binaries(environment: Mapping[str, str] = os.environ, module: Path = MODULE) -> Path:
    """The directory in the cache in which this module's binaries are, once they have been built."""
    return cache_directory(environment) / "kubernetes" / build_key(module) / "bin"


def find(environment: Mapping[str, str] = os.environ, module: Path = MODULE) -> Components | None:
    """Every binary, without building anything; None if one is missing."""
    cached = cached_binaries(environment, module)
    places = {name: cached / name for name in PACKAGES}
    key = build_key(module)
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        given = {name: Path(assets) / name for name in CONTROL_PLANE if (Path(assets) / name).is_file()}
        places |= given
        key += "".join(f" {name}={path}" for name, path in sorted(given.items()))
    return Components(places, key) if all(path.is_file() for path in places.values()) else None


def toolchain_problem(module: Path = MODULE) -> str | None:
    """Why the binaries can't be built here; None if they can."""
    if shutil.which("go") is None:
        return "the Kubernetes binaries are not built yet and there is no Go toolchain (go) to build them"
    asked = re.search(r"^go (\d+)\.(\d+)", (module / "go.mod").read_text(), re.MULTILINE)
    version = _go("env", "GOVERSION", module=module)
    has = re.match(r"go(\d+)\.(\d+)", version)
    if asked and has and tuple(map(int, has.groups())) < tuple(map(int, asked.groups())):
        return f"the Kubernetes binaries are not built yet; they need Go {'.'.join(asked.groups())}, here is {version}"
    return None


def find_or_build(progress: Progress, environment: Mapping[str, str] = os.environ, module: Path = MODULE) -> Components:
    """Every binary, built first if need be (4 minutes on 2 cores with nothing else running, 2.5 GiB of memory).

    Raises:
        ClusterError: there is no toolchain, or the build failed; the message ends with the compiler's.
    """
    if found := find(environment, module):
        return found
    if problem := toolchain_problem(module):
        raise ClusterError(problem)
    with _build_lock(cache_directory(environment) / "kubernetes"):
        found = find(environment, module)  # another process may have built them while we waited
        if found is None:
            _build(cached_binaries(environment, module), progress, module)
            found = find(environment, module)
    if found is None:
        raise ClusterError(f"the build left no binaries in {cached_binaries(environment, module)}")
    return found


@contextmanager
def _build_lock(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for unfinished in home.glob(".building-*"):  # of a build that was killed
            shutil.rmtree(unfinished)
        yield


def _build(destination: Path, progress: Progress, module: Path) -> None:
    """Build beside the destination and rename: a build that is interrupted leaves nothing that looks finished."""
    progress(f"building Kubernetes {kubernetes_version(module)} from Go modules, once: some minutes")
    with tempfile.TemporaryDirectory(prefix=".building-", dir=destination.parent.parent) as unfinished:
        output = Path(unfinished) / "bin"
        output.mkdir()
        _go(
            *("build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-tags", BUILD_TAGS),
            *("-ldflags", f"-s -w {_version_stamps(kubernetes_version(module))}"),
            *("-o", f"{output}/", *PACKAGES.values()),
            module=module,
        )
        destination.parent.mkdir(exist_ok=True)
        output.rename(destination)
    progress(f"built into {destination}")


def _version_stamps(version: str) -> str:
    """What the release build passes to the linker; without it a server says v0.0.0-master and clients misjudge it."""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamps = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": version,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in stamps.items())


def _go(*arguments: str, module: Path) -> str:
    # Static binaries need no C compiler here and run in any image; GOWORK would pull in a developer's own modules.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    done = subprocess.run(
        ["nice", "go", *arguments], cwd=module, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ClusterError(f"go {arguments[0]} failed in {module}:\n{done.stderr.strip()[-4000:]}")
    return done.stdout.strip()
