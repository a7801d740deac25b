"""The cluster's certificate authority, its certificates and kubeconfigs, made by the openssl command (3.0 or later).

One authority signs all: in a test cluster a second one would only be a second thing to get wrong.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .layout import API_SERVER_PORT, SERVICE_ADDRESS, ClusterError, Layout, NodeSpec

SERVER = f"https://127.0.0.1:{API_SERVER_PORT}"
DAYS = "365"


@dataclass(frozen=True)
class Identity:
    """Who a certificate is for: a user (and the group that RBAC knows), or a server with its names."""

    name: str
    user: str
    group: str = ""
    alternative_names: tuple[str, ...] = ()


API_SERVER = Identity(
    "apiserver",
    "kube-apiserver",
    alternative_names=(
        "DNS:localhost",
        "DNS:kubernetes",
        "DNS:kubernetes.default",
        "DNS:kubernetes.default.svc",
        "DNS:kubernetes.default.svc.cluster.local",
        "IP:127.0.0.1",
        f"IP:{SERVICE_ADDRESS}",
    ),
)
KUBELET_CLIENT = Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
ADMIN = Identity("admin", "admin", "system:masters")
CONTROLLER_MANAGER = Identity("controller-manager", "system:kube-controller-manager")
SCHEDULER = Identity("scheduler", "system:kube-scheduler")
DNS = Identity("coredns", "coredns", "system:masters")


def kubelet_identity(node: NodeSpec) -> Identity:
    """A node's: the node authorizer knows it by user and group, the API server by its address."""
    names = (f"DNS:{node.name}", f"IP:{node.address}")
    return Identity(f"kubelet-{node.name}", f"system:node:{node.name}", "system:nodes", names)


def create(layout: Layout, nodes: tuple[NodeSpec, ...]) -> None:
    """Everything that the cluster's components need to know each other."""
    layout.pki.mkdir(parents=True, mode=0o700)
    _configuration(layout).write_text("[req]\ndistinguished_name = none\n[none]\n")
    authority_use = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
    _certify(layout, "ca", "/CN=autoscout-test-cluster", authority_use)
    for identity in (API_SERVER, KUBELET_CLIENT):
        _sign(layout, identity)
    for identity in (ADMIN, CONTROLLER_MANAGER, SCHEDULER, DNS, *map(kubelet_identity, nodes)):
        _sign(layout, identity)
        path = layout.admin_kubeconfig if identity is ADMIN else kubeconfig(layout, identity)
        _write_kubeconfig(layout, identity, path)
    tokens = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    _openssl("genpkey", *tokens, "-out", _key(layout, "service-accounts"))
    _openssl("pkey", "-in", _key(layout, "service-accounts"), "-pubout", "-out", public_key(layout))


def authority(layout: Layout) -> str:
    return _certificate(layout, "ca")


def certificate_pair(layout: Layout, identity: Identity) -> tuple[str, str]:
    """The paths of the certificate and of its key."""
    return _certificate(layout, identity.name), _key(layout, identity.name)


def public_key(layout: Layout) -> str:
    """Of the key that signs the tokens of ServiceAccounts."""
    return str(layout.pki / "service-accounts.pub")


def private_key(layout: Layout) -> str:
    """The key that signs the tokens of ServiceAccounts."""
    return _key(layout, "service-accounts")


def kubeconfig(layout: Layout, identity: Identity) -> Path:
    return layout.pki / f"{identity.name}.kubeconfig"


def _sign(layout: Layout, identity: Identity) -> None:
    subject = (f"/O={identity.group}" if identity.group else "") + f"/CN={identity.user}"
    extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
    if identity.alternative_names:
        extensions.append(f"subjectAltName={','.join(identity.alternative_names)}")
    signer = ("-CA", _certificate(layout, "ca"), "-CAkey", _key(layout, "ca"))
    _certify(layout, identity.name, subject, extensions, signer)


def _certify(layout: Layout, name: str, subject: str, extensions: Sequence[str], signer: Sequence[str] = ()) -> None:
    """A new key and its certificate, signed by the signer or by itself."""
    _openssl(
        *("req", "-x509", "-config", str(_configuration(layout)), "-subj", subject, "-days", DAYS),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", _key(layout, name), "-out", _certificate(layout, name)),
        *(argument for extension in extensions for argument in ("-addext", extension)),
        *signer,
    )


def _write_kubeconfig(layout: Layout, identity: Identity, path: Path) -> None:
    """As JSON, which every reader of YAML reads."""

    def embed(file: str) -> str:
        return base64.b64encode(Path(file).read_bytes()).decode()

    name = "autoscout-test-cluster"
    cluster = {"server": SERVER, "certificate-authority-data": embed(_certificate(layout, "ca"))}
    certificate, key = certificate_pair(layout, identity)
    user = {"client-certificate-data": embed(certificate), "client-key-data": embed(key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": identity.name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": identity.name, "namespace": "default"}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1))


def _configuration(layout: Layout) -> Path:
    """Of openssl itself: an empty one, because the distribution's would add extensions of its own."""
    return layout.pki / "openssl.cnf"


def _certificate(layout: Layout, name: str) -> str:
    return str(layout.pki / f"{name}.crt")


def _key(layout: Layout, name: str) -> str:
    return str(layout.pki / f"{name}.key")


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"openssl {' '.join(arguments)}: {done.stderr.strip()}")
