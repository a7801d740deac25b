"""`vllm.LLM`: all requests are handed over at once, and the answers come when all are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from vllm.entrypoints.llm import LLM
from vllm.sampling_params import SamplingParams

from autoscout_profiler.vllm.arguments import Plan
from autoscout_profiler.vllm.requests import Request
from autoscout_profiler.vllm.timeline import Completed, Pass
from autoscout_profiler.vllm.worker import END_OTHER_NODES, MAKE_STAGE_BUFFERS, PEAK_MEMORY


class OfflineEngine:
    """A running `vllm.LLM`."""

    def __init__(self, plan: Plan) -> None:
        """Start it: load the weights, size the key-value cache, capture the graphs."""
        self._llm = LLM(**plan.arguments)
        if plan.needs_stage_buffers:
            self._llm.collective_rpc(MAKE_STAGE_BUFFERS)
        self._nodes: int = plan.config.parallel_config.nnodes
        self._recorder = _Recorder()
        self._caches_prefixes = bool(plan.config.cache_config.enable_prefix_caching)
        self._llm.llm_engine.logger_manager.stat_loggers.append(self._recorder)

    def run(self, requests: Sequence[Request], alive: Callable[[], None]) -> Pass:
        """As `RunningEngine.run`."""
        prompts = [{"prompt_token_ids": list(request.prompt)} for request in requests]
        parameters = [sampling(request) for request in requests]
        self._recorder.begin(alive)
        begin = time.perf_counter()
        outputs = self._llm.generate(prompts, parameters, use_tqdm=False)
        seconds = time.perf_counter() - begin
        completed = tuple(
            Completed(
                len(request.prompt),
                len(output.outputs[0].token_ids),
                output.metrics.first_token_latency,
                output.metrics.last_token_ts - output.metrics.first_token_ts,
            )
            for request, output in zip(requests, outputs, strict=True)
        )
        check(requests, completed)
        return Pass(seconds, completed, tuple(self._recorder.gaps))

    def forget(self) -> None:
        """As `RunningEngine.forget`."""
        if self._caches_prefixes and not self._llm.reset_prefix_cache():
            raise RuntimeError("vLLM did not empty its prefix cache, though no request is left")

    def gpu_peak_bytes(self) -> int:
        """As `RunningEngine.gpu_peak_bytes`."""
        return int(max(self._llm.collective_rpc(PEAK_MEMORY)))

    def close(self) -> None:
        """As `RunningEngine.close`."""
        if self._nodes > 1:
            self._llm.collective_rpc(END_OTHER_NODES)
        self._llm.llm_engine.engine_core.shutdown()


class _Recorder:
    """A stat logger of vLLM's.

    Attributes:
        gaps: seconds between two tokens of a request, as the engine saw them.
    """

    def __init__(self) -> None:
        self.begin(lambda: None)

    def begin(self, alive: Callable[[], None]) -> None:
        """Begin a pass."""
        self.gaps: list[float] = []
        self._alive = alive

    def record(self, _scheduler: Any, iteration: Any, **_others: Any) -> None:
        """Called after each step of the engine."""
        if iteration is not None:
            self.gaps.extend(iteration.inter_token_latencies_iter)
            self._alive()

    def log(self) -> None:
        """Nothing is written regularly."""


def sampling(request: Request, **more: Any) -> SamplingParams:
    """Greedy, and exactly as many tokens as the request says."""
    return SamplingParams(temperature=0.0, max_tokens=request.output_tokens, ignore_eos=True, detokenize=False, **more)


def check(requests: Sequence[Request], completed: Sequence[Completed]) -> None:
    """See that the work was done.

    Raises:
        RuntimeError: an answer is shorter or longer than asked for.
    """
    for index, (request, answer) in enumerate(zip(requests, completed, strict=True)):
        if request.output_tokens != answer.output_tokens:
            raise RuntimeError(
                f"request {index} was answered with {answer.output_tokens} tokens, not {request.output_tokens}"
            )
