"""What both ways of running vLLM have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoscout_profiler.vllm.requests import Request
from autoscout_profiler.vllm.timeline import Pass


class RunningEngine(Protocol):
    """An engine that is ready for requests."""

    def run(self, requests: Sequence[Request], alive: Callable[[], None]) -> Pass:
        """Answer all requests once.

        Args:
            requests: of the pass.
            alive: called whenever the engine gave tokens, so that a long pass is told from a hang.

        Raises:
            RuntimeError: an answer is shorter or longer than asked for.
        """

    def forget(self) -> None:
        """Empty the prefix cache, so that the next pass computes every prompt again."""

    def gpu_peak_bytes(self) -> int:
        """The memory of the GPU that took most."""

    def close(self) -> None:
        """End the engine's processes, on all nodes."""


@dataclass(frozen=True)
class Started:
    """An engine and what to ask it.

    Attributes:
        engine: ready for requests.
        requests: of each pass.
        versions: package to version.
        gpu: the name of the GPUs; empty: there are none.
    """

    engine: RunningEngine
    requests: Sequence[Request]
    versions: Mapping[str, str]
    gpu: str = ""
