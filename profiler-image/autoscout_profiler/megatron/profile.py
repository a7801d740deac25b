"""The measurement: steps before it that must train, timed iterations, and what is reported of them."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch

from autoscout_profiler.megatron.batches import Batch
from autoscout_profiler.megatron.device import Device, package_versions
from autoscout_profiler.megatron.flops import peak_teraflops, step_flops
from autoscout_profiler.megatron.settings import Settings
from autoscout_profiler.megatron.training import Trainer
from autoscout_profiler.runner.child import RankReporter
from autoscout_profiler.spread import LEAST_SAMPLES, uncertainty

DEFAULT_ITERATIONS = 10
LEAST_WARMUP = 3
"""Steps before the first that is timed, however few are asked for: the check that the loss falls needs some."""
LONGEST_CHECK = 10
"""Steps after which a loss that has not fallen counts as one that does not."""
BATCHES = 4
"""Different batches that the timed iterations take turns in. They are loaded before the first one."""
RANKS_BY_NAME = 16
"""Up to so many ranks have a metric each for their memory; the samples have all of them."""


@dataclass(frozen=True)
class Iteration:
    """One timed iteration.

    Attributes:
        seconds: of the slowest rank.
        tokens: that it trained on.
        flops: that it needed.
        memory: metric to the most GiB that each rank has had so far, by rank.
    """

    seconds: float
    tokens: int
    flops: float
    memory: dict[str, list[float]]


class Profile:
    """The measurement of one trial, on one of its ranks."""

    def __init__(self, settings: Settings, device: Device, reporter: RankReporter) -> None:
        """Build what is measured.

        Args:
            settings: of the trial.
            device: of this rank.
            reporter: says what the TuningJob asks for, and takes the result.

        Raises:
            InvalidConfiguration: the token file can't be used.
        """
        self._settings = settings
        self._device = device
        self._reporter = reporter
        self._warmup = max(LEAST_WARMUP, reporter.warmup_iterations or 0)
        self._count = reporter.iterations or DEFAULT_ITERATIONS
        self._iterations: list[Iteration] = []
        self._before: dict[str, float] = {}
        self._trainer = Trainer(settings, device)
        self._batches = [self._trainer.batches.load(step) for step in range(min(BATCHES, self._count))]
        self._flops = [step_flops(settings, batch.lengths) for batch in self._batches]

    def run(self) -> None:
        """Measure and report.

        Raises:
            ArithmeticError: the model does not train.
        """
        self._before["startup_seconds"] = self._reporter.seconds_since_start()
        self._progress(0)
        begin = time.perf_counter()
        self._check()
        self._before["warmup_seconds"] = time.perf_counter() - begin
        # What the model keeps is no garbage: a collection between iterations need not look at it.
        gc.collect()
        gc.freeze()
        self._reporter.when_stopped(self._early_result)
        for number in range(self._count):
            self._iterations.append(self._timed(number % len(self._batches)))
            self._progress(self._warmup + number + 1)
        self._report()

    def _check(self) -> None:
        """Train on one batch until its loss has fallen: a model that does not train is not worth timing."""
        losses: list[float] = []
        while len(losses) < self._warmup or not losses[-1] < losses[0]:
            if len(losses) >= max(self._warmup, LONGEST_CHECK):
                raise ArithmeticError(f"the loss does not fall: {losses[0]:.4f}, then {losses[-1]:.4f}")
            losses.append(self._trainer.loss(self._trainer.step(self._batches[0])))
            if not math.isfinite(losses[-1]):
                raise ArithmeticError(
                    f"the loss of step {len(losses)} is {losses[-1]}: this configuration does not train"
                )
            self._progress(min(len(losses), self._warmup), loss=losses[-1])
        self._before |= {"loss_before_warmup": losses[0], "loss_after_warmup": losses[-1]}

    def _timed(self, number: int) -> Iteration:
        batch: Batch = self._batches[number]
        seconds, _ = self._device.seconds(lambda: self._trainer.step(batch))
        memory = self._device.peak_memory()
        mine = torch.tensor([seconds, *memory.values()], dtype=torch.float64, device=self._device.torch)
        everyones = [torch.empty_like(mine) for _ in range(torch.distributed.get_world_size())]
        # All ranks leave this at about the same time, so that the next iteration begins on all of them.
        torch.distributed.all_gather(everyones, mine)
        slowest, *peaks = torch.stack(everyones, dim=1).tolist()
        return Iteration(max(slowest), batch.tokens, self._flops[number], dict(zip(memory, peaks, strict=True)))

    def _progress(self, done: int, **metrics: float) -> None:
        if self._iterations:
            metrics["seconds_per_iteration"] = median(each.seconds for each in self._iterations)
        self._reporter.progress(done, self._warmup + self._count, **metrics)

    def _early_result(self) -> None:
        if len(self._iterations) >= LEAST_SAMPLES:
            self._report()

    def _report(self) -> None:
        iterations = tuple(self._iterations)
        samples = measured(iterations, self._settings, self._device.gpu)
        memory = {metric: max(peaks) for metric, peaks in iterations[-1].memory.items()}
        peaks = iterations[-1].memory["peak_memory_gib"]
        named = peaks if len(peaks) <= RANKS_BY_NAME else []
        self._reporter.result(
            {metric: median(values) for metric, values in samples.items()}
            | uncertainty("seconds_per_iteration", samples["seconds_per_iteration"])
            | memory
            | {f"peak_memory_gib_rank_{rank}": peak for rank, peak in enumerate(named)}
            | self._before,
            samples=samples | {"peak_memory_gib": peaks},
            versions=package_versions() | self._device.versions(),
            gpu=self._device.gpu,
        )


def measured(iterations: Sequence[Iteration], settings: Settings, gpu: str) -> dict[str, list[float]]:
    """Every sample of the metrics of speed; utilization only where the GPU's peak is known."""
    samples = {
        "seconds_per_iteration": [each.seconds for each in iterations],
        "tokens_per_second": [each.tokens / each.seconds for each in iterations],
    }
    peak = peak_teraflops(gpu, settings.precision)
    if peak is not None:
        available = peak * 1e12 * settings.layout.world
        samples["model_flops_utilization"] = [each.flops / each.seconds / available for each in iterations]
    return samples
