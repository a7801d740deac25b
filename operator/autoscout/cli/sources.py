"""Where a ledger can be read: a directory of `autoscout tune`, a file with Kubernetes objects, a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscout.api import convert
from autoscout.api.errors import ApiError
from autoscout.api.tuning_job import TuningJob
from autoscout.cli.documents import documents
from autoscout.cli.ledger_file import LedgerError, read
from autoscout.search.ledger import Ledger
from autoscout.search.problem import Problem

KINDS = ("tj", "tuningjob", "tuningjobs")
"""How kubectl names a TuningJob: `tj/NAME`."""


class SourceError(Exception):
    """There is no ledger to read there; the message names the way out."""


@dataclass(frozen=True)
class Recorded:
    """A search as it was recorded."""

    job: TuningJob
    problem: Problem
    ledger: Ledger


def recorded(source: str, namespace: str | None, kubeconfig: str | None, context: str | None) -> Recorded:
    """The search that a source records.

    Args:
        source: `tj/NAME` on a cluster; else the directory of a local search, or a YAML or JSON file with one TuningJob
            and its TuningTrials, as `kubectl get -o yaml` writes them.
        namespace: on the cluster; None: that of the kubeconfig's context.

    Raises:
        SourceError: there is none.
    """
    kind, slash, name = source.partition("/")
    try:
        if slash and kind.lower() in KINDS:
            return _of_objects(asyncio.run(_fetched(name, namespace, kubeconfig, context)))
        path = Path(source)
        if path.is_dir():
            header, state = read(path)
            job = convert.job(header.job)
            return Recorded(job, convert.problem(job), state.ledger)
        return _of_objects([item for document in documents(path) for item in _items(document)])
    except OSError as error:
        raise SourceError(
            f"{source}: {error.strerror or error}; give the directory of autoscout tune, a file with a TuningJob and "
            "its TuningTrials, or tj/NAME for one on the cluster"
        ) from error
    except (ValueError, LedgerError, ApiError) as error:
        raise SourceError(f"{source}: {error}") from error


def _items(document: object) -> list[Any]:
    """The objects of a `List` as kubectl writes it, or the one object."""
    if isinstance(document, Mapping) and isinstance(document.get("items"), list):
        return list(document["items"])
    return [document]


def _of_objects(objects: Iterable[object]) -> Recorded:
    found = [item for item in objects if isinstance(item, Mapping)]
    jobs = [item for item in found if item.get("kind") == "TuningJob"]
    if len(jobs) != 1:
        raise SourceError(
            f"holds {len(jobs)} TuningJobs; exactly one is needed, with its TuningTrials: "
            "(kubectl get tj NAME -o yaml; echo ---; kubectl get tt -l autoscout.io/tuning-job=NAME -o yaml) > FILE"
        )
    job = convert.job(jobs[0])
    problem = convert.problem(job)
    uid = _metadata(jobs[0]).get("uid")
    entries = [
        convert.entry(item, problem.space)
        for item in found
        if item.get("kind") == "TuningTrial" and (uid is None or uid in _owners(item))
    ]
    return Recorded(job, problem, Ledger(tuple(sorted(entries, key=lambda entry: entry.trial.number))))


def _metadata(item: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _owners(item: Mapping[str, Any]) -> Sequence[object]:
    return [owner.get("uid") for owner in _metadata(item).get("ownerReferences") or () if isinstance(owner, Mapping)]


async def _fetched(name: str, namespace: str | None, kubeconfig: str | None, context: str | None) -> list[Any]:
    try:
        # The base install has no client of the cluster.
        import kubernetes.aio.config as kubernetes_config  # noqa: PLC0415

        from autoscout.executors.kubernetes import client  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SourceError(
            f"reading from a cluster needs the package {error.name}: pip install 'autoscout[operator]'"
        ) from error
    loader: Any = kubernetes_config  # ships no types
    try:
        api = await client.KubernetesApi.connect(kubeconfig, context)
        where = namespace or _namespace(loader.list_kube_config_contexts(kubeconfig), context)
    except Exception as error:  # whatever is wrong with a kubeconfig
        raise SourceError(f"no usable kubeconfig: {error}; give --kubeconfig FILE, or set KUBECONFIG") from error
    async with api:
        try:
            job = await api.get(client.TUNING_JOBS, where, name)
            trials = await api.list(
                client.TUNING_TRIALS, where, label_selector=client.selector(str(job["metadata"]["uid"]))
            )
        except client.ApiError as error:
            raise SourceError(f"namespace {where}: {error.message}") from error
    return [{**job, "kind": "TuningJob"}, *({**item, "kind": "TuningTrial"} for item in trials.items)]


def _namespace(contexts: tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]], name: str | None) -> str:
    """The namespace of a context, as kubectl takes it."""
    every, active = contexts
    chosen = active if name is None else next((each for each in every if each["name"] == name), active)
    return str(chosen["context"].get("namespace") or "default")
