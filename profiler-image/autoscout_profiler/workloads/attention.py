"""Attention on the CPU, softmax(Q K^T / sqrt(D)) V for several heads, in numpy: something real to tune anywhere.

    python3 -m autoscout_profiler.workloads.attention --algorithm=tiled --tile=128 --threads=2

Nothing in it is slowed down on purpose. The defaults are what one writes first in numpy; what is faster depends on the
caches, the cores and the price of fresh memory of the machine at hand.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Literal

# The threads are a parameter of ours: those of the BLAS would come on top. It reads this when it is loaded.
os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import numpy.typing as npt

from autoscout_profiler.reporter import Reporter

Array = npt.NDArray[np.float32]

WARMUP_ITERATIONS = 3
ITERATIONS = 20
TOLERANCE = 1e-4
"""Largest difference to the reference in double precision, beside values around 0.1."""


@dataclass(frozen=True)
class Setting:
    """How the same result is computed.

    Attributes:
        algorithm: `naive` makes the whole score matrix of a head; `tiled` a stripe of `tile` queries at a time.
        buffers: `fresh` memory for every stripe, or one `reused` by all; tiled only.
        tile: queries in a stripe; tiled only.
        layout: K in memory by `rows` (tokens, as it comes) or by `columns` (transposed once, ahead of all calls).
        threads: of our own; the BLAS has one.
        heads_per_task: heads that a thread takes at a time.
    """

    algorithm: Literal["naive", "tiled"] = "naive"
    buffers: Literal["fresh", "reused"] = "fresh"
    tile: int = 64
    layout: Literal["rows", "columns"] = "rows"
    threads: int = 1
    heads_per_task: int = 1


@dataclass(frozen=True)
class Inputs:
    """Queries, keys and values: each [heads, sequence, head dimension]."""

    queries: Array
    keys: Array
    values: Array

    @classmethod
    def random(cls, heads: int, sequence: int, dimension: int) -> Inputs:
        """Normally distributed, always the same."""
        rng = np.random.default_rng(0)
        shape = (3, heads, sequence, dimension)
        return cls(*rng.standard_normal(shape, dtype=np.float32))


class Attention:
    """The computation under one setting, ready to be called again and again."""

    def __init__(self, inputs: Inputs, setting: Setting) -> None:
        self._inputs = inputs
        self._setting = setting
        transposed = inputs.keys.transpose(0, 2, 1)
        self._keys = np.ascontiguousarray(transposed) if setting.layout == "columns" else transposed
        self._scale = np.float32(inputs.queries.shape[-1] ** -0.5)
        self._output = np.empty_like(inputs.queries)
        self._buffers = threading.local()
        self._pool = ThreadPoolExecutor(setting.threads) if setting.threads > 1 else None

    def __call__(self) -> Array:
        """Attention of all heads: [heads, sequence, head dimension]. The next call overwrites the array."""
        heads = range(len(self._output))
        if self._pool is None:
            self._run(heads)
        else:
            size = self._setting.heads_per_task
            list(self._pool.map(self._run, [heads[begin : begin + size] for begin in heads[::size]]))
        return self._output

    def _run(self, heads: Sequence[int]) -> None:
        rows = self._setting.tile if self._setting.algorithm == "tiled" else self._output.shape[1]
        in_place = self._setting.algorithm == "tiled" and self._setting.buffers == "reused"
        stripe = self._reused if in_place else self._fresh
        for head in heads:
            for begin in range(0, self._output.shape[1], rows):
                stripe(head, slice(begin, begin + rows))

    def _fresh(self, head: int, rows: slice) -> None:
        scores = self._inputs.queries[head, rows] @ self._keys[head] * self._scale
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights = weights / weights.sum(axis=1, keepdims=True)
        self._output[head, rows] = weights @ self._inputs.values[head]

    def _reused(self, head: int, rows: slice) -> None:
        queries, output = self._inputs.queries[head, rows] * self._scale, self._output[head, rows]
        scores = np.matmul(queries, self._keys[head], out=self._scores()[: len(queries)])
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        np.matmul(scores, self._inputs.values[head], out=output)
        output /= scores.sum(axis=1, keepdims=True)

    def _scores(self) -> Array:
        """The stripe of this thread."""
        if not hasattr(self._buffers, "scores"):
            sequence = self._output.shape[1]
            self._buffers.scores = np.empty((min(self._setting.tile, sequence), sequence), np.float32)
        scores: Array = self._buffers.scores
        return scores


def error_of(output: Array, inputs: Inputs) -> float:
    """The largest difference between `output` and attention in double precision; NaN where `output` has one."""
    differences = []
    for head, queries in enumerate(inputs.queries.astype(np.float64)):
        weights = np.exp(queries @ inputs.keys[head].astype(np.float64).T * queries.shape[-1] ** -0.5)
        exact = weights @ inputs.values[head] / weights.sum(axis=1, keepdims=True)
        differences.append(np.abs(output[head] - exact).max())
    return float(np.max(differences))


def peak_memory_mib(make: Callable[[], Callable[[], object]]) -> float:
    """MiB that making and calling something takes beyond what is there, arrays included."""
    tracemalloc.start()
    try:
        make()()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, measure and report one setting; the exit code."""
    options = _parser().parse_args(arguments)
    setting = Setting(**{name: getattr(options, name) for name in Setting.__dataclass_fields__})
    with Reporter() as reporter:
        inputs = Inputs.random(options.heads, options.sequence, options.head_dimension)
        attention = Attention(inputs, setting)
        error = error_of(attention(), inputs)
        if not error <= TOLERANCE:
            reporter.error("WrongResult", f"off by {error:g} from the reference, {TOLERANCE:g} is allowed: {setting}")
            return 1
        memory = peak_memory_mib(lambda: Attention(inputs, setting))
        warmup = WARMUP_ITERATIONS if reporter.warmup_iterations is None else reporter.warmup_iterations
        iterations = reporter.iterations or ITERATIONS
        seconds = reporter.measure(attention, warmup=warmup, iterations=iterations, metric="seconds_per_call")
        samples = [1000 * each for each in seconds]
        reporter.result(
            {"milliseconds_per_call": median(samples), "peak_memory_mib": memory},
            samples={"milliseconds_per_call": samples},
            versions={"numpy": np.__version__},
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    default = Setting()
    parser = argparse.ArgumentParser(
        prog="python3 -m autoscout_profiler.workloads.attention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--algorithm", choices=("naive", "tiled"), default=default.algorithm, help="whole score matrix, or stripes"
    )
    parser.add_argument(
        "--buffers", choices=("fresh", "reused"), default=default.buffers, help="memory of a stripe (tiled)"
    )
    parser.add_argument("--tile", type=_positive, default=default.tile, help="queries in a stripe (tiled)")
    parser.add_argument("--layout", choices=("rows", "columns"), default=default.layout, help="of K in memory")
    parser.add_argument("--threads", type=_positive, default=default.threads, help="that share the heads")
    parser.add_argument(
        "--heads-per-task", type=_positive, default=default.heads_per_task, help="that a thread takes at a time"
    )
    shape = parser.add_argument_group("what is computed, the same for every setting")
    shape.add_argument("--heads", type=_positive, default=8)
    shape.add_argument("--sequence", type=_positive, default=1024, help="tokens")
    shape.add_argument("--head-dimension", type=_positive, default=64)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
