"""The cluster as a whole: started, found again, taken down, and made to fail on purpose."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from . import components, host, hostpackages, pki
from .api import ApiClient
from .components import Components
from .controlplane import API_SERVER, PROCESSES, ControlPlane
from .images import Image
from .layout import (
    API_SERVER_PORT,
    CONTROLLER_MANAGER_PORT,
    DNS_READY_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    NODES,
    SCHEDULER_PORT,
    ClusterError,
    Layout,
    NodeSpec,
    cache_directory,
)
from .node import Node
from .presence import Presence
from .processes import POLL_SECONDS, Processes, memory_mebibytes
from .pythonimage import pause_image, python_image

EXTERNAL = "AUTOSCOUT_TEST_KUBECONFIG"
MENDING_SECONDS = 600  # longer than a test breaks a node for
RECOVERY_SECONDS = 120  # a node that fell silent for lack of processor time is Ready again sooner

Progress = Callable[[str], None]


def _quiet(_: str) -> None:
    """Progress that nobody wants to see."""


class Cluster:
    """A cluster to test against: our own, or another that AUTOSCOUT_TEST_KUBECONFIG names.

    The other's GPU nodes, labels and images are that cluster's affair, and it can't be made to fail from here.

    Args:
        layout: Where our own keeps its state.
        external: The other cluster's kubeconfig.
    """

    def __init__(self, layout: Layout | None = None, external: Path | None = None) -> None:
        self._layout = layout or Layout()
        self._external = external
        self._processes = Processes(self._layout.run, self._layout.logs)
        self._api = ApiClient(self._layout)
        self._users = Presence(self._layout.users)
        self._faults = Presence(self._layout.faults)

    @property
    def admin_kubeconfig(self) -> Path:
        """Of a user who may do everything."""
        return self._external or self._layout.admin_kubeconfig

    @property
    def external(self) -> bool:
        return self._external is not None

    @property
    def nodes(self) -> tuple[NodeSpec, ...]:
        """The nodes of our own; of another cluster we know none."""
        return () if self.external else NODES

    def up(self, progress: Progress = _quiet) -> None:
        """Start, unless it runs and is well; either way the nodes then hold the images of this checkout.

        What an earlier run left behind is cleared away first. What another process has broken on purpose is waited
        for. Takes 10 s, and some minutes once for the binaries.

        Raises:
            ClusterError: it can't run here (see doctor), or something failed; with the end of the log.
        """
        if self.external:
            return
        with self._locked():
            parts = self._prepare(progress)
            if self._made_from(parts) and (self._faults.own() or self._becomes_well(progress)):
                progress("already up")
                self._refresh_images(parts, progress)
                return
            self._clear(progress)
            self._require_free_ports()
            self._start(parts, progress)

    def down(self, progress: Progress = _quiet, *, force: bool = True) -> None:
        """Stop everything and put the machine back as it was; logs stay. Also after a crash, or when nothing runs.

        Raises:
            ClusterError: other processes use it, and `force` is false.
        """
        if self.external:
            raise ClusterError(f"the cluster of {EXTERNAL} is not ours to stop")
        if not force and (others := self._users.others()):
            raise ClusterError(f"used by process {', '.join(map(str, others))}; down --force stops it all the same")
        with self._locked():
            self._clear(progress)
            self._layout.kept.unlink(missing_ok=True)

    def keep(self) -> None:
        """Let it stay up until somebody takes it down, whoever releases it."""
        if not self.external:
            self._layout.kept.touch()

    def use(self) -> None:
        """Declare that this process uses the cluster, until it ends or calls `release`."""
        if not self.external:
            self._users.declare("user")

    def release(self, progress: Progress = _quiet) -> None:
        """This process uses the cluster no longer: stop it, unless it is kept, or others use it."""
        if self.external:
            return
        self._users.withdraw_own("user")
        if self._layout.kept.exists():
            return
        if others := self._users.others():
            progress(f"the test cluster stays up: used by {', '.join(f'process {pid}' for pid in others)}")
        else:
            self.down(progress)

    def processes(self) -> dict[str, int | None]:
        """What should run, with the memory that it takes in MiB; None for what does not run. Empty: nothing is up."""
        pids = {name: self._processes.pid(name) for name in self._processes.names()}
        return {name: None if pid is None else memory_mebibytes(pid) for name, pid in pids.items()}

    def problems(self) -> list[str]:
        """What is wrong with the running cluster; empty if it is well."""
        if ended := self._ended():
            return ended
        if not self._api.succeeds("/readyz"):
            return ["the API server is not ready"]
        return [f"node {spec.name} is not Ready" for spec in NODES if not self._api.node_ready(spec.name)]

    def stop_node(self, name: str, *, containers: bool = False) -> None:
        """Kill a node's kubelet; its containers go on unless `containers`, which kills all as a power cut would.

        The node counts as lost 20 s later, and its pods are given up 20 s after that.
        """
        node = self._node(name)
        self._faults.declare(name)
        if containers:
            node.stop()
        else:
            node.stop_kubelet()

    def start_node(self, name: str) -> None:
        """Start what of the node does not run; returns when it is Ready and offers its GPUs."""
        node = self._node(name)
        if not node.runtime_runs():
            node.start_runtime()
        node.start_kubelet()
        node.await_ready()
        self._faults.withdraw(name)

    def stop_apiserver(self) -> None:
        """Kill the API server; nothing else stops."""
        control_plane = self._control_plane(self._running_components())
        self._faults.declare(API_SERVER)
        control_plane.stop_api_server()

    def start_apiserver(self) -> None:
        """Start the API server; returns when it is ready."""
        self._control_plane(self._running_components()).start_api_server()
        self._faults.withdraw(API_SERVER)

    def restart_apiserver(self) -> None:
        """Kill the API server and start it again: watches break, requests fail for some seconds."""
        self.stop_apiserver()
        self.start_apiserver()

    def import_image(self, image: Image) -> None:
        """Make an image known to every node, under its reference."""
        parts = self._running_components()
        self._import(parts, [image])

    def _prepare(self, progress: Progress) -> Components:
        if missing := hostpackages.missing_packages():
            progress(f"installing with apt: {' '.join(missing)}")
            hostpackages.install(missing)
        if reasons := _own_problems(os.environ):
            raise ClusterError("a cluster can't run here:\n- " + "\n- ".join(reasons))
        return components.find_or_build(progress)

    def _start(self, parts: Components, progress: Progress) -> None:
        self._make_state()
        host.save_sysctls(self._layout.sysctls)
        pki.create(self._layout, NODES)
        control_plane = self._control_plane(parts)
        nodes = [self._node_of(spec, parts) for spec in NODES]
        with ThreadPoolExecutor() as pool:
            api = pool.submit(control_plane.start_storage_and_api)
            images = pool.submit(_images, parts)
            runtimes = [pool.submit(node.start_runtime) for node in nodes]
            for runtime in runtimes:
                runtime.result()
            progress(f"containerd runs on {', '.join(spec.name for spec in NODES)}")
            imports = pool.submit(self._import, parts, images.result())
            api.result()
            progress("the API server is ready")
            control_plane.start_controllers()
            imports.result()
            progress(f"images are imported: {', '.join(image.reference for image in images.result())}")
            for node in nodes:
                node.start_kubelet()
            for node in nodes:
                node.await_ready()
            control_plane.await_controllers()
        self._layout.identity.write_text(json.dumps({"components": parts.key}))
        progress(f"nodes are Ready: {', '.join(f'{spec.name} ({spec.gpus} x {spec.gpu_product})' for spec in NODES)}")

    def _make_state(self) -> None:
        self._layout.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._layout.state.stat().st_uid != os.geteuid():
            raise ClusterError(f"{self._layout.state} belongs to another user: choose another with --state")
        self._layout.state.chmod(0o700)
        shutil.rmtree(self._layout.logs, ignore_errors=True)
        self._layout.mount_points.write_text(json.dumps(host.create_mount_points()))

    def _clear(self, progress: Progress) -> None:
        """Stop all that runs, and undo all that was changed; nothing of it needs to be as it should."""
        if not self._layout.state.exists():
            return
        if self._processes.names():
            progress("stopping")
        parts = Components({}, "")
        for spec in NODES:
            self._node_of(spec, parts).stop()
        host.destroy_cgroup(self._layout.cgroup)
        self._control_plane(parts).stop()
        host.unmount_below(self._layout.state)
        host.restore_sysctls(self._layout.sysctls)
        if self._layout.mount_points.exists():
            host.remove_mount_points(json.loads(self._layout.mount_points.read_text()))
        for entry in self._layout.state.iterdir():
            if entry not in {self._layout.logs, self._layout.users, self._layout.kept}:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _made_from(self, parts: Components) -> bool:
        """Whether a cluster was started, and from the binaries that would be taken now."""
        if not self._layout.identity.exists():
            return False
        return bool(json.loads(self._layout.identity.read_text())["components"] == parts.key)

    def _ended(self) -> list[str]:
        running = self.processes()
        dead = [f"{name} has ended; see {self._processes.log(name)}" for name in running if running[name] is None]
        expected = {*PROCESSES, *(f"kubelet-{spec.name}" for spec in NODES)}
        return dead + [f"{name} does not run" for name in sorted(expected - set(running))]

    def _becomes_well(self, progress: Progress) -> bool:
        """Whether it is well, or will be without us: when another has mended it, or when a busy machine has breath.

        Raises:
            ClusterError: another process has broken it and does not mend it.
        """
        if breakers := self._faults.others():
            progress(f"waiting for process {breakers[0]}, which has broken it on purpose, to mend it")
            if not _within(MENDING_SECONDS, lambda: not self._faults.others()):
                raise ClusterError(f"process {breakers[0]} keeps the test cluster broken: end it, then try again")
        return not self._ended() and _within(RECOVERY_SECONDS, lambda: not self.problems())

    def _refresh_images(self, parts: Components, progress: Progress) -> None:
        held = self._held_images()
        changed = [image for image in _images(parts) if held.get(image.reference) != image.digest]
        if changed:
            self._import(parts, changed)
            progress(f"images have changed and are imported anew: {', '.join(image.reference for image in changed)}")

    def _import(self, parts: Components, images: list[Image]) -> None:
        nodes = [self._node_of(spec, parts) for spec in NODES]
        with ThreadPoolExecutor() as pool:
            imports = [pool.submit(node.import_image, image.archive) for image in images for node in nodes]
            for each in imports:
                each.result()
        held = self._held_images() | {image.reference: image.digest for image in images}
        self._layout.images.write_text(json.dumps(held, indent=1))

    def _held_images(self) -> dict[str, str]:
        held: dict[str, str] = json.loads(self._layout.images.read_text()) if self._layout.images.exists() else {}
        return held

    def _require_free_ports(self) -> None:
        ports = (ETCD_PORT, ETCD_PEER_PORT, API_SERVER_PORT, CONTROLLER_MANAGER_PORT, SCHEDULER_PORT, DNS_READY_PORT)
        for port in ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise ClusterError(
                        f"port {port} on the loopback is taken ({error.strerror}), perhaps by a test cluster with "
                        f"another --state: stop what listens there (ss -ltnp 'sport = :{port}')"
                    ) from error

    def _running_components(self) -> Components:
        if self.external:
            raise ClusterError(f"the cluster of {EXTERNAL} is not ours to change")
        found = components.find()
        if found is None or not self._layout.identity.exists():
            raise ClusterError("no test cluster runs: python -m tests.cluster up")
        return found

    def _control_plane(self, parts: Components) -> ControlPlane:
        return ControlPlane(self._layout, parts, self._processes, self._api)

    def _node(self, name: str) -> Node:
        parts = self._running_components()
        found = [spec for spec in NODES if spec.name == name]
        if not found:
            raise ClusterError(f"there is no node {name}; there are {', '.join(spec.name for spec in NODES)}")
        return self._node_of(found[0], parts)

    def _node_of(self, spec: NodeSpec, parts: Components) -> Node:
        return Node(spec, self._layout, parts, self._processes, self._api)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time: test processes in parallel find the cluster that the first of them starts."""
        with self._layout.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def ensure(progress: Progress = _quiet, environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster to test against: the one that AUTOSCOUT_TEST_KUBECONFIG names, else our own, started if need be.

    Raises:
        ClusterError: there is none; doctor() says beforehand.
    """
    if given := environment.get(EXTERNAL):
        if not Path(given).is_file():
            raise ClusterError(f"{EXTERNAL} names {given}, which is no file")
        return Cluster(external=Path(given))
    cluster = Cluster()
    cluster.use()
    cluster.up(progress)
    return cluster


def doctor(environment: Mapping[str, str] = os.environ, *, may_build: bool = True) -> list[str]:
    """Why there can be no cluster to test against; empty if there can. To be shown as the reason for a skip.

    Args:
        environment: Where AUTOSCOUT_TEST_KUBECONFIG, KUBEBUILDER_ASSETS and the cache's place are looked up.
        may_build: Whether the first start may take minutes to build the binaries.
    """
    if given := environment.get(EXTERNAL):
        return [] if Path(given).is_file() else [f"{EXTERNAL} names {given}, which is no file"]
    return _own_problems(environment, may_build=may_build)


def _own_problems(environment: Mapping[str, str], *, may_build: bool = True) -> list[str]:
    reasons = hostpackages.problems()
    if components.find(environment) is None:
        if problem := components.toolchain_problem():
            reasons.append(problem)
        elif not may_build:
            reasons.append("the Kubernetes binaries are not built yet: make cluster-up builds them, in some minutes")
    return reasons


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _images(parts: Components) -> list[Image]:
    cache = cache_directory() / "images"
    return [pause_image(parts, cache), python_image(cache)]


class Stopwatch:
    """Prints progress with the seconds since the start."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._start = time.monotonic()

    def __call__(self, message: str) -> None:
        self._write(f"[{time.monotonic() - self._start:6.1f} s] {message}\n")
