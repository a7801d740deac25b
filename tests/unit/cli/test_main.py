"""The command line: exit codes, messages that name the field and the way out, help that teaches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from typer.testing import CliRunner, Result

from autoscout import __version__
from autoscout.cli.main import app
from autoscout.space.configuration import Configuration

BENCH = dedent("""\
    from autoscout_profiler.reporter import Reporter
    with Reporter() as reporter:
        if reporter.configuration["n"] == 3:
            raise MemoryError("too large")
        reporter.result({"seconds": 1.0 / reporter.configuration["n"]})
    """)

JOB = """\
apiVersion: autoscout.io/v1alpha1
kind: TuningJob
metadata: {{name: example}}
spec:
  objectives: [{{metric: seconds}}]
  searchSpace:
    parameters: [{{name: n, kind: execution, values: [1, 2, 3, 4], default: 1}}]
  search: {{seed: {seed}}}
  budget: {{maxProfiles: {profiles}}}
  profile:
    command: [{command}]
    args: ["bench.py", "--n=$(params.n)"]
"""


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "bench.py").write_text(BENCH)
    write_job()
    return tmp_path


def write_job(*, seed: int = 0, profiles: int = 4, command: str = "python3") -> None:
    Path("job.yaml").write_text(JOB.format(seed=seed, profiles=profiles, command=command))


def autoscout(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_tune_finds_the_best_and_writes_the_report() -> None:
    done = autoscout("tune", "job.yaml")
    assert done.exit_code == 0, done.output
    assert "example: complete (MaxProfiles)" in done.stdout
    assert "4.00x better" in done.stdout
    assert "python3 bench.py --n=4" in done.stdout
    assert "OutOfMemory 1" in done.stdout
    directory = Path("autoscout-runs/example")
    result = json.loads((directory / "result.json").read_text())
    assert result["best"]["configuration"] == {"n": 4}
    assert result["speedup"] == 4.0
    assert result["cost"]["profiled"] == 4
    assert (directory / "report.html").read_text().startswith("<!doctype html>")


def test_without_a_terminal_each_event_is_a_line() -> None:
    lines = autoscout("tune", "job.yaml", "--budget", "2").stdout.splitlines()
    assert any("trial 0 starts (default): n=1" in line for line in lines)
    assert any("trial 0 seconds 1; 1/2 profiles" in line for line in lines)


def test_quiet_prints_the_result_only() -> None:
    assert autoscout("tune", "job.yaml", "--quiet").stdout.lstrip().startswith("example: complete")


def test_the_result_as_json_on_the_standard_output() -> None:
    done = autoscout("tune", "job.yaml", "--quiet", "--json", "-")
    assert json.loads(done.stdout)["kind"] == "TuningResult"
    assert "example: complete" in done.stderr


def test_an_earlier_ledger_is_refused_with_the_way_out_and_resumed_on_demand() -> None:
    assert autoscout("tune", "job.yaml", "--budget", "2").exit_code == 0
    again = autoscout("tune", "job.yaml", "--budget", "2")
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    resumed = autoscout("tune", "job.yaml", "--budget", "4", "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "2 of them done already" in resumed.stdout
    assert json.loads(Path("autoscout-runs/example/result.json").read_text())["cost"]["attempts"] == 4


def test_a_changed_spec_is_not_resumed_and_the_change_is_named() -> None:
    autoscout("tune", "job.yaml", "--budget", "1")
    write_job(seed=1)
    refused = autoscout("tune", "job.yaml", "--resume")
    assert refused.exit_code == 2
    assert "spec.search.seed: 0 -> 1" in refused.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "job.yaml: can't be read: No such file or directory"),
        ("a: [", "job.yaml: is no YAML"),
        ("", "job.yaml: holds 0 YAML documents; exactly one TuningJob is needed"),
        ("a: 1\n---\nb: 1\n", "job.yaml: holds 2 YAML documents"),
        (JOB.format(seed=-1, profiles=4, command="python3"), "job.yaml: spec.search.seed: "),
        (
            JOB.format(seed=0, profiles=4, command="python3").replace("default: 1", "default: 9"),
            "parameters[0].default",
        ),
    ],
)
def test_a_file_that_is_not_in_order_starts_nothing(text: str | None, message: str) -> None:
    Path("job.yaml").unlink() if text is None else Path("job.yaml").write_text(text)
    refused = autoscout("tune", "job.yaml")
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert not Path("autoscout-runs").exists()


def test_a_program_that_is_not_there_ends_the_search_and_is_named() -> None:
    write_job(command="no-such-program")
    done = autoscout("tune", "job.yaml")
    assert done.exit_code == 1
    assert "no-such-program" in done.stdout
    assert "go on with:\n  autoscout tune job.yaml --resume\n" in done.stdout


def test_gpus_that_are_not_there_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    pools = "  hardware: {pools: [{name: gpus, gpu: NVIDIA-A40, gpusPerNode: 2}]}\n"
    Path("job.yaml").write_text(JOB.format(seed=0, profiles=4, command="python3") + pools)
    refused = autoscout("tune", "job.yaml")
    assert refused.exit_code == 2
    assert "hardware.pools[0]: a profile needs 2 GPU(s)" in refused.stderr
    assert not Path("autoscout-runs").exists()


def test_more_at_once_than_the_machine_has_room_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    done = autoscout("tune", "job.yaml", "--parallel", "9", "--budget", "1")
    assert "room for 2 at once, not for 9" in done.stdout


def test_report_prints_the_result_again() -> None:
    tuned = autoscout("tune", "job.yaml", "--quiet")
    again = autoscout("report", "autoscout-runs/example", "--html", "again.html")
    assert again.exit_code == 0
    assert again.stdout.strip() in tuned.stdout
    assert Path("again.html").read_text() == Path("autoscout-runs/example/report.html").read_text()


def test_report_needs_a_ledger() -> None:
    refused = autoscout("report", "nowhere")
    assert refused.exit_code == 2
    assert "nowhere holds no ledger.jsonl" in refused.stderr


def test_validate_says_ok_or_what_is_wrong() -> None:
    assert autoscout("validate", "--local", "job.yaml").stdout == "job.yaml: ok\n"
    refused = autoscout("validate", "job.yaml")
    assert refused.exit_code == 2
    assert "job.yaml: spec.profile.image: " in refused.stdout


def test_crds_are_written() -> None:
    written = autoscout("crds", "--output", "out")
    assert written.exit_code == 0
    assert [Path(line).is_file() for line in written.stdout.splitlines()] == [True, True]


def test_version() -> None:
    assert autoscout("--version").stdout == f"autoscout {__version__}\n"


@pytest.mark.parametrize("command", ["tune", "report", "validate", "crds"])
def test_every_command_teaches_by_an_example(command: str) -> None:
    assert f"autoscout {command} " in autoscout(command, "--help").stdout


def test_the_operator_without_its_extra_says_how_to_get_it() -> None:
    program = "import sys; sys.modules['kopf'] = None; from autoscout.cli.main import main; main()"
    refused = subprocess.run(
        [sys.executable, "-c", program, "operator"], capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 2
    assert "pip install 'autoscout[operator]'" in refused.stderr


@pytest.mark.parametrize("content", [None, "a: [1", "- 1"])
def test_the_operator_without_a_usable_kubeconfig_says_what_to_give(content: str | None) -> None:
    if content is not None:
        Path("config").write_text(content)
    program = "from autoscout.cli.main import main; main()"
    refused = subprocess.run(
        [sys.executable, "-c", program, "operator", "--kubeconfig", "config", "--listen-port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "error: no usable kubeconfig" in refused.stderr
    assert "give --kubeconfig FILE, or set KUBECONFIG" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("command", ["crds", "reference"])
def test_generated_files_that_can_not_be_written_are_named(command: str) -> None:
    Path("file").write_text("")
    refused = autoscout(command, "--output", "file")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: --output file/")


def test_a_result_that_can_not_be_written_costs_no_measurement() -> None:
    failed = autoscout("tune", "job.yaml", "--json", "bench.py/result.json")
    assert failed.exit_code == 1
    assert "bench.py/result.json: can't be written" in failed.stderr
    assert autoscout("report", "autoscout-runs/example").stdout.startswith("example: complete (MaxProfiles)")
    for command in ("report", "replay"):
        refused = autoscout(command, "autoscout-runs/example", "--json", "bench.py/result.json")
        assert refused.exit_code == 2
        assert "bench.py/result.json: can't be written" in refused.stderr


def test_arguments_without_a_program_need_an_image_and_so_a_cluster() -> None:
    job = yaml.safe_load(Path("job.yaml").read_text())
    del job["spec"]["profile"]["command"]
    Path("job.yaml").write_text(yaml.safe_dump(job))
    assert "spec.profile.command: is required on this machine" in autoscout("validate", "--local", "job.yaml").stdout


def test_the_operator_shows_its_own_help() -> None:
    assert "--lease-namespace" in autoscout("operator", "--help").stdout


def test_replay_tells_every_decision_of_a_local_search() -> None:
    assert autoscout("tune", "job.yaml", "--quiet").exit_code == 0
    done = autoscout("replay", "autoscout-runs/example", "--check")
    assert done.exit_code == 0, done.output
    assert "trial 0 by default: the defaults are measured first: the base of every speed-up" in done.output
    assert "outcome        infeasible" in done.output
    assert "example: 4 decisions, 4 decided again: 4 the same, 0 otherwise" in done.output


def test_replay_reads_what_kubectl_writes() -> None:
    job = yaml.safe_load(Path("job.yaml").read_text())
    trial = {
        "apiVersion": "autoscout.io/v1alpha1",
        "kind": "TuningTrial",
        "metadata": {"name": "example-0"},
        "spec": {"number": 0, "configuration": {"n": 1}, "fingerprint": Configuration((("n", 1),)).fingerprint},
        "status": {"phase": "Measured", "position": 0, "metrics": {"seconds": 1.0}},
    }
    Path("list.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [job, trial]}))
    done = autoscout("replay", "list.yaml", "--json", "-")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["metrics"] == {"seconds": 1.0}


def test_there_is_nothing_to_replay_without_a_trial() -> None:
    done = autoscout("replay", "job.yaml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "job.yaml: holds no trial of example: there is nothing to replay" in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "give the directory of autoscout tune"), ("kind: Other", "holds 0 TuningJobs; exactly one is needed")],
)
def test_replay_says_what_it_needs(content: str | None, words: str) -> None:
    if content is not None:
        Path("other.yaml").write_text(content)
    done = autoscout("replay", "other.yaml")
    assert done.exit_code == 2
    assert words in done.stderr
