"""The cluster's binaries: found where they are, else built once from Go modules and cached.

Looked for in this order: the directory named by KUBEBUILDER_ASSETS (the control plane only), the cache, the Go
toolchain. The cache's key is the hash of all that the build depends on, so an edited go.mod builds anew and an
interrupted build is never mistaken for a finished one. CoreDNS has a module of its own, because it asks for other
versions of what it shares with Kubernetes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .layout import ClusterError, cache_directory

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Module:
    """A Go module that requires what the cluster runs.

    Attributes:
        name: Of its place in the cache.
        path: Of its go.mod.
        release: The module whose version this is all about.
        packages: Binary to the package that it is built from.
        tags: For the compiler.
    """

    name: str
    path: Path
    release: str
    packages: Mapping[str, str]
    tags: str = ""

    @property
    def version(self) -> str:
        """The release that go.mod asks for, such as v1.34.4."""
        found = re.search(rf"^(?:\s*|require ){self.release} (v\S+)", (self.path / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise ClusterError(f"{self.path}/go.mod does not require {self.release}")
        return found.group(1)


KUBERNETES = Module(
    "kubernetes",
    Path(__file__).parent / "gomodule",
    "k8s.io/kubernetes",
    {
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "etcd": "./etcd",
        "pause": "./pause",
        "gpu-device-plugin": "./gpu-device-plugin",
        "service-gateway": "./service-gateway",
    },
    tags="providerless",
)
COREDNS = Module("coredns", Path(__file__).parent / "dnsmodule", "github.com/coredns/coredns", {"coredns": "./coredns"})
MODULES = (KUBERNETES, COREDNS)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Components:
    """Where each binary is, by name, and a key that changes whenever one of them does."""

    paths: Mapping[str, Path]
    key: str

    def __getitem__(self, name: str) -> str:
        return str(self.paths[name])


def build_key(module: Module) -> str:
    """The version, and the hash of the module files, the sources and the flags."""
    digest = hashlib.sha256(module.tags.encode() + os.uname().machine.encode())
    sources = [module.path / "go.mod", module.path / "go.sum", *sorted(module.path.glob("*/*.go"))]
    for source in sources:
        digest.update(str(source.relative_to(module.path)).encode() + b"\0" + source.read_bytes())
    return f"{module.version}-{digest.hexdigest()[:12]}"


def cached_binaries(module: Module, environment: Mapping[str, str] = os.environ) -> Path:
    """The directory in the cache in which this module's binaries are, once they have been built."""
    return cache_directory(environment) / module.name / build_key(module) / "bin"


def find(environment: Mapping[str, str] = os.environ) -> Components | None:
    """Every binary, without building anything; None if one is missing."""
    places = {name: cached_binaries(module, environment) / name for module in MODULES for name in module.packages}
    key = " ".join(build_key(module) for module in MODULES)
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        given = {name: Path(assets) / name for name in CONTROL_PLANE if (Path(assets) / name).is_file()}
        places |= given
        key += "".join(f" {name}={path}" for name, path in sorted(given.items()))
    return Components(places, key) if all(path.is_file() for path in places.values()) else None


def toolchain_problem(modules: Sequence[Module] = MODULES) -> str | None:
    """Why the binaries can't be built here; None if they can."""
    if shutil.which("go") is None:
        return "the Kubernetes binaries are not built yet and there is no Go toolchain (go) to build them"
    version = _go("env", "GOVERSION", directory=modules[0].path)
    has = re.match(r"go(\d+)\.(\d+)", version)
    for module in modules:
        asked = re.search(r"^go (\d+)\.(\d+)", (module.path / "go.mod").read_text(), re.MULTILINE)
        if asked and has and tuple(map(int, has.groups())) < tuple(map(int, asked.groups())):
            return f"{module.name} is not built yet; it needs Go {'.'.join(asked.groups())}, here is {version}"
    return None


def find_or_build(progress: Progress, environment: Mapping[str, str] = os.environ) -> Components:
    """Every binary, built first if need be: once 4 minutes on 2 cores with nothing else running and 2.5 GiB of memory
    for Kubernetes, less than 2 for CoreDNS.

    Raises:
        ClusterError: there is no toolchain, or the build failed; the message ends with the compiler's.
    """
    if found := find(environment):
        return found
    if problem := toolchain_problem():
        raise ClusterError(problem)
    for module in MODULES:
        with _build_lock(cache_directory(environment) / module.name):
            destination = cached_binaries(module, environment)
            # Another process may have built them while we waited.
            if not all((destination / name).is_file() for name in module.packages):
                _build(module, destination, progress)
    found = find(environment)
    if found is None:
        raise ClusterError(f"the build left no binaries in {cache_directory(environment)}")
    return found


@contextmanager
def _build_lock(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for unfinished in home.glob(".building-*"):  # of a build that was killed
            shutil.rmtree(unfinished)
        yield


def _build(module: Module, destination: Path, progress: Progress) -> None:
    """Build beside the destination and rename: a build that is interrupted leaves nothing that looks finished."""
    progress(f"building {module.name} {module.version} from Go modules, once: some minutes")
    with tempfile.TemporaryDirectory(prefix=".building-", dir=destination.parent.parent) as unfinished:
        output = Path(unfinished) / "bin"
        output.mkdir()
        _go(
            *("build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-tags", module.tags),
            *("-ldflags", f"-s -w {_version_stamps(KUBERNETES.version)}"),
            *("-o", f"{output}/", *module.packages.values()),
            directory=module.path,
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


def _go(*arguments: str, directory: Path) -> str:
    # Static binaries need no C compiler here and run in any image; GOWORK would pull in a developer's own modules.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    done = subprocess.run(
        ["nice", "go", *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ClusterError(f"go {arguments[0]} failed in {directory}:\n{done.stderr.strip()[-4000:]}")
    return done.stdout.strip()
