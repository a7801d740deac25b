"""Where the test cluster keeps its things, which addresses it uses and which nodes it has.

Everything that runs lives under one state directory outside the checkout; what took long to make (binaries, images)
lives in a cache that outlives the cluster.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_STATE = Path("/var/tmp/autoscout-test-cluster")

# Loopback ports out of the way of a local kind, k3d or minikube (6443, 2379, 10250-10259).
API_SERVER_PORT = 26443
ETCD_PORT = 26379
ETCD_PEER_PORT = 26380
CONTROLLER_MANAGER_PORT = 26257
SCHEDULER_PORT = 26259
DNS_READY_PORT = 26181
KUBELET_PORT = 10250  # on the address of the node's own bridge, never on the loopback

SERVICE_RANGE = "10.197.0.0/24"
SERVICE_ADDRESS = "10.197.0.1"  # of the Service "kubernetes" in the namespace default
DNS_ADDRESS = "10.197.0.10"
CLUSTER_DOMAIN = "cluster.local"


class ClusterError(Exception):
    """The test cluster can't do what was asked; the message says why and what to do about it."""


@dataclass(frozen=True)
class NodeSpec:
    """A node: what it is called, which GPUs it claims to have, and its place in the address plan."""

    name: str
    gpu_product: str
    gpus: int
    index: int

    @property
    def bridge(self) -> str:
        return f"ascout{self.index}"

    @property
    def subnet(self) -> str:
        return f"10.198.{self.index}.0/24"

    @property
    def address(self) -> str:
        return f"10.198.{self.index}.1"

    @property
    def labels(self) -> dict[str, str]:
        """The labels that NVIDIA's GPU feature discovery would set."""
        return {"nvidia.com/gpu.product": self.gpu_product, "nvidia.com/gpu.count": str(self.gpus)}


NODES = (
    NodeSpec("a100-0", "NVIDIA-A100-SXM4-80GB", gpus=8, index=0),
    NodeSpec("a40-0", "NVIDIA-A40", gpus=4, index=1),
)


@dataclass(frozen=True)
class Layout:
    """The state directory, divided up."""

    state: Path = DEFAULT_STATE

    @property
    def cgroup(self) -> str:
        """The cgroup of all nodes, named after the directory: another state's processes are never touched."""
        return f"autoscout-cluster-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def etcd(self) -> Path:
        return self.state / "etcd"

    @property
    def sysctls(self) -> Path:
        """The kernel's settings from before the cluster; kept until they have been put back."""
        return self.state / "sysctls.json"

    @property
    def mount_points(self) -> Path:
        """Directories that the machine lacked and that the nodes mount over."""
        return self.state / "mount-points.json"

    @property
    def corefile(self) -> Path:
        """The configuration of CoreDNS."""
        return self.state / "Corefile"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    @property
    def identity(self) -> Path:
        """What the running cluster was made from."""
        return self.state / "cluster.json"

    @property
    def images(self) -> Path:
        """Which images the nodes hold, by reference."""
        return self.state / "images.json"

    @property
    def users(self) -> Path:
        """The processes that use the cluster; outlives a restart, as they do."""
        return self.state / "users"

    @property
    def kept(self) -> Path:
        """Exists while the cluster is to stay up although nobody uses it."""
        return self.state / "kept"

    @property
    def faults(self) -> Path:
        """The processes that have broken the cluster on purpose and will mend it."""
        return self.state / "faults"

    @property
    def lock(self) -> Path:
        return self.state.with_name(self.state.name + ".lock")

    def node(self, spec: NodeSpec) -> Path:
        return self.state / "nodes" / spec.name


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """What took long to make: AUTOSCOUT_CACHE_DIR, else autoscout/ in the user's cache directory (XDG)."""
    if chosen := environment.get("AUTOSCOUT_CACHE_DIR"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "autoscout"
