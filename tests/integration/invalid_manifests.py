"""TuningJobs that are wrong: for each, who answers and which field the answer names.

`API_SERVER`: refused when it is applied, by the CRD. `OPERATOR`: accepted by the API server, answered by a condition.
Each case changes one valid TuningJob, `base()`.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Document = dict[str, Any]


class Answer(StrEnum):
    """Who refuses it."""

    API_SERVER = "apiserver"
    OPERATOR = "operator"


API_SERVER, OPERATOR = Answer.API_SERVER, Answer.OPERATOR
REMOVED = object()
"""In place of a value: the field is not there."""


@dataclass(frozen=True)
class Case:
    """One wrong TuningJob.

    Attributes:
        field: what the answer must hold.
        changes: path to value, applied to the base.
    """

    name: str
    answer: Answer
    field: str
    changes: dict[str, Any]

    @property
    def manifest(self) -> Document:
        return changed(base(), self.changes)


def base() -> Document:
    """A valid TuningJob that this version can run, on a cluster too."""
    return {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "matmul"},
        "spec": {
            "workload": {"framework": "custom", "task": "custom"},
            "hardware": {"pools": [{"name": "a100", "gpu": "NVIDIA-A100-SXM4-80GB", "gpusPerNode": 1}]},
            "objectives": [{"metric": "seconds_per_iteration"}],
            "constraints": [{"metric": "peak_memory_gib", "max": "7.5"}],
            "searchSpace": {
                "parameters": [
                    {"name": "tile", "kind": "execution", "values": [16, 32, 64], "default": 32},
                    {"name": "threads", "kind": "execution", "range": {"min": 1, "max": 8, "factor": 2}, "default": 1},
                    {"name": "layout", "kind": "structural", "values": ["row", "column"], "default": "row"},
                    {
                        "name": "prefetch",
                        "kind": "structural",
                        "values": [False, True],
                        "default": False,
                        "activeWhen": "layout == 'row'",
                    },
                ],
                "constraints": ["tile * threads <= 256"],
            },
            "budget": {"maxProfiles": 20, "maxDuration": "1h30m", "maxGpuHours": "2.5", "parallelism": 2},
            "profile": {
                "image": "registry.example.com/matmul:1",
                "command": ["python", "-m", "matmul", "--tile=$(params.tile)", "--threads=$(params.threads)"],
                "env": [{"name": "LAYOUT", "value": "$(params.layout)"}],
                "timeout": "5m",
            },
        },
    }


def changed(document: Document, changes: dict[str, Any]) -> Document:
    """A copy of the document with other values at some paths (`spec.pools[0].name`)."""
    document = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        here: Any = document
        for part in parents:
            here = here.setdefault(part, {}) if isinstance(here, dict) else here[part]
        if value is REMOVED:
            del here[last]
        elif isinstance(here, list) and last == len(here):
            here.append(value)
        else:
            here[last] = value
    return document


def _parameter(number: int = 0, **fields: Any) -> Document:
    return {"name": f"p{number}", "kind": "execution", "values": [1, 2], "default": 1} | fields


_NEW = "spec.searchSpace.parameters[4]"
_TILE = "spec.searchSpace.parameters[0]"
_RANGE = "spec.searchSpace.parameters[1].range"
_SPACE = "spec.searchSpace"
_POOL = "spec.hardware.pools[0]"
_WORKLOAD = "spec.workload"
_SHAPE = "spec.workload.model.architecture"


def _tuning(**fields: Any) -> Document:
    return {_WORKLOAD: {"task": "fine-tuning", "fineTuning": fields}}


def _preset(*parameters: Document) -> Document:
    """A preset on a model that it knows, with changes to its knobs."""
    return {
        _WORKLOAD: {
            "framework": "megatron",
            "task": "training",
            "model": {"name": "llama-3.2-1b"},
            "globalBatchSize": 8,
            "sequenceLength": 2048,
        },
        _SPACE: {"preset": "megatron", "parameters": list(parameters)},
        "spec.profile": {"image": "registry.example.com/megatron:1"},
        "spec.constraints": [],
    }


def _load(**fields: Any) -> Document:
    return {_WORKLOAD: {"task": "inference", "load": fields}}


def _shape(**fields: Any) -> Document:
    return {_WORKLOAD: {"model": {"architecture": fields}}}


def _built_in(workload: Document, *, name: str = "mbs", metric: str = "seconds_per_iteration") -> Document:
    """A base for the profiler of Megatron, with changes of its workload."""
    whole = {
        "framework": "megatron",
        "task": "training",
        "globalBatchSize": 8,
        "sequenceLength": 512,
        "model": {"name": "meta-llama/Llama-3.1-8B"},
        **workload,
    }
    return {
        _WORKLOAD: {field: value for field, value in whole.items() if value is not REMOVED},
        _SPACE: {"parameters": [_parameter(name=name)]},
        "spec.objectives": [{"metric": metric}],
        "spec.profile": {"image": "registry.example.com/megatron:1"},
    }


CASES = (
    # Names
    Case("name of 41 characters", API_SERVER, "metadata.name", {"metadata.name": "a" * 41}),
    Case("name with a dot", API_SERVER, "metadata.name", {"metadata.name": "mat.mul"}),
    Case("name in capitals", API_SERVER, "metadata.name", {"metadata.name": "MatMul"}),
    Case("name in Greek", API_SERVER, "metadata.name", {"metadata.name": "\u03bc\u03ac\u03c4"}),
    # Missing, unknown, of the wrong type
    Case("no spec", API_SERVER, "spec", {"spec": REMOVED}),
    Case("empty spec", API_SERVER, "spec.objectives", {"spec": {}}),
    Case("spec is a list", API_SERVER, "spec", {"spec": []}),
    Case("spec is null", API_SERVER, "spec", {"spec": None}),
    Case("unknown field", API_SERVER, "spec.budgets", {"spec.budgets": {"maxProfiles": 3}}),
    Case("misspelt field", API_SERVER, "spec.budget.maxProfile", {"spec.budget.maxProfile": 3}),
    Case("field in snake case", API_SERVER, "spec.budget.max_profiles", {"spec.budget.max_profiles": 3}),
    Case("unknown framework", API_SERVER, "spec.workload.framework", {"spec.workload.framework": "tensorflow"}),
    Case("unknown task", API_SERVER, "spec.workload.task", {"spec.workload.task": "sleeping"}),
    Case("fractional layers", API_SERVER, "layers", {"spec.workload.model": {"architecture": {"layers": 1.5}}}),
    Case("precision with blanks", API_SERVER, "spec.workload.precision", {"spec.workload.precision": "b f 16"}),
    Case("fine-tuning of a trained model", API_SERVER, f"{_WORKLOAD}.fineTuning", {_WORKLOAD: {"fineTuning": {}}}),
    Case("unknown method", API_SERVER, "fineTuning.method", _tuning(method="qlora")),
    Case("rank without adapters", API_SERVER, "fineTuning.loraRank", _tuning(loraRank=8)),
    Case("alpha without adapters", API_SERVER, "fineTuning.loraAlpha", _tuning(method="full", loraAlpha=8)),
    Case("targets without adapters", API_SERVER, "fineTuning.loraTargets", _tuning(loraTargets=["qkv"])),
    Case("no targets", API_SERVER, "fineTuning.loraTargets", _tuning(method="lora", loraTargets=[])),
    Case("unknown target", API_SERVER, "fineTuning.loraTargets[0]", _tuning(method="lora", loraTargets=["q"])),
    Case("target twice", API_SERVER, "fineTuning.loraTargets", _tuning(method="lora", loraTargets=["qkv", "qkv"])),
    Case("rank of zero", API_SERVER, "fineTuning.loraRank", _tuning(method="lora", loraRank=0)),
    Case("load of a training", API_SERVER, f"{_WORKLOAD}.load", {_WORKLOAD: {"task": "training", "load": {}}}),
    Case("serving without a load", API_SERVER, "load.concurrency", _load(mode="serving")),
    Case(
        "serving with two loads",
        API_SERVER,
        "load.concurrency",
        _load(mode="serving", concurrency=4, requestsPerSecond=2),
    ),
    Case("concurrency offline", API_SERVER, "load.concurrency", _load(concurrency=4)),
    Case("rate offline", API_SERVER, "load.requestsPerSecond", _load(mode="offline", requestsPerSecond=2)),
    Case("rate of zero", API_SERVER, "load.requestsPerSecond", _load(mode="serving", requestsPerSecond=0)),
    Case("no requests", API_SERVER, "load.requests", _load(requests=0)),
    Case("lengths unknown", API_SERVER, "load.lengths", _load(lengths="random")),
    Case("data without a path", API_SERVER, "data.path", {_WORKLOAD: {"data": {}}}),
    Case("data at a relative path", API_SERVER, "data.path", {_WORKLOAD: {"data": {"path": "tokens.bin"}}}),
    Case("image tokens of a decoder", API_SERVER, f"{_SHAPE}.imageTokens", _shape(kind="decoder", imageTokens=64)),
    Case("uneven query groups", API_SERVER, f"{_SHAPE}.queryGroups", _shape(attentionHeads=32, queryGroups=5)),
    Case("more experts a token than there are", API_SERVER, "expertsPerToken", _shape(experts=4, expertsPerToken=8)),
    Case("unknown activation", API_SERVER, f"{_SHAPE}.activation", _shape(activation="relu")),
    Case("tied embeddings in words", API_SERVER, f"{_SHAPE}.tiedEmbeddings", _shape(tiedEmbeddings="yes")),
    Case("early stopping in words", API_SERVER, "spec.profile.stopEarly", {"spec.profile.stopEarly": "never"}),
    Case("suspend in words", API_SERVER, "spec.suspend", {"spec.suspend": "yes"}),
    Case(
        "negative time to live",
        API_SERVER,
        "spec.ttlSecondsAfterFinished",
        {"spec.ttlSecondsAfterFinished": -1},
    ),
    # Hardware
    Case("no pools", API_SERVER, "spec.hardware.pools", {"spec.hardware.pools": []}),
    Case("GPUs of no product", API_SERVER, f"{_POOL}.gpu", {f"{_POOL}.gpu": REMOVED}),
    Case("product without a number of GPUs", API_SERVER, f"{_POOL}.gpusPerNode", {f"{_POOL}.gpusPerNode": 0}),
    Case("negative GPUs", API_SERVER, f"{_POOL}.gpusPerNode", {f"{_POOL}.gpusPerNode": -1}),
    Case("no nodes", API_SERVER, f"{_POOL}.nodes", {f"{_POOL}.nodes": 0}),
    Case("negative price", API_SERVER, f"{_POOL}.pricePerGpuHour", {f"{_POOL}.pricePerGpuHour": "-1"}),
    Case("price with a currency", API_SERVER, f"{_POOL}.pricePerGpuHour", {f"{_POOL}.pricePerGpuHour": "2 EUR"}),
    Case("price as a float", API_SERVER, f"{_POOL}.pricePerGpuHour", {f"{_POOL}.pricePerGpuHour": 2.5}),
    Case(
        "unknown toleration", API_SERVER, "tolerations[0].operator", {f"{_POOL}.tolerations": [{"operator": "Maybe"}]}
    ),
    Case("node label that is a number", API_SERVER, "nodeSelector", {f"{_POOL}.nodeSelector": {"zone": 3}}),
    Case("pool named twice", API_SERVER, "spec.hardware.pools[1]", {"spec.hardware.pools[1]": {"name": "a100"}}),
    Case("two pools", OPERATOR, "spec.hardware.pools", {"spec.hardware.pools[1]": {"name": "cpu"}}),
    # Objectives and constraints
    Case("no objective", API_SERVER, "spec.objectives", {"spec.objectives": []}),
    Case(
        "five objectives", API_SERVER, "spec.objectives", {"spec.objectives": [{"metric": f"m{n}"} for n in range(5)]}
    ),
    Case("goal unknown", API_SERVER, "spec.objectives[0].goal", {"spec.objectives[0].goal": "better"}),
    Case("metric with blanks", API_SERVER, "spec.objectives[0].metric", {"spec.objectives[0].metric": "tokens per s"}),
    Case("metric twice", API_SERVER, "spec.objectives[1]", {"spec.objectives[1]": {"metric": "seconds_per_iteration"}}),
    Case("constraint without ends", API_SERVER, "spec.constraints[0]", {"spec.constraints[0].max": REMOVED}),
    Case("constraint upside down", API_SERVER, "spec.constraints[0].max", {"spec.constraints[0].min": 8}),
    Case("constraint with a unit", API_SERVER, "spec.constraints[0].max", {"spec.constraints[0].max": "8Gi"}),
    Case("constraint as a float", API_SERVER, "spec.constraints[0].max", {"spec.constraints[0].max": 7.5}),
    # Search space: shape
    Case("no search space", API_SERVER, "spec.searchSpace", {"spec.searchSpace": REMOVED}),
    Case("no parameters", API_SERVER, f"{_SPACE}.parameters", {f"{_SPACE}.parameters": []}),
    Case("parameters null", API_SERVER, f"{_SPACE}.parameters", {f"{_SPACE}.parameters": None}),
    Case(
        "ten thousand parameters",
        API_SERVER,
        f"{_SPACE}.parameters",
        {f"{_SPACE}.parameters": [_parameter(number) for number in range(10_000)]},
    ),
    Case("parameter named twice", API_SERVER, _NEW, {_NEW: _parameter(name="tile")}),
    Case("parameter without a name", API_SERVER, f"{_TILE}.name", {f"{_TILE}.name": REMOVED}),
    Case("parameter with an empty name", API_SERVER, f"{_TILE}.name", {f"{_TILE}.name": ""}),
    Case("parameter named in Chinese", API_SERVER, f"{_NEW}.name", {_NEW: _parameter(name="\u74f7\u7816")}),
    Case("parameter that begins with a digit", API_SERVER, f"{_NEW}.name", {_NEW: _parameter(name="2d")}),
    Case("parameter with a hyphen", API_SERVER, f"{_NEW}.name", {_NEW: _parameter(name="micro-batch")}),
    Case("parameter of unknown kind", API_SERVER, f"{_TILE}.kind", {f"{_TILE}.kind": "dense"}),
    Case("parameter without a default", API_SERVER, f"{_TILE}.default", {f"{_TILE}.default": REMOVED}),
    Case("neither values nor range", API_SERVER, _TILE, {f"{_TILE}.values": REMOVED}),
    Case("both values and range", API_SERVER, _TILE, {f"{_TILE}.range": {"min": 1, "max": 2, "step": 1}}),
    Case("no values", API_SERVER, f"{_TILE}.values", {f"{_TILE}.values": []}),
    Case("values are no list", API_SERVER, f"{_TILE}.values", {f"{_TILE}.values": "16,32,64"}),
    Case("too many values", API_SERVER, f"{_TILE}.values", {f"{_TILE}.values": list(range(1001))}),
    Case("range upside down", API_SERVER, f"{_RANGE}.max", {f"{_RANGE}.min": 9}),
    Case("range with step and factor", API_SERVER, f"{_RANGE}.step", {f"{_RANGE}.step": 1}),
    Case("range with neither", API_SERVER, f"{_RANGE}.step", {f"{_RANGE}.factor": REMOVED}),
    Case("factor of one", API_SERVER, f"{_RANGE}.factor", {f"{_RANGE}.factor": 1}),
    Case("factor from zero", API_SERVER, f"{_RANGE}.min", {f"{_RANGE}.min": 0}),
    Case("step of zero", API_SERVER, f"{_RANGE}.step", {_RANGE: {"min": 1, "max": 8, "step": 0}}),
    Case("a million steps", API_SERVER, f"{_RANGE}.step", {_RANGE: {"min": 0, "max": 10**6, "step": 1}}),
    Case("range in words", API_SERVER, f"{_RANGE}.min", {f"{_RANGE}.min": "one"}),
    Case("range beyond all bounds", API_SERVER, f"{_RANGE}.max", {f"{_RANGE}.max": 1e300}),
    Case("unknown preset", API_SERVER, f"{_SPACE}.preset", {f"{_SPACE}.preset": "everything"}),
    Case("preset without a model", OPERATOR, "spec.workload.model", {f"{_SPACE}.preset": "vllm"}),
    Case(
        "preset of another framework",
        OPERATOR,
        f"{_SPACE}.preset",
        _preset() | {_WORKLOAD: {"framework": "vllm", "task": "inference", "model": {"name": "qwen2-7b"}}},
    ),
    Case(
        "preset of an unknown model",
        OPERATOR,
        f"{_WORKLOAD}.model.name",
        _preset() | {f"{_WORKLOAD}.model.name": "qwen9-7b"},
    ),
    Case("preset without GPUs", OPERATOR, f"{_POOL}.gpusPerNode", _preset() | {_POOL: {"name": "cpu"}}),
    Case("preset and a knob misspelled", OPERATOR, f"{_TILE}.name", _preset({"name": "ttp", "values": [1]})),
    Case("preset and a knob's other name", OPERATOR, f"{_TILE}.name", _preset(_parameter(name="tensor_parallel"))),
    Case("preset and values of another type", OPERATOR, f"{_TILE}.values", _preset({"name": "tp", "values": ["1"]})),
    Case("preset and a default off the values", OPERATOR, f"{_TILE}.default", _preset({"name": "tp", "default": 3})),
    Case("preset and a value that never holds", OPERATOR, f"{_SPACE}.preset", _preset({"name": "tp", "values": [3]})),
    Case("preset and an entry without a name", API_SERVER, f"{_TILE}.name", _preset({"values": [1]})),
    # Search space: meaning
    Case("default not among the values", OPERATOR, f"{_TILE}.default", {f"{_TILE}.default": 33}),
    Case("default of another type", OPERATOR, f"{_TILE}.default", {f"{_TILE}.default": "32"}),
    Case("default that is a list", OPERATOR, f"{_TILE}.default", {f"{_TILE}.default": [32]}),
    Case("default off the range", OPERATOR, "parameters[1].default", {"spec.searchSpace.parameters[1].default": 3}),
    Case("values of mixed types", OPERATOR, f"{_TILE}.values", {f"{_TILE}.values": [16, "32", True]}),
    Case("value twice", OPERATOR, f"{_TILE}.values", {f"{_TILE}.values": [16, 32, 32]}),
    Case("value that is a mapping", OPERATOR, f"{_TILE}.values[1]", {f"{_TILE}.values[1]": {"x": 1}}),
    Case("value null", OPERATOR, f"{_TILE}.values[1]", {f"{_TILE}.values[1]": None}),
    Case("value beyond 64 bits", OPERATOR, f"{_TILE}.values[2]", {f"{_TILE}.values[2]": 2**60}),
    Case(
        "value as long as a book",
        OPERATOR,
        f"{_TILE}.values",
        {f"{_TILE}.values": ["x" * 100_000], f"{_TILE}.default": "x"},
    ),
    Case("parameter named like a word of CEL", OPERATOR, f"{_NEW}.name", {_NEW: _parameter(name="in")}),
    Case("parameters that differ in case", OPERATOR, f"{_NEW}.name", {_NEW: _parameter(name="Tile")}),
    Case("condition that is no CEL", OPERATOR, f"{_NEW}.activeWhen", {_NEW: _parameter(activeWhen="tile >")}),
    Case("condition over an unknown name", OPERATOR, f"{_NEW}.activeWhen", {_NEW: _parameter(activeWhen="tiles > 1")}),
    Case("condition that is a number", OPERATOR, f"{_NEW}.activeWhen", {_NEW: _parameter(activeWhen="tile + 1")}),
    Case("condition on itself", OPERATOR, "activeWhen", {_NEW: _parameter(activeWhen="p0 > 1")}),
    Case(
        "conditions in a circle",
        OPERATOR,
        "activeWhen",
        {
            _NEW: _parameter(activeWhen="p1 > 1"),
            "spec.searchSpace.parameters[5]": _parameter(1, activeWhen="p0 > 1"),
        },
    ),
    Case("empty condition", API_SERVER, f"{_NEW}.activeWhen", {_NEW: _parameter(activeWhen="")}),
    Case("condition that is a boolean", API_SERVER, f"{_NEW}.activeWhen", {_NEW: _parameter(activeWhen=True)}),
    Case("constraint that is no CEL", OPERATOR, f"{_SPACE}.constraints[0]", {f"{_SPACE}.constraints": ["tile => 3"]}),
    Case(
        "constraint over an unknown name", OPERATOR, f"{_SPACE}.constraints[0]", {f"{_SPACE}.constraints": ["til > 3"]}
    ),
    Case("constraint of mixed types", OPERATOR, f"{_SPACE}.constraints", {f"{_SPACE}.constraints": ["layout > tile"]}),
    Case("constraint that nothing keeps", OPERATOR, f"{_SPACE}.constraints", {f"{_SPACE}.constraints": ["tile > 64"]}),
    Case("constraint that the default breaks", OPERATOR, _SPACE, {f"{_SPACE}.constraints": ["tile != 32"]}),
    Case(
        "constraint that nests all",
        OPERATOR,
        f"{_SPACE}.constraints[0]",
        {f"{_SPACE}.constraints": ["[1,2].all(a, [1,2].all(b, [1,2].all(c, a * b * c < tile)))"]},
    ),
    Case(
        "constraint with a bomb of a regular expression",
        OPERATOR,
        f"{_SPACE}.constraints[0]",
        {f"{_SPACE}.constraints": ["layout.matches('(a{1000}){1000}')"]},
    ),
    Case(
        "constraint of brackets",
        OPERATOR,
        f"{_SPACE}.constraints[0]",
        {f"{_SPACE}.constraints": ["(" * 500 + ")" * 500]},
    ),
    Case(
        "endless constraint",
        API_SERVER,
        f"{_SPACE}.constraints[0]",
        {f"{_SPACE}.constraints": ["tile>1&&" * 1000 + "true"]},
    ),
    # Search
    Case("unknown algorithm", OPERATOR, "spec.search.algorithm", {"spec.search.algorithm": "divination"}),
    Case("algorithm in capitals", API_SERVER, "spec.search.algorithm", {"spec.search.algorithm": "Random!"}),
    Case("negative seed", API_SERVER, "spec.search.seed", {"spec.search.seed": -1}),
    Case("seed beyond 64 bits", API_SERVER, "spec.search.seed", {"spec.search.seed": 10**30}),
    Case("settings are a list", API_SERVER, "spec.search.settings", {"spec.search.settings": [1]}),
    Case("warm start", OPERATOR, "spec.warmStart.from", {"spec.warmStart": {"from": ["yesterday"]}}),
    # Budget
    Case("no profiles", API_SERVER, "spec.budget.maxProfiles", {"spec.budget.maxProfiles": 0}),
    Case("negative profiles", API_SERVER, "spec.budget.maxProfiles", {"spec.budget.maxProfiles": -5}),
    Case("profiles in words", API_SERVER, "spec.budget.maxProfiles", {"spec.budget.maxProfiles": "20"}),
    Case("no parallelism", API_SERVER, "spec.budget.parallelism", {"spec.budget.parallelism": 0}),
    Case("huge parallelism", API_SERVER, "spec.budget.parallelism", {"spec.budget.parallelism": 10**12}),
    Case("duration without a unit", API_SERVER, "spec.budget.maxDuration", {"spec.budget.maxDuration": "90"}),
    Case("duration as a number", API_SERVER, "spec.budget.maxDuration", {"spec.budget.maxDuration": 90}),
    Case("duration in days", API_SERVER, "spec.budget.maxDuration", {"spec.budget.maxDuration": "2d"}),
    Case("negative duration", API_SERVER, "spec.budget.maxDuration", {"spec.budget.maxDuration": "-5m"}),
    Case("duration of zero", API_SERVER, "spec.budget.maxDuration", {"spec.budget.maxDuration": "0s"}),
    Case("no GPU-hours", API_SERVER, "spec.budget.maxGpuHours", {"spec.budget.maxGpuHours": 0}),
    Case("negative GPU-hours", API_SERVER, "spec.budget.maxGpuHours", {"spec.budget.maxGpuHours": "-2.5"}),
    # Profile
    Case("nothing to run", API_SERVER, "spec.profile.command", {"spec.profile.command": REMOVED}),
    Case("command is a string", API_SERVER, "spec.profile.command", {"spec.profile.command": "python -m matmul"}),
    Case("number among the arguments", API_SERVER, "spec.profile.args[0]", {"spec.profile.args": [8]}),
    Case("image with blanks", API_SERVER, "spec.profile.image", {"spec.profile.image": "my image"}),
    Case("no image", OPERATOR, "spec.profile.image", {"spec.profile.image": REMOVED}),
    Case("no attempts", API_SERVER, "spec.profile.attempts", {"spec.profile.attempts": 0}),
    Case("timeout of zero", API_SERVER, "spec.profile.timeout", {"spec.profile.timeout": "0h0m0s"}),
    Case("negative warm-up", API_SERVER, "spec.profile.warmupIterations", {"spec.profile.warmupIterations": -1}),
    Case("queue that is no name", API_SERVER, "spec.profile.queueName", {"spec.profile.queueName": "the queue"}),
    Case("variable without a name", API_SERVER, "spec.profile.env[0].name", {"spec.profile.env": [{"value": "1"}]}),
    Case("variable twice", API_SERVER, "spec.profile.env[1]", {"spec.profile.env[1]": {"name": "LAYOUT"}}),
    Case("variable of ours", API_SERVER, "spec.profile.env[0].name", {"spec.profile.env[0].name": "AUTOSCOUT_TRIAL"}),
    Case("template is a string", API_SERVER, "spec.profile.template", {"spec.profile.template": "spec: {}"}),
    Case(
        "template of more than a pod",
        OPERATOR,
        "spec.profile.template.kind",
        {"spec.profile.template": {"kind": "Pod"}},
    ),
    Case("template's spec is a list", OPERATOR, "spec.profile.template.spec", {"spec.profile.template": {"spec": []}}),
    Case("placeholder of no parameter", OPERATOR, "spec.profile.args[0]", {"spec.profile.args": ["--x=$(params.til)"]}),
    Case(
        "placeholder in a variable",
        OPERATOR,
        "spec.profile.env[LAYOUT]",
        {"spec.profile.env[0].value": "$(params.x y)"},
    ),
    Case(
        "placeholder in a script",
        OPERATOR,
        "spec.profile.command[2]",
        {"spec.profile.command": ["sh", "-c", "matmul --tile=$(params.tile)"]},
    ),
    Case(
        "template that takes the image away",
        OPERATOR,
        "spec.profile.template.spec.containers",
        {"spec.profile.template": {"spec": {"containers": [{"name": "profile", "image": "other"}]}}},
    ),
    # The built-in profilers
    Case("framework without its task", OPERATOR, "spec.workload.task", _built_in({"task": REMOVED})),
    Case("framework with another's task", OPERATOR, "spec.workload.task", _built_in({"task": "inference"})),
    Case("framework without a batch", OPERATOR, "workload.globalBatchSize", _built_in({"globalBatchSize": REMOVED})),
    Case("framework without a sequence", OPERATOR, "workload.sequenceLength", _built_in({"sequenceLength": REMOVED})),
    Case("framework without a model", OPERATOR, f"{_SHAPE}.layers", _built_in({"model": REMOVED})),
    Case("framework with an unknown model", OPERATOR, f"{_SHAPE}.layers", _built_in({"model": {"name": "a/b"}})),
    Case("framework with a knob it has not", OPERATOR, f"{_SPACE}.parameters[0].name", _built_in({}, name="tile")),
    Case("metric that the framework has not", OPERATOR, "objectives[0].metric", _built_in({}, metric="seconds")),
)

UPDATES = (
    Case("workload", API_SERVER, "spec.workload", {"spec.workload.precision": "bf16"}),
    Case("hardware", API_SERVER, "spec.hardware", {f"{_POOL}.gpusPerNode": 2}),
    Case("objective", API_SERVER, "spec.objectives", {"spec.objectives[0].goal": "maximize"}),
    Case("constraints removed", API_SERVER, "spec.constraints", {"spec.constraints": REMOVED}),
    Case("constraint's bound", API_SERVER, "spec.constraints", {"spec.constraints[0].max": 8}),
    Case("a value", API_SERVER, "spec.searchSpace", {f"{_TILE}.values[2]": 128}),
    Case("a default", API_SERVER, "spec.searchSpace", {f"{_TILE}.default": 64}),
    Case("a condition removed", API_SERVER, "spec.searchSpace", {"spec.searchSpace.parameters[3].activeWhen": REMOVED}),
    Case("a parameter added", API_SERVER, "spec.searchSpace", {_NEW: _parameter()}),
    Case(
        "parameters in another order",
        API_SERVER,
        "spec.searchSpace",
        {f"{_SPACE}.parameters": base()["spec"]["searchSpace"]["parameters"][::-1]},
    ),
    Case("seed", API_SERVER, "spec.search", {"spec.search.seed": 1}),
    Case("settings", API_SERVER, "spec.search", {"spec.search.settings": {"a": {"b": 1}}}),
    Case("command", API_SERVER, "spec.profile", {"spec.profile.command[0]": "python3"}),
    Case("template", API_SERVER, "spec.profile", {"spec.profile.template": {"spec": {"priorityClassName": "low"}}}),
    Case("warm start added", API_SERVER, "spec.warmStart", {"spec.warmStart": {"from": []}}),
)
"""Changes of the base that are refused once it exists."""

ALLOWED_UPDATES = (
    Case("budget", OPERATOR, "", {"spec.budget": {"maxProfiles": 40, "parallelism": 4}}),
    Case("suspend", OPERATOR, "", {"spec.suspend": True}),
    Case("time to live", OPERATOR, "", {"spec.ttlSecondsAfterFinished": 60}),
)
