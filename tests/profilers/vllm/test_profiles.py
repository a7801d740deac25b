"""Profiles of a tiny model by the real vLLM on this machine's CPU, through the entry point that the operator starts."""

from __future__ import annotations

import json
from math import log

import pytest

from autoscout_profiler.frames import Error, Result
from autoscout_profiler.vllm.model import description

from .tiny import ARCHITECTURE, EXPERTS, Profile, profile, profile_on_nodes

LATENCIES = {f"{name}{suffix}" for name in ("ttft_ms", "tpot_ms", "itl_ms") for suffix in ("", "_p50", "_p99")}
ONCE = {"startup_seconds", "warmup_seconds", "peak_memory_gib", "milliseconds_per_token_uncertainty"}
EVERY_PASS = LATENCIES | {"milliseconds_per_token", "tokens_per_second", "requests_per_second"}


PASSES = 15
"""Of the faster configuration: on a busy machine some of them are left in peace."""


@pytest.fixture(scope="module")
def wide() -> Profile:
    """All requests in one batch."""
    return profile({"max_num_seqs": 16}, iterations=PASSES)


@pytest.fixture(scope="module")
def narrow() -> Profile:
    """One request at a time."""
    return profile({"max_num_seqs": 1})


def test_a_profile_reports_every_metric_with_its_samples(wide):
    result = wide.result
    assert wide.code == 0
    assert result.metrics.keys() == EVERY_PASS | ONCE
    assert result.samples.keys() == EVERY_PASS
    assert {len(values) for values in result.samples.values()} == {PASSES}
    assert result.versions.keys() == {"python", "vllm", "torch", "transformers"}
    assert result.metrics["milliseconds_per_token"] == pytest.approx(1000 / result.metrics["tokens_per_second"])
    assert result.metrics["tokens_per_second"] == pytest.approx(32 * result.metrics["requests_per_second"])
    assert result.metrics["ttft_ms_p50"] <= result.metrics["ttft_ms_p99"]
    assert 0.3 < result.metrics["peak_memory_gib"] < 8


def test_progress_comes_when_the_engine_is_ready_and_after_every_pass(wide):
    told = [(body.iteration, body.iterations) for body in wide.progress]
    assert list(dict.fromkeys(told)) == [(done, 1 + PASSES) for done in range(2 + PASSES)]
    timed = [body.iteration for body in wide.progress if "milliseconds_per_token" in body.metrics]
    assert timed == list(range(2, 2 + PASSES))


def test_two_configurations_are_ranked_as_they_must_be(wide, narrow):
    # Requests one by one need sixteen times as many steps. What else runs on the machine only adds time to a pass.
    slow, fast = (each.result for each in (narrow, wide))
    for metric in ("milliseconds_per_token", "ttft_ms"):
        assert undisturbed(slow, metric) > 1.5 * undisturbed(fast, metric)


def test_a_repetition_of_a_profile_agrees_with_it_far_better_than_another_configuration(wide, narrow):
    again = profile({"max_num_seqs": 16}, iterations=PASSES)
    first, second, other = (undisturbed(each.result) for each in (wide, again, narrow))
    assert abs(log(second / first)) < abs(log(other / first)) / 2


def test_text_prompts_are_served_under_poisson_arrivals_by_a_mounted_model(tmp_path):
    words = {f"w{index}": index for index in range(ARCHITECTURE["vocabSize"])}
    (tmp_path / "config.json").write_text(json.dumps(description(ARCHITECTURE, "", 512)))
    (tmp_path / "tokenizer.json").write_text(json.dumps(word_tokenizer(words)))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    records = [{"prompt": "w11 w12 w13 " * 20, "output_tokens": 8}, {"prompt_token_ids": [11, 12, 13]}]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records * 4))
    served = profile(
        {"max_num_seqs": 8, "enable_prefix_caching": False},
        iterations=3,
        model={"name": str(tmp_path)},
        data={"path": str(tmp_path / "prompts.jsonl")},
        load={"mode": "serving", "requests": 8, "requestsPerSecond": "8"},
    ).result
    assert served.metrics.keys() == EVERY_PASS | ONCE
    # 4 answers of 8 tokens and 4 of 32 come in the time that 8 arrivals take, and not much later.
    assert served.metrics["requests_per_second"] < 20
    assert served.metrics["tokens_per_second"] == pytest.approx(20 * served.metrics["requests_per_second"])


def test_experts_are_split_between_the_workers_of_two_nodes():
    first, second = profile_on_nodes(
        2,
        {"tp": 2, "max_num_seqs": 16},
        iterations=3,
        model={"name": "qwen3-moe", "architecture": ARCHITECTURE | EXPERTS},
    )
    assert len(first.result.samples["milliseconds_per_token"]) == 3
    # The other node has nothing to say, and ends when the first has ended its part.
    assert (first.code, second.code, second.frames) == (0, 0, [])


def test_replicas_of_a_dense_model_on_two_nodes_end_with_the_first_node():
    first, second = profile_on_nodes(2, {"dp": 2, "max_num_seqs": 16}, iterations=3)
    assert len(first.result.samples["milliseconds_per_token"]) == 3
    assert (first.code, second.code, second.frames) == (0, 0, [])


def test_too_little_memory_for_the_cache_is_an_out_of_memory_in_vllms_words():
    failed = profile({"kv_cache_memory_bytes": 100_000})
    assert failed.code == 1
    assert isinstance(failed.last, Error)
    assert failed.last.reason == "OutOfMemory"
    assert "No available memory for the cache blocks" in failed.last.message


def test_an_unknown_knob_is_an_error_frame_that_names_the_nearest():
    failed = profile({"max_num_seq": 16})
    assert failed.code == 1
    assert failed.last == Error(
        "InvalidConfiguration", "max_num_seq: the installed vLLM has no such argument; the nearest is max_num_seqs"
    )


def test_an_early_stop_keeps_the_passes_that_were_measured():
    stopped = profile({"max_num_seqs": 16}, iterations=1000, stop_when=lambda progress: progress.iteration >= 4)
    assert stopped.code == 0
    assert 3 <= len(stopped.result.samples["milliseconds_per_token"]) < 1000


def undisturbed(result: Result, metric: str = "milliseconds_per_token") -> float:
    """What the fastest pass took."""
    return min(result.samples[metric])


def word_tokenizer(words):
    return {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"},
    }
