"""The CustomResourceDefinitions, made from the models."""

from __future__ import annotations

from typing import Any

from autoscout.api.model import Model
from autoscout.api.names import GROUP, VERSION
from autoscout.api.schema import Schema, structural
from autoscout.api.tuning_job import TuningJob
from autoscout.api.tuning_trial import TuningTrial


def _column(name: str, path: str, description: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | ({"priority": 1} if wide else {})


_AGE = _column("Age", ".metadata.creationTimestamp", "Time since it was made.", "date")

TUNING_JOB_COLUMNS = (
    _column("Phase", ".status.phase", "Where the search stands."),
    _column("Best", ".status.summary.best", "First objective of the best result."),
    _column("Speed-up", ".status.summary.speedup", "Best against the defaults."),
    _column("Profiled", ".status.summary.profiled", "Profiles of the budget."),
    _column("GPU-hours", ".status.summary.gpuHours", "GPU-hours used."),
    _AGE,
    _column("In flight", ".status.progress.inFlight", "Profiles that run or wait now.", "integer", wide=True),
    _column("Infeasible", ".status.progress.infeasible", "Configurations that can't run.", "integer", wide=True),
    _column("Lost", ".status.progress.lost", "Trials that the infrastructure failed.", "integer", wide=True),
    _column("Algorithm", ".spec.search.algorithm", "How the space is searched.", wide=True),
    _column("Message", ".status.message", "What happens now, or what is wrong.", wide=True),
)
TUNING_TRIAL_COLUMNS = (
    _column("Phase", ".status.phase", "What became of it."),
    _column("Proposer", ".spec.proposer", "Who proposed it."),
    _column("Value", ".status.value", "The first objective's value."),
    _column("Reason", ".status.reason", "Why it is infeasible or lost."),
    _AGE,
    _column("Position", ".status.position", "Place in the order of commitment.", "integer", wide=True),
    _column("GPU-hours", ".status.gpuHours", "GPU-hours of all attempts.", "number", wide=True),
    _column("Job", ".status.job", "Name of the last Job.", wide=True),
    _column("Message", ".status.message", "Why it is infeasible or lost, in words.", wide=True),
)


def definitions() -> dict[str, dict[str, Any]]:
    """Every CRD, by the name of its file."""
    crds = (
        _definition(TuningJob, "tuningjobs", "tj", TUNING_JOB_COLUMNS),
        _definition(TuningTrial, "tuningtrials", "tt", TUNING_TRIAL_COLUMNS),
    )
    return {f"{GROUP}_{crd['spec']['names']['plural']}.yaml": crd for crd in crds}


def _definition(model: type[Model], plural: str, short: str, columns: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    kind = model.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["autoscout"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(columns),
                    "schema": {"openAPIV3Schema": _root(model)},
                }
            ],
        },
    }


def _root(model: type[Model]) -> Schema:
    schema = structural(model)
    properties = schema["properties"]
    # The API server knows metadata better than we do; only the name may be narrowed here.
    properties["metadata"] = {"type": "object", "properties": {"name": {"type": "string"}}}
    properties["apiVersion"] = {"type": "string", "description": f"Version of this kind: {GROUP}/{VERSION}."}
    properties["kind"] = {"type": "string", "description": f"{model.__name__}."}
    properties["status"].pop("default", None)
    schema["required"] = ["spec"]
    return schema
