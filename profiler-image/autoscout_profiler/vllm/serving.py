"""vLLM's asynchronous engine: requests come as a load sends them, and tokens are seen when they come."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence

from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM

from autoscout_profiler.vllm.arguments import Plan
from autoscout_profiler.vllm.offline import check, sampling
from autoscout_profiler.vllm.requests import Request
from autoscout_profiler.vllm.timeline import Completed, Pass, completed
from autoscout_profiler.vllm.worker import END_OTHER_NODES, MAKE_STAGE_BUFFERS, PEAK_MEMORY

_Delivery = tuple[float, int]


class ServingEngine:
    """A running `AsyncLLM`, with an event loop of its own."""

    def __init__(self, plan: Plan, arrivals: Sequence[float], concurrency: int | None) -> None:
        """Start it: load the weights, size the key-value cache, capture the graphs.

        Args:
            plan: what to start.
            arrivals: of each request, in seconds from the beginning of a pass.
            concurrency: requests in flight at most; None: no limit.
        """
        self._loop = asyncio.Runner()
        self._arrivals = arrivals
        self._concurrency = concurrency
        self._names = itertools.count()
        self._nodes: int = plan.config.parallel_config.nnodes
        self._caches_prefixes = bool(plan.config.cache_config.enable_prefix_caching)

        async def start() -> AsyncLLM:
            return AsyncLLM.from_vllm_config(plan.config, usage_context=plan.usage)

        self._engine = self._loop.run(start())
        if plan.needs_stage_buffers:
            self._loop.run(self._engine.collective_rpc(MAKE_STAGE_BUFFERS))

    def run(self, requests: Sequence[Request], alive: Callable[[], None]) -> Pass:
        """As `RunningEngine.run`; each request is sent at its time."""
        one = self._loop.run(self._pass(requests, alive))
        check(requests, one.completed)
        return one

    def forget(self) -> None:
        """As `RunningEngine.forget`."""
        if self._caches_prefixes and not self._loop.run(self._engine.reset_prefix_cache()):
            raise RuntimeError("vLLM did not empty its prefix cache, though no request is left")

    def gpu_peak_bytes(self) -> int:
        """As `RunningEngine.gpu_peak_bytes`."""
        return int(max(self._loop.run(self._engine.collective_rpc(PEAK_MEMORY))))

    def close(self) -> None:
        """As `RunningEngine.close`."""
        if self._nodes > 1:
            self._loop.run(self._engine.collective_rpc(END_OTHER_NODES))
        self._engine.shutdown()
        self._loop.close()

    async def _pass(self, requests: Sequence[Request], alive: Callable[[], None]) -> Pass:
        turnstile = asyncio.Semaphore(self._concurrency) if self._concurrency else contextlib.nullcontext()
        begin = time.perf_counter()

        async def one(request: Request, offset: float) -> tuple[Completed, list[_Delivery]]:
            arrival = begin + offset
            await asyncio.sleep(max(0.0, arrival - time.perf_counter()))
            async with turnstile:
                # With a fixed number in flight, a request arrives when it is its turn.
                arrival = time.perf_counter() if self._concurrency else arrival
                deliveries = [each async for each in self._deliveries(request, alive)]
            return completed(len(request.prompt), arrival, deliveries), deliveries

        # Not a task group: the engine's own exception is to come out, not a group of it for each request.
        answers = await asyncio.gather(
            *(one(request, offset) for request, offset in zip(requests, self._arrivals, strict=True))
        )
        gaps = (later[0] - earlier[0] for _, deliveries in answers for earlier, later in itertools.pairwise(deliveries))
        last = max(deliveries[-1][0] for _, deliveries in answers)
        return Pass(last - begin, tuple(answer for answer, _ in answers), tuple(gaps))

    async def _deliveries(self, request: Request, alive: Callable[[], None]) -> AsyncIterator[_Delivery]:
        stream = self._engine.generate(
            {"prompt_token_ids": list(request.prompt)},
            sampling(request, output_kind=RequestOutputKind.DELTA),
            f"request-{next(self._names)}",
        )
        async for output in stream:
            tokens = len(output.outputs[0].token_ids)
            if tokens:
                yield time.perf_counter(), tokens
                alive()
