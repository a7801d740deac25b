"""`autoscout operator`: run the controller."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import kubernetes.aio.config as kubernetes_config
import typer

from autoscout.controller.runtime import Options, run
from autoscout.telemetry.logs import LogFormat, configure


def operator(
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Serve only this namespace; may be repeated. Default: all namespaces."),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(help="Kubeconfig file. Default: the service account in a cluster, else $KUBECONFIG."),
    ] = None,
    lease_namespace: Annotated[
        str | None,
        typer.Option(
            help="Elect a leader through a Lease in this namespace, so that several replicas can run. "
            "Default: no election; run one replica."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="TuningJobs that are worked on at the same time.")] = 8,
    planners: Annotated[int, typer.Option(min=1, help="Worker processes for the search.")] = 1,
    relist_seconds: Annotated[
        float,
        typer.Option(min=1, help="Interval of the re-list that corrects what a watch lost; liveness is its age."),
    ] = 180,
    listen_host: Annotated[str, typer.Option(help="Address of /healthz, /readyz and /metrics.")] = "127.0.0.1",
    listen_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the same; 0: don't listen.")] = 8080,
    log_format: Annotated[LogFormat, typer.Option(help="text for people, json for machines.")] = LogFormat.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every request and event.")] = False,
) -> None:
    """Run the operator until SIGTERM: watch TuningJobs, measure their trials as Jobs, report in their status.

    In a cluster: as a Deployment with the rights in charts/autoscout/files/cluster-role.yaml, with --lease-namespace
    and --listen-host 0.0.0.0, so that the kubelet and Prometheus get an answer.
    Out of a cluster, to try it:

        kubectl apply --server-side -f crds/

        autoscout operator --kubeconfig ~/.kube/config
    """
    configure(log_format, verbose=verbose)
    options = Options(
        namespaces=tuple(namespace or ()),
        kubeconfig=kubeconfig,
        workers=workers,
        planners=planners,
        relist_seconds=relist_seconds,
        lease_namespace=lease_namespace,
        listen=(listen_host, listen_port) if listen_port else None,
    )
    loader: Any = kubernetes_config  # ships no types
    try:
        asyncio.run(run(options))
    except loader.ConfigException as error:
        typer.echo(f"error: no usable kubeconfig: {error}; give --kubeconfig FILE, or set KUBECONFIG", err=True)
        raise typer.Exit(2) from error
