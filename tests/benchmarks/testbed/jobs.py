"""The testbed's problems: TuningJobs, and what evaluates their configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from tests.benchmarks.testbed.cards import A40, A100, Card
from tests.benchmarks.testbed.model import Layout, Model
from tests.benchmarks.testbed.quirks import broken, measured, quirk
from tests.benchmarks.testbed.serving import CLIENTS, Load, RefusedError, Server, serve
from tests.benchmarks.testbed.training import iteration

GPUS = 8
DEGREES = [1, 2, 4, 8]
QUIRK = 0.03
"""Spread of what a structure is off for reasons that no model has (assumption)."""
NOISE = {"megatron": 0.01, "vllm": 0.02}
"""Spread of one iteration, or one load test (assumption)."""
ITERATIONS = 10
BROKEN_STRUCTURES, BROKEN_ANYWHERE = 0.02, 0.002
"""Shares of combinations that fail (assumption)."""

# Sizes from the models' own configuration files.
LLAMA_3B = Model("meta-llama/Llama-3.2-3B", 28, 3072, 8192, 24, 8, 128, 128_256, tied=True)
LLAMA_8B = Model("meta-llama/Llama-3.1-8B", 32, 4096, 14_336, 32, 8, 128, 128_256)
QWEN_MOE = Model("Qwen/Qwen3-30B-A3B", 16, 2048, 768, 32, 4, 128, 151_936, experts=128, active=8)
"""A third of its 48 layers, so that 8 GPUs can train it at all without sharding."""


@dataclass(frozen=True)
class Result:
    """What a profile reports: the status of a landscape's row, and metrics."""

    status: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Bed:
    """One problem.

    Attributes:
        about: what it is, in words.
        job: the TuningJob.
        evaluate: what a profile of a configuration comes to.
    """

    name: str
    about: str
    job: Mapping[str, Any]
    evaluate: Callable[[Mapping[str, Any]], Result]


def training(
    name: str, model: Model, card: Card, sequence: int, batch: int, parameters: list[dict[str, Any]], rules: list[str]
) -> Bed:
    """A training problem; knobs that the space leaves out have the default of `Layout`."""
    workload = {
        "framework": "megatron",
        "task": "training",
        "globalBatchSize": batch,
        "sequenceLength": sequence,
        "precision": "bf16",
        "model": _model(model),
    }
    objective = [{"metric": "seconds_per_iteration", "goal": "minimize"}]
    job = _job(name, card, workload, objective, [], parameters, rules)
    known = {field.name for field in fields(Layout)}

    def evaluate(configuration: Mapping[str, Any]) -> Result:
        given = dict(configuration)
        if given.get("tp", 1) > 1:
            given.setdefault("sp", True)
        layout = Layout(**{key: value for key, value in given.items() if key in known})
        structure = (name.rsplit("-", 1)[0], layout.tp, layout.pp, layout.cp, layout.ep, layout.vpp, layout.sp)
        found = iteration(model, card, layout, sequence, batch)
        if found.seconds is None or found.memory is None:
            return Result("oom", {})
        everything = sorted(given.items())
        if broken(BROKEN_STRUCTURES, *structure, layout.ar) or broken(BROKEN_ANYWHERE, name, everything):
            return Result("failed", {})
        seconds = found.seconds * quirk(QUIRK, *structure, layout.mbs)
        seconds = measured(seconds, NOISE["megatron"], ITERATIONS, name, everything)
        return Result("ok", {"seconds_per_iteration": seconds, "peak_memory_gib": found.memory})

    about = f"training {_called(model)} on {GPUS} x {card.product}, {batch} sequences of {sequence:,} tokens"
    return Bed(name, about, job, evaluate)


def inference(name: str, model: Model, card: Card, load: Load, bounds: Mapping[str, str]) -> Bed:
    """A serving problem."""
    workload = {
        "framework": "vllm",
        "task": "inference",
        "inputTokens": load.prompt,
        "outputTokens": load.answer,
        "precision": "bf16",
        "load": {"mode": "serving", "concurrency": CLIENTS, "requests": CLIENTS},
        "model": _model(model),
    }
    parameters = [
        _structural("tp", DEGREES, 1),
        _structural("pp", [1, 2, 4], 1),
        _structural("enable_chunked_prefill", [False, True], True),
        _structural("enforce_eager", [False, True], False),
        _execution("max_num_seqs", [4, 8, 16, 32, 64, 96, 128, 192, 256, 512], 256),
        _execution("max_num_batched_tokens", [256, 512, 1024, 2048, 4096, 8192, 16384], 2048),
        _execution("gpu_memory_utilization", [0.3, 0.5, 0.7, 0.9, 0.95], 0.9),
    ]
    objective = [{"metric": "milliseconds_per_token", "goal": "minimize"}]
    constraints = [{"metric": metric, "max": bound} for metric, bound in bounds.items()]
    job = _job(name, card, workload, objective, constraints, parameters, [f"tp * pp <= {GPUS}"])

    def evaluate(configuration: Mapping[str, Any]) -> Result:
        given = dict(configuration)
        server = Server(chunked=given.pop("enable_chunked_prefill"), eager=given.pop("enforce_eager"), **given)
        everything = sorted(configuration.items())
        try:
            found = serve(model, card, server, load, GPUS)
        except RefusedError:
            return Result("failed", {})
        if found is None:
            return Result("oom", {})
        if broken(BROKEN_ANYWHERE, name, everything):
            return Result("failed", {})
        off = quirk(QUIRK, name, server.tp, server.pp, server.chunked)
        off *= measured(1.0, NOISE["vllm"], ITERATIONS, name, everything)
        return Result(
            "ok",
            {
                "milliseconds_per_token": 1000 / found.tokens_per_second * off,
                "ttft_ms": 1000 * found.ttft * off,
                "tpot_ms": 1000 * found.tpot * off,
                "peak_memory_gib": found.memory,
            },
        )

    about = f"serving {_called(model)} on {GPUS} x {card.product}, {load.prompt:,} tokens in and {load.answer} out"
    return Bed(name, about, job, evaluate)


def _called(model: Model) -> str:
    return f"{model.name} with {model.layers} layers"


def _model(model: Model) -> dict[str, Any]:
    architecture = {
        "layers": model.layers,
        "hiddenSize": model.hidden,
        "ffnHiddenSize": model.ffn,
        "attentionHeads": model.heads,
        "queryGroups": model.groups,
        "headDimension": model.head,
        "vocabSize": model.vocabulary,
    }
    if model.experts > 1:
        architecture |= {"experts": model.experts, "expertsPerToken": model.active}
    return {"name": model.name, "architecture": architecture}


def _job(
    name: str,
    card: Card,
    workload: Mapping[str, Any],
    objectives: list[dict[str, str]],
    constraints: list[dict[str, str]],
    parameters: list[dict[str, Any]],
    rules: list[str],
) -> dict[str, Any]:
    return {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningJob",
        "metadata": {
            "name": name,
            "annotations": {"autoscout.io/provenance": "modelled by tests.benchmarks.testbed; nothing was measured"},
        },
        "spec": {
            "workload": dict(workload),
            "hardware": {"pools": [{"name": "gpus", "gpu": card.product, "nodes": 1, "gpusPerNode": GPUS}]},
            "objectives": objectives,
            **({"constraints": constraints} if constraints else {}),
            "searchSpace": {"parameters": parameters, "constraints": rules},
            "budget": {"maxProfiles": 200},
            "search": {"algorithm": "autoscout", "seed": 0},
        },
    }


def _structural(name: str, values: list[Any], default: object, when: str = "") -> dict[str, Any]:
    found = {"name": name, "kind": "structural", "values": list(values), "default": default}
    return {**found, "activeWhen": when} if when else found


def _execution(name: str, values: list[Any], default: object, when: str = "") -> dict[str, Any]:
    return {**_structural(name, values, default, when), "kind": "execution"}


def _degrees(**defaults: int) -> list[dict[str, Any]]:
    return [_structural(name, DEGREES, default) for name, default in defaults.items()]


MBS = _execution("mbs", DEGREES, 1)
SP = _structural("sp", [False, True], True, "tp > 1")
RECOMPUTE = _structural("ar", [False, True], True)
EXECUTION = [
    # Table 1 of the paper, its long ranges in steps, and the distributed optimizer.
    RECOMPUTE,
    _structural("zero1", [False, True], False, "dp * cp > 1"),
    _execution("ddp", [1, 2, 4, 8], 1, "dp > 1"),
    _execution("ddp_bucket", [1, 2, 4, 8], 4, "dp > 1"),
]


def _rules(model: Model, batch: int, degrees: str) -> list[str]:
    return [f"{degrees} == {GPUS}", f"{batch} % (dp * mbs) == 0", f"{model.layers} % pp == 0"]


def _moe(kind: str) -> Bed:
    """Figure 10: 3dp, 5dp, full; and table1, which has every value of Table 1 (full has `zero1` instead)."""
    degrees = {"tp": 4, "pp": 2, "dp": 1}
    batch = 64
    parameters, rules = [*_degrees(**degrees), MBS], _rules(QWEN_MOE, batch, "tp * pp * dp")
    if kind != "3dp":
        parameters = [*_degrees(**degrees, cp=1, ep=1), SP, MBS]
        rules = [*_rules(QWEN_MOE, batch, "tp * pp * dp * cp"), "(dp * cp) % ep == 0", "ep == 1 || tp == 1 || sp"]
    if kind == "full":
        parameters += [*EXECUTION, _execution("tp_comm", [12, 16, 20], 16, "tp > 1")]
    if kind == "table1":
        parameters += [
            RECOMPUTE,
            _execution("ddp", list(range(1, GPUS + 1)), 1, "dp > 1"),
            _execution("ddp_bucket", list(range(1, 9)), 4, "dp > 1"),
            _execution("tp_comm", list(range(12, 21)), 16, "tp > 1"),
        ]
    return training(f"testbed-qwen3moe-8xa100-{kind}", QWEN_MOE, A100, 4096, batch, parameters, rules)


def _dense(name: str, model: Model, card: Card, batch: int, extra: list[dict[str, Any]], rules: list[str]) -> Bed:
    degrees = _degrees(tp=2, pp=1, dp=4, cp=1) if card is A100 else _degrees(tp=4, pp=2, dp=1, cp=1)
    parameters = [*degrees, SP, MBS, *EXECUTION, *extra]
    rules = [*_rules(model, batch, "tp * pp * dp * cp"), *rules]
    return training(name, model, card, 4096, batch, parameters, rules)


def beds() -> tuple[Bed, ...]:
    """All problems."""
    sms = _execution("tp_comm", [12, 14, 16, 18, 20], 16, "tp > 1")
    chunks = _execution("vpp", [1, 2, 4], 1, "pp > 1")
    interleaved = ["(32 / pp) % vpp == 0", "vpp == 1 || (32 / (dp * mbs)) % pp == 0"]
    return (
        _moe("3dp"),
        _moe("5dp"),
        _moe("full"),
        _moe("table1"),
        _dense("testbed-llama3b-8xa100-full", LLAMA_3B, A100, 64, [sms], []),
        _dense("testbed-llama8b-8xa40-full", LLAMA_8B, A40, 32, [{**sms, "values": [12, 16, 20]}, chunks], interleaved),
        inference("testbed-llama8b-8xa40-vllm", LLAMA_8B, A40, Load(), {"ttft_ms": "1500", "tpot_ms": "80"}),
    )
