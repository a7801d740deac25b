from __future__ import annotations

import pytest

from autoscout_profiler.vllm.timeline import Completed, Pass, completed, metrics_of, percentile, summary


def test_one_request_is_told_by_the_times_of_its_tokens():
    # It arrives at 1 s; four tokens come at 1.5, 1.7 (two at once) and 2.1 s.
    answer = completed(8, 1.0, [(1.5, 1), (1.7, 2), (2.1, 1)])
    assert answer.prompt_tokens == 8
    assert answer.output_tokens == 4
    assert answer.ttft == pytest.approx(0.5)
    assert answer.decode == pytest.approx(0.6)


def test_the_metrics_of_a_pass_follow_their_definitions():
    one = Pass(
        seconds=2.0,
        completed=(Completed(10, 5, ttft=0.1, decode=0.4), Completed(10, 11, ttft=0.3, decode=1.0)),
        gaps=(0.05, 0.15, 0.1),
    )
    metrics = metrics_of(one)
    assert metrics["milliseconds_per_token"] == pytest.approx(2000 / 16)
    assert metrics["tokens_per_second"] == pytest.approx(8)
    assert metrics["requests_per_second"] == pytest.approx(1)
    assert metrics["ttft_ms"] == pytest.approx(200)
    assert metrics["ttft_ms_p50"] == pytest.approx(200)
    assert metrics["ttft_ms_p99"] == pytest.approx(298)
    assert metrics["tpot_ms"] == pytest.approx(100)  # 400 / 4 and 1000 / 10
    assert metrics["itl_ms"] == pytest.approx(100)
    assert metrics["itl_ms_p50"] == pytest.approx(100)
    assert metrics["itl_ms_p99"] == pytest.approx(149)


def test_milliseconds_per_token_is_the_reciprocal_of_the_throughput():
    metrics = metrics_of(Pass(3.7, (Completed(1, 13, 0.1, 0.2),), (0.1,)))
    assert metrics["milliseconds_per_token"] * metrics["tokens_per_second"] == pytest.approx(1000)


def test_answers_of_one_token_have_no_time_between_tokens():
    metrics = metrics_of(Pass(1.0, (Completed(4, 1, 0.5, 0.0),), ()))
    assert "ttft_ms" in metrics
    assert not {"tpot_ms", "itl_ms"} & metrics.keys()


def test_a_percentile_lies_between_its_neighbours():
    assert percentile([4, 1, 3, 2], 50) == pytest.approx(2.5)
    assert percentile([1, 2, 3], 99) == pytest.approx(2.98)
    assert percentile([7], 99) == 7
    assert percentile([1, 2], 100) == 2


def test_a_trial_is_the_median_of_its_passes_and_keeps_them_all():
    metrics, samples = summary([{"x": 3.0}, {"x": 1.0}, {"x": 10.0}])
    assert metrics == {"x": 3.0}
    assert samples == {"x": [3.0, 1.0, 10.0]}
