"""The subcommands `megatron` and `vllm`, up to the point where a framework is needed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.supervised import PACKAGES

from autoscout.api.workload import Workload
from autoscout_profiler.frames import Error
from autoscout_profiler.scanner import Scanner


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTOSCOUT_")}
    return subprocess.run(
        [sys.executable, "-m", "autoscout_profiler", *arguments],
        env={**environment, "PYTHONPATH": str(PACKAGES), "COLUMNS": "120", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("framework", ["megatron", "vllm"])
def test_the_help_has_an_example_that_is_a_trial(framework):
    shown = run(framework, "--help").stdout
    example = re.search(r"with, for example:\n\n(.*?)\n\nhardware", shown, re.DOTALL)
    assert example is not None, shown
    trial = json.loads(example[1])
    Workload.model_validate({"framework": framework, **trial["workload"]})
    assert max(map(len, shown.splitlines())) <= 120
    assert f"python -m autoscout_profiler {framework} --trial trial.json" in shown


@pytest.mark.parametrize("framework", ["megatron", "vllm"])
def test_without_a_trial_the_way_out_is_told(framework):
    done = run(framework)
    assert done.returncode == 2
    assert "--trial" in done.stderr
    assert "AUTOSCOUT_TRIAL" in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_no_trial_is_told(tmp_path):
    (tmp_path / "trial.json").write_text("[]")
    done = run("megatron", "--trial", str(tmp_path / "trial.json"))
    assert done.returncode == 2
    assert "a trial is a JSON object" in done.stderr
    assert "no-such-file" in run("megatron", "--trial", "no-such-file").stderr


def test_a_limit_that_is_no_number_is_told(tmp_path):
    (tmp_path / "trial.json").write_text("{}")
    done = run("vllm", "--trial", str(tmp_path / "trial.json"), PROFILER_HANG_SECONDS="soon")
    assert done.returncode == 2
    assert "PROFILER_HANG_SECONDS: 'soon'" in done.stderr


@pytest.fixture
def frameworks(tmp_path: Path) -> str:
    """A PYTHONPATH on which all frameworks seem to be installed."""
    for package in ("torch", "megatron/core", "vllm"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    return f"{PACKAGES}{os.pathsep}{tmp_path}"


def reported(done: subprocess.CompletedProcess[str]) -> Error:
    assert done.returncode == 1
    scanner = Scanner("llama-3", 1)
    scanner.feed(done.stdout)
    assert scanner.last_word is not None
    assert isinstance(scanner.last_word.body, Error)
    return scanner.last_word.body


@pytest.mark.parametrize(
    ("configuration", "variables", "reason", "says"),
    [
        ({"tp": 0}, {}, "InvalidConfiguration", "tp: 0 is no whole number from 1"),
        ({}, {"AUTOSCOUT_NODES": "2"}, "Infrastructure", "JOB_COMPLETION_INDEX"),
    ],
)
def test_a_trial_that_can_t_be_started_is_an_error_frame(frameworks, configuration, variables, reason, says):
    trial = json.dumps({"trial": "llama-3", "attempt": 1, "configuration": configuration})
    error = reported(run("megatron", AUTOSCOUT_TRIAL=trial, PYTHONPATH=frameworks, **variables))
    assert error.reason == reason
    assert says in error.message


@pytest.mark.parametrize(
    ("framework", "missing"),
    [("megatron", "torch"), ("megatron", "megatron.core"), ("vllm", "torch"), ("vllm", "vllm")],
)
def test_an_image_without_the_framework_is_not_the_configuration_s_fault(tmp_path, framework, missing):
    for package in {"torch", "megatron/core", "vllm"} - {missing.replace(".", "/")}:
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    path = f"{PACKAGES}{os.pathsep}{tmp_path}"
    isolated = [sys.executable, "-S", "-m", "autoscout_profiler", framework]
    trial = json.dumps({"trial": "llama-3", "attempt": 1})
    done = subprocess.run(
        isolated, env={"AUTOSCOUT_TRIAL": trial, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    error = reported(done)
    assert error.reason == "Infrastructure"
    assert error.message.startswith(f"{missing} is not installed for {sys.executable}")
