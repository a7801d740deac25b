from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import autoscout_profiler
from autoscout_profiler.frames import Error, Result
from autoscout_profiler.scanner import Scanner
from autoscout_profiler.wrap import Findings, MetricPattern

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(autoscout_profiler.__file__).parents[1])}


def wrap(*arguments: str) -> tuple[int, object, str]:
    """Exit code, the last word, the log."""
    command = [sys.executable, "-m", "autoscout_profiler", "wrap", *arguments]
    done = subprocess.run(command, check=False, env=ENVIRONMENT, capture_output=True, timeout=120)
    scanner = Scanner("manual", 0)
    scanner.feed(done.stdout)
    scanner.close()
    assert scanner.frames_ignored == 0
    return done.returncode, scanner.last_word and scanner.last_word.body, (done.stdout + done.stderr).decode()


def test_metrics_are_found_in_both_streams_and_the_output_is_passed_on():
    code, body, log = wrap(
        *("--metric", "seconds_per_step=step time: ([0-9.]+) s", "--metric", "loss=loss ([0-9.e-]+)", "--"),
        *("sh", "-c", "for t in 3 1 2; do echo step time: $t s; done; echo loss 1e-3 >&2; printf no-end"),
    )
    assert code == 0
    assert isinstance(body, Result)
    assert body.metrics.keys() == {"wall_seconds", "seconds_per_step", "loss"}
    assert (body.metrics["seconds_per_step"], body.metrics["loss"]) == (2.0, 0.001)
    assert body.samples == {"seconds_per_step": (3.0, 1.0, 2.0)}
    assert 0 < body.metrics["wall_seconds"] < 120
    assert "step time: 3 s\nstep time: 1 s" in log
    assert "loss 1e-3" in log


def test_metrics_are_taken_from_the_last_json_object():
    code, body, _ = wrap(
        *("--json-last-line", "--", "printf", "%s\n"),
        *('{"seconds": 9}', '{"seconds": 1.5, "tokens": [1, 3, 2], "name": "x", "bad": [1, null]}', "[1]", "bye"),
    )
    assert code == 0
    assert isinstance(body, Result)
    assert {name: value for name, value in body.metrics.items() if name != "wall_seconds"} == {
        "seconds": 1.5,
        "tokens": 2,
    }
    assert body.samples == {"tokens": (1.0, 3.0, 2.0)}


def test_without_any_metric_the_wall_time_is_the_result():
    code, body, _ = wrap("--", "true")
    assert code == 0
    assert isinstance(body, Result)
    assert body.metrics.keys() == {"wall_seconds"}


@pytest.mark.parametrize(
    ("arguments", "code", "reason", "says"),
    [
        (["--", "sh", "-c", "echo tile 7 is odd >&2; exit 3"], 3, "NonZeroExit", "exited with code 3"),
        (["--", "sh", "-c", "echo tile 7 is odd >&2; kill -SEGV $$"], 139, "Killed", "killed by SIGSEGV"),
        (
            ["--metric", "s=t=([0-9]+)", "--", "sh", "-c", "echo tile 7 is odd >&2"],
            1,
            "NoResult",
            "--metric s=t=([0-9]+)",
        ),
        (["--json-last-line", "--", "sh", "-c", "echo tile 7 is odd >&2"], 1, "NoResult", "JSON object"),
    ],
)
def test_a_failure_becomes_an_error_frame_with_the_end_of_standard_error(arguments, code, reason, says):
    exit_code, body, _ = wrap(*arguments)
    assert exit_code == code
    assert isinstance(body, Error)
    assert body.reason == reason
    assert says in body.message
    assert body.message.endswith("; standard error: tile 7 is odd")


def test_a_program_that_is_not_there_is_named():
    code, body, _ = wrap("--", "no-such-program")
    assert code == 127
    assert body == Error("CommandNotFound", "no-such-program: No such file or directory")


def test_arguments_reach_the_program_as_they_are():
    _, _, log = wrap("--", "printf", "[%s]", "$(id) `id` 'x' --metric", "-h", "--")
    assert log.startswith("[$(id) `id` 'x' --metric][-h][--]")


def test_a_program_that_writes_frames_itself_has_the_last_word():
    selftest = [sys.executable, "-m", "autoscout_profiler", "selftest"]
    assert wrap("--", *selftest, "progress=1/2", "result=seconds:2")[1].metrics == {"seconds": 2.0}
    assert wrap("--", *selftest, "error=OutOfMemory:x", "exit=1")[:2] == (1, Error("OutOfMemory", "x"))
    code, body, _ = wrap("--", *selftest, "progress=1/2", "exit=4")
    assert code == 4
    assert body == Error("NonZeroExit", body.message)


def test_sigterm_is_passed_on_and_no_frame_blames_the_configuration():
    child = "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
    command = [sys.executable, "-m", "autoscout_profiler", "wrap", "--", "sh", "-c", child]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b""
        assert process.wait(120) == 9


@pytest.mark.parametrize("text", ["seconds", "=x(.)", "seconds=", "seconds=[0-9]+", "seconds=(["])
def test_a_metric_without_name_expression_or_group_is_refused(text):
    with pytest.raises(ValueError, match=r"NAME=REGEX|parentheses|unterminated"):
        MetricPattern.parse(text)


def test_only_finite_numbers_are_found():
    findings = Findings([MetricPattern.parse("loss=loss (\\S+)")], json_last_line=True)
    for line in ("loss nan", "loss inf", "loss many", "loss 2"):
        findings.read_line(line)
    findings.read_json('{"a": 1e999, "b": true, "c": "3", "d": []}')
    assert findings.samples() == {"c": [3.0], "loss": [2.0]}


def test_help_teaches():
    text = subprocess.run(
        [sys.executable, "-m", "autoscout_profiler", "wrap", "--help"], env=ENVIRONMENT, capture_output=True, check=True
    ).stdout.decode()
    assert "wrap --metric 'seconds_per_step=step time: ([0-9.]+) s' -- ./train" in text
