"""The result of a finished search, in a ConfigMap beside its TuningJob: for GitOps, scripts and people."""

from __future__ import annotations

import asyncio
import json
import logging

from autoscout.api.names import TUNING_JOB_LABEL, TUNING_JOB_UID_LABEL, owner_reference
from autoscout.controller.session import Session
from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import ApiError, KubernetesApi, TransientApiError
from autoscout.executors.kubernetes.names import Object, controlled_by
from autoscout.launch.result import launched_result
from autoscout.report.document import json_text
from autoscout.report.html import html
from autoscout.report.result import Result
from autoscout.report.text import text
from autoscout.search.ledger import Ledger
from autoscout.search.plan import Verdict

logger = logging.getLogger(__name__)

LARGEST_BYTES = 900_000
"""The API server takes 1 MiB in all; the report with its picture is left out first."""


def config_map_name(tuning_job: str) -> str:
    """Name of the ConfigMap with the result of a TuningJob."""
    return f"{tuning_job}-result"


async def publish(
    api: KubernetesApi, session: Session, ledger: Ledger, verdict: Verdict, *, namespace: str, seconds: float
) -> None:
    """Write the result; again if the search was taken up once more.

    A refusal (a quota, say) is logged and no more: the status and the trials say all of it too.

    Raises:
        TransientApiError: the API server can't be reached.
    """

    def worked_out() -> Object:
        found = launched_result(session.job, session.problem, ledger, verdict=verdict, seconds=seconds)
        return config_map(session, found, namespace)

    # In a thread: hundreds of trials take seconds, and the Lease has to be renewed meanwhile.
    body = await asyncio.to_thread(worked_out)
    try:
        await _write(api, session, body)
    except TransientApiError:
        raise
    except ApiError as error:
        logger.warning("%s/%s: no ConfigMap with the result: %s", namespace, session.job.metadata.name, error)


async def _write(api: KubernetesApi, session: Session, body: Object) -> None:
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    try:
        await api.create(client.CONFIG_MAPS, namespace, body)
    except ApiError as error:
        if not error.already_exists:
            raise
        existing = await api.get(client.CONFIG_MAPS, namespace, name)
        if controlled_by(existing, session.uid):
            # Somebody else's ConfigMap of that name is left alone.
            await api.replace(client.CONFIG_MAPS, namespace, name, body)


def config_map(session: Session, found: Result, namespace: str) -> Object:
    """The ConfigMap, owned by the TuningJob. Pure.

    Its keys: `result.json` (docs/reference/tune.md), `report.txt`, `report.html`, and what realises the best
    configuration (docs/reference/launch.md): `configuration.json`, the line `command`, the script `launch.sh` and
    `manifest.yaml`. What does not fit into a ConfigMap is left out, the largest first.
    """
    name = session.job.metadata.name
    data = {
        "result.json": json_text(found),
        "report.txt": text(found),
        "report.html": html(found),
        "command": found.best.command if found.best is not None else "",
    }
    if found.best is not None:
        data["configuration.json"] = json.dumps(dict(found.best.configuration), indent=2) + "\n"
        data |= {name: part for name, part in (("launch.sh", found.script), ("manifest.yaml", found.manifest)) if part}
    while sum(len(part.encode()) for part in data.values()) > LARGEST_BYTES:
        del data[max(data, key=lambda key: len(data[key]))]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": config_map_name(name),
            "namespace": namespace,
            "labels": {TUNING_JOB_LABEL: name, TUNING_JOB_UID_LABEL: session.uid},
            "ownerReferences": [owner_reference(name, session.uid)],
        },
        "data": data,
    }
