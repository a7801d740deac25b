"""The requests of a pass: the same ones, at the same times, for every configuration of a TuningJob. Pure."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.vllm.settings import Load

SEED = 20250101
"""Of everything random here. Configurations are compared under the very same load, so no trial has its own."""

SIGMA = 0.5
"""Of the logarithm of sampled lengths: one in twenty is more than twice its mean, none more than `LONGEST` times."""

LONGEST = 4
_LOWEST_TOKEN = 10
"""Tokens below are special ones in most vocabularies: padding, beginning and end of a text."""

Tokenizer = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class Request:
    """One prompt, and how long its answer is.

    Attributes:
        prompt: token ids.
        output_tokens: generated for it, no fewer and no more.
    """

    prompt: tuple[int, ...]
    output_tokens: int

    @property
    def tokens(self) -> int:
        """Of prompt and answer."""
        return len(self.prompt) + self.output_tokens


def synthetic(load: Load, vocabulary: int) -> list[Request]:
    """Random tokens: no two prompts share a beginning.

    Args:
        load: lengths and number.
        vocabulary: tokens that the model knows.
    """
    rng = random.Random(SEED)  # noqa: S311 - the same load each time is the point
    tokens = range(min(_LOWEST_TOKEN, vocabulary - 1), vocabulary)
    inputs = _lengths(load, load.input_tokens, rng)
    outputs = _lengths(load, load.output_tokens, rng)
    return [
        Request(tuple(rng.choices(tokens, k=length)), output) for length, output in zip(inputs, outputs, strict=True)
    ]


def from_jsonl(lines: Iterable[str], load: Load, tokenizer: Tokenizer | None) -> list[Request]:
    """The first `load.requests` prompts of a file, all if it has fewer.

    A line is an object with `prompt` (text or token ids) or `prompt_token_ids`, and `output_tokens` where the answer's
    length is not the workload's. Empty lines are skipped.

    Args:
        lines: of the file.
        load: how many; `output_tokens` where a line has none.
        tokenizer: for text; None: there is none.

    Raises:
        InvalidConfiguration: a line is something else, it is text and there is no tokenizer, or no line has a prompt.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    requests = [_parse(number, line, load, tokenizer) for number, line in islice(numbered, load.requests)]
    if not requests:
        raise InvalidConfiguration("workload.data.path", f"{load.data_path} holds no prompt")
    return requests


def arrivals(load: Load, count: int) -> list[float]:
    """When each request is sent, in seconds from the beginning of the pass, ascending; the first at 0.

    Poisson arrivals have exponential gaps of mean 1 / `requests_per_second`; without a rate all are sent at 0 (as far
    as `concurrency` allows).
    """
    rate = load.requests_per_second
    if rate is None:
        return [0.0] * count
    rng = random.Random(SEED)  # noqa: S311
    return [0.0, *accumulate(rng.expovariate(rate) for _ in range(count - 1))]


def _lengths(load: Load, mean: int, rng: random.Random) -> list[int]:
    if load.lengths == "fixed":
        return [mean] * load.requests
    # Log-normal with this mean: many short texts, few long ones.
    location = math.log(mean) - SIGMA**2 / 2
    return [min(max(1, round(rng.lognormvariate(location, SIGMA))), LONGEST * mean) for _ in range(load.requests)]


def _parse(number: int, line: str, load: Load, tokenizer: Tokenizer | None) -> Request:
    field = f"workload.data.path, line {number}"
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InvalidConfiguration(field, f"no JSON: {error}") from error
    if not isinstance(record, dict) or not (prompt := record.get("prompt_token_ids", record.get("prompt"))):
        raise InvalidConfiguration(field, "an object with prompt (text or token ids) or prompt_token_ids is expected")
    if isinstance(prompt, str):
        if tokenizer is None:
            raise InvalidConfiguration(
                field,
                "text needs a tokenizer: name the folder of the model's files in workload.model.name, or "
                "write token ids",
            )
        prompt = tokenizer(prompt)
    output = record.get("output_tokens", load.output_tokens)
    if not all(_is_count(token, 0) for token in prompt) or not _is_count(output, 1):
        raise InvalidConfiguration(field, "token ids are whole numbers from 0, output_tokens one from 1")
    return Request(tuple(prompt), output)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
