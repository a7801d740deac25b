"""The command line: python -m tests.cluster up|down|status|build|doctor, from the root of the checkout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import components
from .cluster import EXTERNAL, Cluster, Stopwatch, doctor
from .layout import DEFAULT_STATE, NODES, ClusterError, Layout, cache_directory

DESCRIPTION = f"""\
A real Kubernetes {components.KUBERNETES.version} for the tests, on this machine and as root: etcd, API server,
controller manager, scheduler, and {len(NODES)} nodes with containerd and a kubelet each:
{chr(10).join(f"  {spec.name:8} {spec.gpus} x {spec.gpu_product}" for spec in NODES)}
The GPUs are a device plugin's claim: Kubernetes counts and assigns them, but no such hardware is there.
"""
EPILOG = f"""\
the usual way:
  python -m tests.cluster up
  export KUBECONFIG={DEFAULT_STATE}/admin.kubeconfig
  kubectl get nodes -L nvidia.com/gpu.product
  python -m pytest -m cluster
  python -m tests.cluster down

environment:
  {EXTERNAL}  kubeconfig of another cluster: the tests use that one and start nothing
  KUBEBUILDER_ASSETS         directory with etcd, kube-apiserver, ... to use instead of building them
  AUTOSCOUT_CACHE_DIR        where built binaries and images are kept (now {cache_directory()})
"""
COMMANDS = {
    "up": "start it, unless it runs already; prints the KUBECONFIG to export",
    "down": "stop everything and put the machine back as it was; logs and caches stay",
    "status": "what runs, how much memory it takes, and what is wrong with it",
    "build": "find the binaries, or build them into the cache",
    "doctor": "why a cluster can't run here; exit status 1 if so",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.cluster",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="state directory (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    parsers = {name: commands.add_parser(name, help=purpose, description=purpose) for name, purpose in COMMANDS.items()}
    parsers["down"].add_argument("--force", action="store_true", help="also while test runs use it")
    options = parser.parse_args(arguments)
    try:
        return _run(options, Cluster(Layout(options.state.resolve())))
    except ClusterError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _run(options: argparse.Namespace, cluster: Cluster) -> int:
    command = options.command
    progress = Stopwatch(sys.stdout.write)
    if command == "up":
        cluster.up(progress)
        cluster.keep()
        sys.stdout.write(f"export KUBECONFIG={cluster.admin_kubeconfig}\n")
    elif command == "down":
        cluster.down(progress, force=options.force)
        progress("down")
    elif command == "build":
        found = components.find_or_build(progress)
        sys.stdout.write("".join(f"{name:24} {path}\n" for name, path in sorted(found.paths.items())))
    elif command == "doctor":
        return _list(doctor(), "a cluster can run here")
    else:
        return _status(cluster)
    return 0


def _status(cluster: Cluster) -> int:
    running = cluster.processes()
    if not running:
        sys.stdout.write("nothing is up\n")
        return 1
    for name, size in running.items():
        sys.stdout.write(f"{name:28} {'ended' if size is None else f'{size:5} MiB'}\n")
    sys.stdout.write(f"{'together':28} {sum(size or 0 for size in running.values()):5} MiB\n")
    return _list(cluster.problems(), f"well; export KUBECONFIG={cluster.admin_kubeconfig}")


def _list(problems: list[str], otherwise: str) -> int:
    sys.stdout.write("".join(f"- {problem}\n" for problem in problems) or f"{otherwise}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
