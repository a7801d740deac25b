"""What a trial asks of vLLM: the load, the model, the place, the number of passes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.runner.launch import Hardware

Mode = Literal["offline", "serving"]
Lengths = Literal["fixed", "sampled"]

DEFAULT_REQUESTS = 64
DEFAULT_INPUT_TOKENS = 1024
DEFAULT_OUTPUT_TOKENS = 256
DEFAULT_WARMUP_PASSES = 1
DEFAULT_PASSES = 5


@dataclass(frozen=True)
class Load:
    """The requests of one pass, and how they arrive.

    Attributes:
        mode: `offline`: all at once, to `vllm.LLM`; `serving`: to the asynchronous engine, tokens streamed back.
        requests: of one pass. Of a file with fewer prompts, all.
        concurrency: serving: requests in flight at all times; None: there is a rate.
        requests_per_second: serving: mean rate of Poisson arrivals; None: there is a number in flight.
        lengths: `fixed`: every prompt and answer has the workload's tokens; `sampled`: around them.
        input_tokens: of a prompt.
        output_tokens: of an answer; generation never stops earlier.
        data_path: JSONL of prompts, in place of random tokens; empty: none.
    """

    mode: Mode = "offline"
    requests: int = DEFAULT_REQUESTS
    concurrency: int | None = None
    requests_per_second: float | None = None
    lengths: Lengths = "fixed"
    input_tokens: int = DEFAULT_INPUT_TOKENS
    output_tokens: int = DEFAULT_OUTPUT_TOKENS
    data_path: str = ""

    @classmethod
    def read(cls, workload: Mapping[str, Any]) -> Load:
        """From `spec.workload`.

        Raises:
            InvalidConfiguration: a value is of another kind, or values contradict each other.
        """
        given: Mapping[str, Any] = workload.get("load") or {}
        load = cls(
            mode=_choice(given, "mode", Mode, "offline"),
            requests=_count(given.get("requests"), "workload.load.requests", DEFAULT_REQUESTS),
            concurrency=_optional(given.get("concurrency"), "workload.load.concurrency"),
            requests_per_second=_rate(given.get("requestsPerSecond")),
            lengths=_choice(given, "lengths", Lengths, "fixed"),
            input_tokens=_count(workload.get("inputTokens"), "workload.inputTokens", DEFAULT_INPUT_TOKENS),
            output_tokens=_count(workload.get("outputTokens"), "workload.outputTokens", DEFAULT_OUTPUT_TOKENS),
            data_path=str((workload.get("data") or {}).get("path") or ""),
        )
        if load.mode == "offline" and (load.concurrency or load.requests_per_second):
            name = "concurrency" if load.concurrency else "requestsPerSecond"
            raise InvalidConfiguration(
                f"workload.load.{name}", "offline mode hands over all requests at once; set workload.load.mode: serving"
            )
        if load.mode == "serving" and (load.concurrency is None) == (load.requests_per_second is None):
            raise InvalidConfiguration(
                "workload.load.concurrency", "mode serving needs either concurrency or requestsPerSecond"
            )
        return load


@dataclass(frozen=True)
class Settings:
    """One trial.

    Attributes:
        configuration: the parameters, as the TuningJob names them.
        load: what is sent to the engine.
        model_name: `workload.model.name`: the name of a model, or the folder of its files.
        architecture: `workload.model.architecture`, camelCase.
        precision: `workload.precision`; empty: bf16.
        sequence_length: tokens that the model is served for, if the load's requests are shorter; 0: not given.
        hardware: what it runs on.
        warmup_passes: before those that count.
        passes: that count, at least 1.
    """

    configuration: Mapping[str, Any]
    load: Load
    model_name: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    precision: str = ""
    sequence_length: int = 0
    hardware: Hardware = field(default_factory=Hardware)
    warmup_passes: int = DEFAULT_WARMUP_PASSES
    passes: int = DEFAULT_PASSES

    @classmethod
    def read(
        cls,
        configuration: Mapping[str, Any],
        workload: Mapping[str, Any],
        hardware: Hardware,
        warmup: int | None = None,
        iterations: int | None = None,
    ) -> Settings:
        """From the parts of a trial.

        Args:
            configuration: parameter name to value.
            workload: `spec.workload`, camelCase.
            hardware: what it runs on.
            warmup: passes before those that count; None: one.
            iterations: passes that count; None: five.

        Raises:
            InvalidConfiguration: as `Load.read`, or a number of passes is none.
        """
        described = workload.get("model") or {}
        return cls(
            configuration=configuration,
            load=Load.read(workload),
            model_name=str(described.get("name") or ""),
            architecture=described.get("architecture") or {},
            precision=str(workload.get("precision") or ""),
            sequence_length=_optional(workload.get("sequenceLength"), "workload.sequenceLength") or 0,
            hardware=hardware,
            warmup_passes=DEFAULT_WARMUP_PASSES if warmup is None else warmup,
            passes=_count(iterations, "profile.iterations", DEFAULT_PASSES),
        )

    @property
    def gpus(self) -> int:
        """Of all nodes; 0: the trial runs on CPUs."""
        return self.hardware.nodes * self.hardware.gpus_per_node


def _count(value: object, name: str, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise InvalidConfiguration(name, f"{value!r} is no whole number from 1")


def _optional(value: object, name: str) -> int | None:
    return None if value is None else _count(value, name, 1)


def _rate(value: object) -> float | None:
    """A quantity of the API: a number, or a decimal number in a string."""
    if value is None:
        return None
    try:
        rate = float(str(value))
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise InvalidConfiguration("workload.load.requestsPerSecond", f"{value!r} is no number above 0")
    return rate


def _choice(given: Mapping[str, Any], name: str, kind: Any, default: str) -> Any:
    value = given.get(name) or default
    if value not in get_args(kind):
        raise InvalidConfiguration(f"workload.load.{name}", f"{value!r}; there are {', '.join(get_args(kind))}")
    return value
