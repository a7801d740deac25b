"""etcd, the API server, the controller manager, the scheduler and CoreDNS."""

from __future__ import annotations

import http.client
import ssl

from . import pki
from .api import ApiClient
from .components import Components
from .layout import (
    API_SERVER_PORT,
    CLUSTER_DOMAIN,
    CONTROLLER_MANAGER_PORT,
    DNS_ADDRESS,
    DNS_READY_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    NODES,
    SCHEDULER_PORT,
    SERVICE_ADDRESS,
    SERVICE_RANGE,
    Layout,
)
from .processes import Processes

API_SERVER = "kube-apiserver"
DNS = "coredns"
# In the order of their start.
PROCESSES = ("etcd", API_SERVER, "service-gateway", "kube-controller-manager", "kube-scheduler", DNS)
ETCD = f"http://127.0.0.1:{ETCD_PORT}"

# Kubernetes' defaults are 50 s until a silent node counts as lost and 300 s until its pods are given up: a test
# waits for both.
NODE_GRACE_SECONDS = 20
EVICTION_SECONDS = 20


class ControlPlane:
    """The processes of the control plane, each of which can be stopped and started by itself."""

    def __init__(self, layout: Layout, components: Components, processes: Processes, api: ApiClient) -> None:
        self._layout = layout
        self._components = components
        self._processes = processes
        self._api = api

    def start_storage_and_api(self) -> None:
        """Returns when the API server is ready: nodes may register."""
        self._processes.spawn("etcd", self._etcd())
        self._processes.wait_until("etcd", lambda: _answers(ETCD_PORT, "/health"), 180)
        self.start_api_server()

    def start_api_server(self) -> None:
        self._processes.spawn(API_SERVER, self._api_server())
        self._processes.wait_until(API_SERVER, lambda: self._api.succeeds("/readyz"), 300)

    def stop_api_server(self, *, grace_seconds: float = 0) -> None:
        self._processes.stop(API_SERVER, grace_seconds=grace_seconds)

    def start_controllers(self) -> None:
        """Everything that talks to the API server; the nodes' bridges must be there to listen on."""
        self._processes.spawn("service-gateway", self._service_gateway())
        self._processes.spawn("kube-controller-manager", self._controller_manager())
        self._processes.spawn("kube-scheduler", self._scheduler())
        self._processes.spawn(DNS, self._dns())

    def await_controllers(self) -> None:
        """Returns when a pod can be made (its ServiceAccount exists) and placed, and finds others by name."""
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._processes.wait_until("kube-controller-manager", lambda: self._api.succeeds(account), 300)
        tls = _trusting()
        self._processes.wait_until("kube-scheduler", lambda: _answers(SCHEDULER_PORT, "/readyz", tls), 300)
        self._processes.wait_until(DNS, lambda: _answers(DNS_READY_PORT, "/ready"), 300)

    def stop(self) -> None:
        for name in reversed(PROCESSES):
            self._processes.stop(name, grace_seconds=0)

    def _etcd(self) -> list[str]:
        peer = f"http://127.0.0.1:{ETCD_PEER_PORT}"
        return [
            self._components["etcd"],
            f"--data-dir={self._layout.etcd}",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # the data dies with the cluster
            "--log-level=warn",
        ]

    def _api_server(self) -> list[str]:
        certificate, key = pki.certificate_pair(self._layout, pki.API_SERVER)
        kubelet_certificate, kubelet_key = pki.certificate_pair(self._layout, pki.KUBELET_CLIENT)
        return [
            self._components[API_SERVER],
            f"--etcd-servers={ETCD}",
            "--bind-address=127.0.0.1",
            f"--secure-port={API_SERVER_PORT}",
            f"--advertise-address={NODES[0].address}",  # required not to be a loopback address; nothing uses it
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={pki.authority(self._layout)}",
            f"--service-account-key-file={pki.public_key(self._layout)}",
            f"--service-account-signing-key-file={pki.private_key(self._layout)}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--default-not-ready-toleration-seconds={EVICTION_SECONDS}",
            f"--default-unreachable-toleration-seconds={EVICTION_SECONDS}",
            "--allow-privileged=true",
            f"--kubelet-client-certificate={kubelet_certificate}",
            f"--kubelet-client-key={kubelet_key}",
            f"--kubelet-certificate-authority={pki.authority(self._layout)}",
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
        ]

    def _controller_manager(self) -> list[str]:
        authority_key = pki.certificate_pair(self._layout, pki.Identity("ca", ""))[1]
        return [
            self._components["kube-controller-manager"],
            *self._credentials(pki.CONTROLLER_MANAGER),
            f"--secure-port={CONTROLLER_MANAGER_PORT}",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki.private_key(self._layout)}",
            f"--root-ca-file={pki.authority(self._layout)}",
            f"--cluster-signing-cert-file={pki.authority(self._layout)}",
            f"--cluster-signing-key-file={authority_key}",
            "--node-monitor-period=2s",
            f"--node-monitor-grace-period={NODE_GRACE_SECONDS}s",
        ]

    def _scheduler(self) -> list[str]:
        return [
            self._components["kube-scheduler"],
            *self._credentials(pki.SCHEDULER),
            f"--secure-port={SCHEDULER_PORT}",
        ]

    def _service_gateway(self) -> list[str]:
        return [
            self._components["service-gateway"],
            f"-listen={SERVICE_ADDRESS}:443",
            f"-target=127.0.0.1:{API_SERVER_PORT}",
        ]

    def _dns(self) -> list[str]:
        kubeconfig = pki.kubeconfig(self._layout, pki.DNS)
        self._layout.corefile.write_text(
            COREFILE.format(
                address=DNS_ADDRESS, ready=f"127.0.0.1:{DNS_READY_PORT}", domain=CLUSTER_DOMAIN, kubeconfig=kubeconfig
            )
        )
        return [self._components[DNS], "-conf", str(self._layout.corefile)]

    def _credentials(self, identity: pki.Identity) -> list[str]:
        kubeconfig = pki.kubeconfig(self._layout, identity)
        flags = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        return [
            *(f"--{flag}={kubeconfig}" for flag in flags),
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            "--profiling=false",
        ]


# That of kubeadm, without the way to the outside.
COREFILE = """\
.:53 {{
    bind {address}
    ready {ready}
    errors
    cache 30
    kubernetes {domain} in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
}}
"""


def _answers(port: int, path: str, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a component says that it is well."""
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _trusting() -> ssl.SSLContext:
    """For components that serve with a certificate that they made themselves, on the loopback."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
