from __future__ import annotations

import json
from itertools import pairwise
from statistics import fmean

import pytest

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.vllm.requests import LONGEST, Request, arrivals, from_jsonl, synthetic
from autoscout_profiler.vllm.settings import Load


def jsonl(*records) -> list[str]:
    return [json.dumps(record) + "\n" for record in records]


def test_every_trial_gets_the_same_requests():
    load = Load(requests=20, lengths="sampled")
    assert synthetic(load, 1000) == synthetic(load, 1000)
    assert arrivals(Load(requests_per_second=3.0), 20) == arrivals(Load(requests_per_second=3.0), 20)


def test_fixed_lengths_are_those_of_the_workload_and_prompts_differ():
    requests = synthetic(Load(requests=10, input_tokens=50, output_tokens=7), 1000)
    assert [(len(request.prompt), request.output_tokens) for request in requests] == [(50, 7)] * 10
    assert len({request.prompt[:16] for request in requests}) == 10
    assert all(10 <= token < 1000 for request in requests for token in request.prompt)


def test_sampled_lengths_lie_around_those_of_the_workload():
    requests = synthetic(Load(requests=2000, input_tokens=100, output_tokens=40, lengths="sampled"), 1000)
    inputs = [len(request.prompt) for request in requests]
    outputs = [request.output_tokens for request in requests]
    assert fmean(inputs) == pytest.approx(100, rel=0.05)
    assert fmean(outputs) == pytest.approx(40, rel=0.05)
    assert len(set(inputs)) > 50
    assert 1 <= min(inputs) < 50
    assert 200 < max(inputs) <= LONGEST * 100


def test_a_vocabulary_of_two_tokens_is_enough():
    (request,) = synthetic(Load(requests=1, input_tokens=3, output_tokens=1), 2)
    assert request == Request((1, 1, 1), 1)


def test_poisson_arrivals_begin_at_once_and_have_the_rate_that_is_asked_for():
    times = arrivals(Load(mode="serving", requests_per_second=4.0), 4001)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 0
    assert min(gaps) > 0
    assert fmean(gaps) == pytest.approx(1 / 4, rel=0.05)
    # An exponential distribution: its standard deviation is its mean.
    assert fmean(gap**2 for gap in gaps) == pytest.approx(2 * (1 / 4) ** 2, rel=0.1)


def test_without_a_rate_all_arrive_at_once():
    assert arrivals(Load(mode="serving", concurrency=2), 3) == [0, 0, 0]


def test_prompts_come_from_a_file_as_token_ids_or_text():
    lines = jsonl(
        {"prompt_token_ids": [1, 2, 3]}, {"prompt": [4], "output_tokens": 9}, {"prompt": "ab"}, {"prompt": "unused"}
    )
    requests = from_jsonl(["\n", *lines], Load(requests=3, output_tokens=5), lambda text: [ord(each) for each in text])
    assert requests == [Request((1, 2, 3), 5), Request((4,), 9), Request((97, 98), 5)]
    assert requests[1].tokens == 10


def test_a_file_with_fewer_prompts_gives_all_that_it_has():
    assert len(from_jsonl(jsonl({"prompt": [1]}, {"prompt": [2]}), Load(requests=64), None)) == 2


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "no JSON"),
        ("[1]", "an object"),
        ('{"text": "a"}', "an object"),
        ('{"prompt": []}', "an object"),
        ('{"prompt": "text"}', "needs a tokenizer"),
        ('{"prompt": [1.5]}', "whole numbers"),
        ('{"prompt": [-1]}', "whole numbers"),
        ('{"prompt": [1], "output_tokens": 0}', "whole numbers"),
    ],
)
def test_a_line_that_is_no_prompt_is_named(line, problem):
    with pytest.raises(InvalidConfiguration, match=problem) as refusal:
        from_jsonl([*jsonl({"prompt": [1]}), line], Load(), None)
    assert refusal.value.field == "workload.data.path, line 2"


def test_an_empty_file_is_refused():
    with pytest.raises(InvalidConfiguration, match="holds no prompt"):
        from_jsonl(["\n"], Load(data_path="prompts.jsonl"), None)
