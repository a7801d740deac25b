"""A result as JSON: what `result.json` holds. docs/reference/tune.md is the specification.

The shape is stable: members are added, never renamed or removed, within one `apiVersion`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from autoscout.report.result import Result, TrialLine


def document(result: Result) -> dict[str, Any]:
    """The result as an object ready for JSON; numbers that JSON can't hold are null."""
    cost, verdict = result.cost, result.verdict
    whole: dict[str, Any] = {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningResult",
        "name": result.name,
        "engineVersion": result.engine_version,
        "verdict": {
            "phase": str(verdict.phase),
            "reason": verdict.reason,
            "message": verdict.message,
        },
        "objectives": [{"metric": o.metric, "goal": str(o.goal)} for o in result.problem.objectives],
        "constraints": [{"metric": c.metric, "min": c.minimum, "max": c.maximum} for c in result.problem.constraints],
        "search": {
            "algorithm": result.problem.algorithm,
            "seed": result.problem.seed,
            "settings": dict(result.problem.settings),
        },
        "default": _trial(result.default) if result.default else None,
        "best": _trial(result.best) if result.best else None,
        "launch": {"script": result.script, "manifest": result.manifest} if result.manifest else None,
        "speedup": result.speedup,
        "metrics": [
            {
                "metric": line.metric,
                "role": line.role,
                "default": line.default,
                "best": line.best,
                "ratio": line.ratio,
                "kept": line.kept,
            }
            for line in result.metrics
        ],
        "settings": [
            {"parameter": setting.parameter, "default": setting.default, "best": setting.best}
            for setting in result.settings
        ],
        "bestSoFar": list(result.curve),
        "cost": {
            "profiled": cost.profiled,
            "infeasible": cost.infeasible,
            "lost": cost.lost,
            "pending": cost.pending,
            "attempts": cost.attempts,
            "seconds": cost.seconds,
            "gpuHours": cost.gpu_hours,
            "failures": dict(cost.failures),
        },
        "trials": [_trial(line) for line in result.trials],
    }
    return _finite(whole)  # type: ignore[no-any-return]


def json_text(result: Result) -> str:
    """`document` as indented JSON, ended by a line feed."""
    return json.dumps(document(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _trial(line: TrialLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "configuration": dict(line.configuration),
        "proposer": line.proposer,
        "standing": str(line.standing),
        "reason": line.reason,
        "message": line.message,
        "metrics": dict(line.metrics),
        "samples": {metric: list(samples) for metric, samples in line.samples.items()},
        "position": line.position,
        "attempts": line.attempts,
        "seconds": line.seconds,
        "gpuHours": line.gpu_hours,
        "command": line.command,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
