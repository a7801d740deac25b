from __future__ import annotations

import io
import itertools
from contextlib import redirect_stdout

import numpy as np
import pytest

from autoscout_profiler.frames import Error, Result
from autoscout_profiler.scanner import Scanner
from autoscout_profiler.workloads import attention
from autoscout_profiler.workloads.attention import TOLERANCE, Attention, Inputs, Setting, error_of, peak_memory_mib

INPUTS = Inputs.random(heads=3, sequence=70, dimension=8)
SETTINGS = [
    Setting("naive", layout=layout, threads=threads, heads_per_task=share)
    for layout, threads, share in itertools.product(("rows", "columns"), (1, 2), (1, 2))
] + [
    Setting("tiled", buffers, tile, layout, threads)
    for buffers, tile, layout, threads in itertools.product(
        ("fresh", "reused"), (1, 16, 64, 70, 128), ("rows", "columns"), (1, 2)
    )
]


def report(*arguments: str) -> tuple[int, object]:
    output = io.StringIO()
    with redirect_stdout(output):
        code = attention.main(["--heads=2", "--sequence=64", "--head-dimension=8", *arguments])
    scanner = Scanner("manual", 0)
    scanner.feed(output.getvalue())
    return code, scanner.last_word.body


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_computes_the_same(setting: Setting):
    compute = Attention(INPUTS, setting)
    assert error_of(compute(), INPUTS) < TOLERANCE
    assert error_of(compute(), INPUTS) < TOLERANCE  # with buffers that were used before


def test_the_reference_sees_a_wrong_result():
    output = Attention(INPUTS, Setting())().copy()
    output[2, 69, 7] += 0.01
    assert error_of(output, INPUTS) == pytest.approx(0.01, abs=TOLERANCE)
    assert not error_of(np.full_like(output, np.nan), INPUTS) <= TOLERANCE


def test_stripes_need_less_memory_than_the_whole_matrix():
    inputs = Inputs.random(heads=1, sequence=512, dimension=8)
    naive = peak_memory_mib(lambda: Attention(inputs, Setting()))
    tiled = peak_memory_mib(lambda: Attention(inputs, Setting("tiled", "reused", tile=16)))
    assert naive > 2  # at least two matrices of 512 x 512 singles, 1 MiB each
    assert tiled < 0.5


def test_it_reports_time_with_samples_and_memory():
    code, body = report("--algorithm=tiled", "--tile=16", "--threads=2")
    assert code == 0
    assert isinstance(body, Result)
    assert body.metrics.keys() == {"milliseconds_per_call", "peak_memory_mib"}
    assert len(body.samples["milliseconds_per_call"]) == attention.ITERATIONS
    assert sorted(body.samples["milliseconds_per_call"])[9] <= body.metrics["milliseconds_per_call"]
    assert body.versions["numpy"] == np.__version__


def test_a_wrong_result_is_an_error_and_no_measurement(monkeypatch):
    monkeypatch.setattr(attention, "TOLERANCE", 0.0)
    code, body = report()
    assert code == 1
    assert isinstance(body, Error)
    assert body.reason == "WrongResult"


@pytest.mark.parametrize("argument", ["--tile=0", "--threads=-1", "--algorithm=fast", "--tile=x"])
def test_an_argument_that_means_nothing_is_refused(argument, capsys):
    with pytest.raises(SystemExit):
        report(argument)
    assert argument.split("=")[0] in capsys.readouterr().err
