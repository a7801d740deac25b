"""What was seen of the requests of a pass, and the metrics that follow from it. Pure.

docs/reference/vllm.md defines each metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median


@dataclass(frozen=True)
class Completed:
    """One answered request.

    Attributes:
        prompt_tokens: of the prompt.
        output_tokens: of the answer.
        ttft: seconds from its arrival to its first token.
        decode: seconds from its first token to its last.
    """

    prompt_tokens: int
    output_tokens: int
    ttft: float
    decode: float


@dataclass(frozen=True)
class Pass:
    """All requests of a load, once.

    Attributes:
        seconds: from the first arrival to the last token.
        completed: the requests, in the load's order.
        gaps: seconds between one arrival of tokens of a request and the next one, of all requests.
    """

    seconds: float
    completed: tuple[Completed, ...]
    gaps: tuple[float, ...]


def completed(prompt_tokens: int, arrival: float, deliveries: Sequence[tuple[float, int]]) -> Completed:
    """From the times at which tokens of one request came.

    Args:
        prompt_tokens: of its prompt.
        arrival: when it arrived, in seconds.
        deliveries: (time in seconds, how many tokens), ascending; at least one.
    """
    first, last = deliveries[0][0], deliveries[-1][0]
    return Completed(prompt_tokens, sum(tokens for _, tokens in deliveries), first - arrival, last - first)


def metrics_of(one: Pass) -> dict[str, float]:
    """The metrics of one pass, units in their names. `tpot_ms` and `itl_ms` need an answer of two tokens."""
    tokens = sum(each.output_tokens for each in one.completed)
    milliseconds = {
        "ttft_ms": [1000 * each.ttft for each in one.completed],
        "tpot_ms": [1000 * each.decode / (each.output_tokens - 1) for each in one.completed if each.output_tokens > 1],
        "itl_ms": [1000 * gap for gap in one.gaps],
    }
    metrics = {
        "milliseconds_per_token": 1000 * one.seconds / tokens,
        "tokens_per_second": tokens / one.seconds,
        "requests_per_second": len(one.completed) / one.seconds,
    }
    for name, values in milliseconds.items():
        if values:
            metrics |= {
                name: fmean(values),
                f"{name}_p50": percentile(values, 50),
                f"{name}_p99": percentile(values, 99),
            }
    return metrics


def summary(passes: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The median of each metric over the passes, and the value of each pass as its samples, in order."""
    samples = {name: [each[name] for each in passes] for name in passes[0]}
    return {name: median(values) for name, values in samples.items()}, samples


def percentile(values: Sequence[float], percent: float) -> float:
    """Linearly between the two values next to it."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    lower = int(position)
    upper = min(lower + 1, len(ordered) - 1)
    return ordered[lower] + (ordered[upper] - ordered[lower]) * (position - lower)
