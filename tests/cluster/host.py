"""What a node changes on the machine, and how it is put back: kernel settings, bridges, cgroups, directories.

Everything that a node starts is kept in a cgroup of its own and in a mount namespace of its own. So ending a node,
also after a crash, needs no list of what it had started: whatever is in the cgroup is killed, and the mounts and the
pods' network namespaces go with the last process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .layout import ClusterError

CGROUP_ROOT = Path("/sys/fs/cgroup")
SYSCTLS = Path("/proc/sys")

# Paths that the kubelet, containerd and the CNI library have built in: each node gets its own in their place.
PRIVATE_PATHS = (
    "/run/containerd",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
)

# What the kubelet (protectKernelDefaults: false) and the bridge plugin set.
CHANGED_SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
)


def save_sysctls(record: Path) -> None:
    """Note the kernel's settings, unless an earlier run that crashed has noted the true ones."""
    if not record.exists():
        values = {name: (SYSCTLS / name).read_text().strip() for name in CHANGED_SYSCTLS}
        record.write_text(json.dumps(values, indent=1))


def restore_sysctls(record: Path) -> None:
    if record.exists():
        for name, value in json.loads(record.read_text()).items():
            (SYSCTLS / name).write_text(value)
        record.unlink()


def add_bridge(name: str, addresses: Sequence[str], owner: str) -> None:
    """A bridge with these addresses (each with its prefix length): a node's own, and its pods' gateway.

    Args:
        name: Of the network interface.
        addresses: What the machine answers to on it.
        owner: Who may replace or remove it; kept as the interface's alias.
    """
    remove_bridge(name, owner)
    _ip("link", "add", name, "type", "bridge")
    _ip("link", "set", name, "alias", owner)
    for address in addresses:
        _ip("addr", "add", address, "dev", name)
    _ip("link", "set", name, "up")


def remove_bridge(name: str, owner: str) -> None:
    """Remove the bridge if it is there and the owner's."""
    alias = Path("/sys/class/net", name, "ifalias")
    if alias.exists() and alias.read_text().strip() == owner:
        _ip("link", "del", name)


def cgroup_directories(path: str) -> list[Path]:
    """Where this cgroup is: one directory with cgroup v2, one in each hierarchy with v1."""
    return [hierarchy / path for hierarchy in _hierarchies()]


def create_cgroup(path: str, *, leaf: bool) -> list[Path]:
    """Make a cgroup; a leaf may hold processes, with v2 any other may have children with limits."""
    directories = cgroup_directories(path)
    for hierarchy, directory in zip(_hierarchies(), directories, strict=True):
        current = hierarchy
        for part in Path(path).parts:
            _enable_controllers(current)
            current /= part
            current.mkdir(exist_ok=True)
            _inherit_cpuset(current)
        if not leaf:
            _enable_controllers(directory)
    return directories


def destroy_cgroup(path: str, seconds: float = 60) -> None:
    """Kill whatever runs in the cgroup and below it, and remove it.

    Raises:
        ClusterError: something in it doesn't end.
    """
    deadline = time.monotonic() + seconds
    while remaining := [directory for directory in cgroup_directories(path) if directory.exists()]:
        for directory in remaining:
            _kill_members(directory)
        for directory in remaining:
            _remove_tree(directory)
        if time.monotonic() > deadline:
            raise ClusterError(f"the cgroup {remaining[0]} can't be emptied; see its cgroup.procs")
        time.sleep(0.02)


def in_cgroup(directories: Sequence[Path], command: Sequence[str]) -> list[str]:
    """The command that puts itself into the cgroup before it starts."""
    script = 'IFS=:; for group in $1; do echo $$ > "$group/cgroup.procs"; done; shift; exec "$@"'
    return ["sh", "-c", script, "in-cgroup", ":".join(map(str, directories)), *command]


def in_private_mounts(private: Path, command: Sequence[str]) -> list[str]:
    """The command in a new mount namespace, in which each of PRIVATE_PATHS is a directory under `private`."""
    script = 'set -e; mount --make-rshared /; for path in $1; do mount --bind "$0$path" "$path"; done; shift; exec "$@"'
    inner = ["sh", "-c", script, str(private), " ".join(PRIVATE_PATHS), *command]
    return ["unshare", "--mount", "--propagation", "private", *inner]


def in_mounts_of(pid: int, command: Sequence[str]) -> list[str]:
    return ["nsenter", f"--mount=/proc/{pid}/ns/mnt", *command]


def create_mount_points() -> list[str]:
    """Make sure that each of PRIVATE_PATHS exists on the machine; returns those that did not."""
    missing = [path for path in PRIVATE_PATHS if not Path(path).exists()]
    for path in missing:
        Path(path).mkdir(parents=True)
    return missing


def remove_mount_points(made: Sequence[str]) -> None:
    """Undo create_mount_points; a directory that somebody has put something into stays."""
    for path in map(Path, reversed(made)):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def mounts_below(directory: Path) -> list[str]:
    """Mount points at or below it that the machine itself sees, deepest first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1] for line in lines]
    return sorted((point for point in points if Path(point).is_relative_to(directory)), reverse=True)


def unmount_below(directory: Path) -> None:
    for point in mounts_below(directory):
        subprocess.run(["umount", "--lazy", point], check=True, capture_output=True)


def _hierarchies() -> list[Path]:
    if (CGROUP_ROOT / "cgroup.controllers").exists():
        return [CGROUP_ROOT]
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    # A v1 machine often has v2 mounted beside it, without controllers, and runc uses that too.
    return [Path(fields[1]) for fields in mounts if fields[2] in {"cgroup", "cgroup2"}]


def _enable_controllers(directory: Path) -> None:
    """With cgroup v2, let the children of this cgroup have limits; v1 has nothing of the kind."""
    available = directory / "cgroup.controllers"
    wanted = " ".join(f"+{name}" for name in available.read_text().split()) if available.exists() else ""
    if wanted:
        (directory / "cgroup.subtree_control").write_text(wanted)


def _inherit_cpuset(directory: Path) -> None:
    """With cgroup v1 a new cpuset is empty and takes no process until it is told its processors."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        own, parents = directory / name, directory.parent / name
        if own.exists() and not (directory / "cgroup.controllers").exists() and not own.read_text().strip():
            own.write_text(parents.read_text())


def _kill_members(directory: Path) -> None:
    for members in directory.rglob("cgroup.procs"):
        try:
            pids = [int(line) for line in members.read_text().split()]
        except OSError:
            continue  # the cgroup went away with its last process
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                continue


def _remove_tree(directory: Path) -> None:
    children = [path for path in directory.rglob("*") if path.is_dir()]
    for path in [*sorted(children, reverse=True), directory]:
        try:
            path.rmdir()
        except OSError:
            return  # its processes are still ending: the caller comes again


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
