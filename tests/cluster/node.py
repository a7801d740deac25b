"""One node: its bridge, a containerd, a kubelet, and a device plugin that offers its GPUs.

Several nodes live on one machine because each has its own cgroup, its own mount namespace (for the paths that the
kubelet and containerd have built in) and its own address on a bridge.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from . import host, pki
from .api import ApiClient
from .components import Components
from .hostpackages import cni_directory
from .layout import CLUSTER_DOMAIN, DNS_ADDRESS, KUBELET_PORT, SERVICE_ADDRESS, ClusterError, Layout, NodeSpec
from .processes import Processes

PAUSE_IMAGE = "autoscout.local/pause:test"
GPU_RESOURCE = "nvidia.com/gpu"
# Nothing listens there: a look-up of an image that no node has is refused at once, and never leaves the machine.
NO_REGISTRY = """\
server = "http://127.0.0.1:9"
[host."http://127.0.0.1:9"]
  capabilities = ["pull", "resolve"]
"""


class Node:
    """A node's processes and files; the Node object in the API is the kubelet's."""

    def __init__(
        self, spec: NodeSpec, layout: Layout, components: Components, processes: Processes, api: ApiClient
    ) -> None:
        self.spec = spec
        self._layout = layout
        self._components = components
        self._processes = processes
        self._api = api
        self._home = layout.node(spec)
        self._socket = self._home / "containerd.sock"
        self._containerd, self._kubelet = f"containerd-{spec.name}", f"kubelet-{spec.name}"
        self._device_plugin = f"gpu-device-plugin-{spec.name}"
        self._cgroup = f"{layout.cgroup}/{spec.name}"
        self._daemons = f"{self._cgroup}/daemons"
        self._pods = f"{self._cgroup}/pods"

    def start_runtime(self) -> None:
        """The bridge and containerd; returns when images can be imported."""
        for path in host.PRIVATE_PATHS:
            (self._home / "private" / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        self._write_runtime_configuration()
        # Every bridge has the Services' addresses too: pods of any node find API and DNS while another node is down.
        addresses = (f"{self.spec.address}/24", f"{SERVICE_ADDRESS}/32", f"{DNS_ADDRESS}/32")
        host.add_bridge(self.spec.bridge, addresses, str(self._layout.state))
        host.create_cgroup(self._pods, leaf=False)
        daemons = host.create_cgroup(self._daemons, leaf=True)
        containerd = ["containerd", "--config", str(self._home / "containerd.toml")]
        private = host.in_private_mounts(self._home / "private", containerd)
        self._processes.spawn(self._containerd, host.in_cgroup(daemons, private))
        self._processes.wait_until(self._containerd, lambda: self._ctr("version").returncode == 0, 180)

    def start_kubelet(self) -> None:
        """The kubelet and the device plugin, which may already run."""
        runtime = self._processes.pid(self._containerd)
        if runtime is None:
            raise ClusterError(f"containerd of {self.spec.name} does not run: start the whole node")
        self._write_kubelet_configuration()
        daemons = host.cgroup_directories(self._daemons)
        commands = {self._kubelet: self._kubelet_command(), self._device_plugin: self._device_plugin_command()}
        for name, command in commands.items():
            if self._processes.pid(name) is None:
                self._processes.spawn(name, host.in_cgroup(daemons, host.in_mounts_of(runtime, command)))

    def await_ready(self, seconds: float = 300) -> None:
        """Returns when the scheduler may place pods with GPUs here."""
        self._processes.wait_until(
            self._kubelet, lambda: self._api.node_ready(self.spec.name, (GPU_RESOURCE,)), seconds
        )

    def runtime_runs(self) -> bool:
        return self._processes.pid(self._containerd) is not None

    def stop_kubelet(self) -> None:
        """As by SIGKILL: the containers go on, the node falls silent."""
        self._processes.stop(self._kubelet, grace_seconds=0)

    def stop(self) -> None:
        """As by pulling the plug: the kubelet, the runtime and every container are gone at once."""
        # The kubelet first: it must not live to tell of the containers' end.
        self.stop_kubelet()
        host.destroy_cgroup(self._cgroup)
        for name in (self._device_plugin, self._containerd):
            self._processes.stop(name, grace_seconds=0)
        host.unmount_below(self._home)
        host.remove_bridge(self.spec.bridge, str(self._layout.state))
        # What the machine would have lost with its memory; images and containers' layers are on its disk.
        shutil.rmtree(self._home / "private" / "run", ignore_errors=True)
        self._socket.unlink(missing_ok=True)

    def import_image(self, archive: Path) -> None:
        """Make an image (a docker-archive) known to this node.

        Raises:
            ClusterError: containerd refused it; with its message.
        """
        done = self._ctr("images", "import", str(archive))
        if done.returncode != 0:
            raise ClusterError(f"{self.spec.name} can't import {archive}: {done.stderr.strip()}")

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["ctr", "--address", str(self._socket), "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _kubelet_command(self) -> list[str]:
        return [
            self._components["kubelet"],
            f"--config={self._home / 'kubelet.json'}",
            f"--kubeconfig={pki.kubeconfig(self._layout, pki.kubelet_identity(self.spec))}",
            f"--hostname-override={self.spec.name}",
            f"--node-ip={self.spec.address}",
            f"--node-labels={','.join(f'{name}={value}' for name, value in self.spec.labels.items())}",
            f"--root-dir={self._home / 'kubelet'}",
            f"--cert-dir={self._home / 'kubelet-certificates'}",
        ]

    def _device_plugin_command(self) -> list[str]:
        return [
            self._components["gpu-device-plugin"],
            f"-resource={GPU_RESOURCE}",
            f"-count={self.spec.gpus}",
            f"-prefix=GPU-{self.spec.name}",
        ]

    def _write_kubelet_configuration(self) -> None:
        certificate, key = pki.certificate_pair(self._layout, pki.kubelet_identity(self.spec))
        configuration = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.spec.address,
            "port": KUBELET_PORT,
            "healthzPort": 0,
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": pki.authority(self._layout)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "tlsCertFile": certificate,
            "tlsPrivateKeyFile": key,
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "podLogsDir": str(self._home / "pod-logs"),
            "volumePluginDir": str(self._home / "volume-plugins"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._pods}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,  # lowering it takes CAP_SYS_RESOURCE
            "resolvConf": str(self._home / "resolv.conf"),
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": CLUSTER_DOMAIN,
            "serializeImagePulls": False,
            "imageGCHighThresholdPercent": 100,  # an image that was collected could not be pulled again
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "evictionPressureTransitionPeriod": "10s",
            "syncFrequency": "2s",  # also how soon a pod's activeDeadlineSeconds is noticed
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 8,
            "shutdownGracePeriod": "0s",
        }
        (self._home / "kubelet.json").write_text(json.dumps(configuration, indent=1))
        (self._home / "resolv.conf").write_text("options timeout:1 attempts:1\n")

    def _write_runtime_configuration(self) -> None:
        network = {
            "cniVersion": "0.4.0",
            "name": "autoscout",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": self.spec.bridge,
                    "isGateway": True,
                    "ipMasq": False,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(self._home / "private" / "run" / "addresses"),
                        "ranges": [[{"subnet": self.spec.subnet, "gateway": self.spec.address}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                }
            ],
        }
        networks, registries = self._home / "cni", self._home / "registries"
        (registries / "_default").mkdir(parents=True, exist_ok=True)
        (registries / "_default" / "hosts.toml").write_text(NO_REGISTRY)
        networks.mkdir(exist_ok=True)
        (networks / "10-bridge.conflist").write_text(json.dumps(network, indent=1))
        (self._home / "containerd.toml").write_text(
            CONTAINERD_TOML.format(
                home=self._home,
                socket=self._socket,
                pause=PAUSE_IMAGE,
                cni=cni_directory(),
                networks=networks,
                registries=registries,
            )
        )


# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc fails otherwise ("can't get final child's PID").
CONTAINERD_TOML = """\
version = 2
root = "{home}/containerd"
state = "{home}/private/run/containerd-state"
oom_score = 0
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  enable_selinux = false
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{networks}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{registries}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""
