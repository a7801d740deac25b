"""What the machine itself must have: privileges, commands, CNI plugins; and apt where it may install them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from .host import cgroup_directories
from .layout import ClusterError

# Command: the Debian package that has it.
COMMANDS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "busybox": "busybox-static",
    "openssl": "openssl",
    "ip": "iproute2",
    "ldd": "libc-bin",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
CNI_PACKAGE = "containernetworking-plugins"
CNI_PLUGINS = ("bridge", "host-local", "loopback")
CNI_DIRECTORIES = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
# Bits of the effective capabilities: to mount and make namespaces, and to make bridges.
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}


def cni_directory() -> Path | None:
    """Where the CNI plugins are."""
    for directory in CNI_DIRECTORIES:
        if all((directory / plugin).exists() for plugin in CNI_PLUGINS):
            return directory
    return None


def missing_packages() -> list[str]:
    """The Debian packages whose commands this machine lacks."""
    packages = {package for command, package in COMMANDS.items() if shutil.which(command) is None}
    if cni_directory() is None:
        packages.add(CNI_PACKAGE)
    return sorted(packages)


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str]) -> None:
    """Install them with apt.

    Raises:
        ClusterError: apt isn't there or failed.
    """
    if not can_install():
        raise ClusterError(f"missing on this machine: {', '.join(packages)}; install them")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    steps = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
    for step in steps:
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0 and step[1] == "install":
            raise ClusterError(f"{' '.join(step)} failed: {done.stderr.strip()[-1000:]}")


def problems() -> list[str]:
    """Why nodes can't run on this machine; empty if they can, perhaps after an installation."""
    if platform.system() != "Linux":
        return [f"a node needs Linux, this is {platform.system()}"]
    found = []
    if os.geteuid() != 0:
        found.append("starting nodes needs root")
    found += [
        f"this container or user lacks {name}, which starting nodes needs"
        for name, bit in CAPABILITIES.items()
        if os.geteuid() == 0 and not _effective_capabilities() >> bit & 1
    ]
    if os.geteuid() == 0 and not all(os.access(path, os.W_OK) for path in cgroup_directories(".")):
        found.append("cgroups can't be made here (/sys/fs/cgroup is read-only), and each node needs its own")
    missing = missing_packages()
    if missing and not can_install():
        found.append(f"missing on this machine: {', '.join(missing)} (and no apt as root to install them)")
    return found


def _effective_capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff"))
