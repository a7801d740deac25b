"""Whole profiles: the entry point of the image, its rank processes, and the frames that come out of it."""

from __future__ import annotations

import math
from statistics import median

import pytest
from tests.profilers.megatron.cases import ADAPTED, DENSE, FILE_PACKED, MOE
from tests.profilers.megatron.profiles import profile

from autoscout_profiler.frames import Error, Result
from autoscout_profiler.spread import uncertainty


def test_a_profile_reports_every_sample_and_what_it_took():
    done = profile({"mbs": 2}, DENSE, iterations=5)
    assert done.code == 0, done.log
    assert isinstance(done.last, Result)
    metrics, samples = done.last.metrics, done.last.samples
    assert len(samples["seconds_per_iteration"]) == 5
    assert metrics["seconds_per_iteration"] == median(samples["seconds_per_iteration"])
    assert metrics["tokens_per_second"] == pytest.approx(8 * 64 / metrics["seconds_per_iteration"])
    margin = uncertainty("seconds_per_iteration", samples["seconds_per_iteration"])
    assert metrics["seconds_per_iteration_uncertainty"] == margin["seconds_per_iteration_uncertainty"]
    assert 0.1 < metrics["peak_memory_gib"] < 4
    parts = (metrics["startup_seconds"], metrics["warmup_seconds"], sum(samples["seconds_per_iteration"]))
    assert min(parts) > 0
    assert sum(parts) < done.seconds
    assert metrics["loss_before_warmup"] == pytest.approx(math.log(512), rel=0.05)
    assert metrics["loss_after_warmup"] < metrics["loss_before_warmup"]
    assert "model_flops_utilization" not in metrics  # nobody knows the peak of this processor
    assert done.last.versions["megatron-core"].startswith("0.16")
    assert "torch" in done.last.versions
    assert done.last.gpu == ""


def test_progress_is_told_after_every_iteration():
    done = profile({}, ADAPTED, iterations=3)
    assert done.code == 0, done.log
    assert [frame.iteration for frame in done.progress] == [0, 1, 2, 3, 4, 5, 6]
    assert {frame.iterations for frame in done.progress} == {6}
    assert all("loss" in frame.metrics for frame in done.progress[1:4])
    assert all(frame.metrics["seconds_per_iteration"] > 0 for frame in done.progress[4:])


def test_each_rank_says_how_much_memory_it_took():
    done = profile({"tp": 2, "sp": True, "ep": 2, "etp": 1, "mbs": 2}, MOE)
    assert done.code == 0, done.log
    assert isinstance(done.last, Result)
    metrics = done.last.metrics
    ranks = [metrics["peak_memory_gib_rank_0"], metrics["peak_memory_gib_rank_1"]]
    assert metrics["peak_memory_gib"] == max(ranks)
    assert list(done.last.samples["peak_memory_gib"]) == ranks


def test_a_token_file_is_trained_on(token_file):
    done = profile({}, FILE_PACKED | {"data": {"path": str(token_file)}})
    assert done.code == 0, done.log
    assert isinstance(done.last, Result)
    assert done.last.metrics["tokens_per_second"] > 0


@pytest.mark.parametrize(
    ("configuration", "workload", "message"),
    [
        ({"tp": 2, "sp": True, "tpo": True}, DENSE, "tpo: Megatron accepts it without Transformer Engine"),
        ({"micro_batchsize": 2}, DENSE, "did you mean micro_batch_size"),
        ({}, DENSE | {"data": {"path": "/nowhere/tokens.bin"}}, "workload.data.path: no indexed token file"),
    ],
)
def test_what_can_not_be_measured_is_refused_by_name(configuration, workload, message):
    done = profile(configuration, workload)
    assert done.code != 0
    assert isinstance(done.last, Error)
    assert done.last.reason == "InvalidConfiguration"
    assert message in done.last.message


def test_the_cpu_never_stands_in_for_a_gpu():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = profile({}, DENSE, gpus=1)
    assert isinstance(done.last, Error)
    assert done.last.reason == "Infrastructure"
    assert "torch sees 0" in done.last.message


def test_a_profile_that_is_stopped_early_reports_the_samples_so_far():
    done = profile({"pp": 2, "mbs": 2}, DENSE, iterations=100_000, stop_when=lambda frame: frame.iteration >= 7)
    assert done.code == 0, done.log
    assert isinstance(done.last, Result)
    assert 4 <= len(done.last.samples["seconds_per_iteration"]) < 1000
    assert done.last.metrics["peak_memory_gib"] > 0


def test_a_profile_that_is_stopped_before_it_has_samples_reports_nothing():
    done = profile({}, DENSE, warmup=100_000, stop_when=lambda frame: frame.iteration >= 1)
    assert done.last is None
