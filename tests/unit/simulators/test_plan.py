"""`autoscout plan`: a recommendation without a GPU."""

from __future__ import annotations

import json

import pytest
import yaml
from rich.console import Console
from tests.unit.simulators.manifests import manifest, parameter, server, trainer

from autoscout.api import convert
from autoscout.cli import advice
from autoscout.cli.advice import Adviser
from autoscout.cli.plan import plan
from autoscout.cli.predict import simulator_of


def run(tmp_path, job, capsys, **more):
    """(exit code, standard output, standard error)."""
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(job))
    code = plan(
        file, more.get("json_to"), more.get("html_to"), 3, Console(width=1000), Console(stderr=True, width=1000)
    )
    return code, *capsys.readouterr()


def adviser(job):
    problem = convert.problem(convert.job(job))
    return Adviser(problem, simulator_of(problem, "job.yaml"))


def test_the_text_has_the_recommendation_its_intervals_runners_up_command_and_reasons(tmp_path, capsys):
    code, out, _ = run(tmp_path, trainer(), capsys)
    assert code == 0
    for expected in (
        "Recommended",
        "seconds_per_iteration: ",
        "(90 %: ",
        "Runners-up",
        "Launch command",
        "bench --tp=",
        "Why",
    ):
        assert expected in out


def test_the_json_says_the_same(tmp_path, capsys):
    file = tmp_path / "plan.json"
    code, _, _ = run(tmp_path, trainer(), capsys, json_to=file)
    found = json.loads(file.read_text())
    assert code == 0
    assert found["recommended"]["configuration"]["zero1"] is True
    metric = found["recommended"]["metrics"]["seconds_per_iteration"]
    assert metric["low"] < metric["mean"] < metric["high"]
    assert len(found["runnersUp"]) == 3
    assert found["command"] == f"bench --tp={found['recommended']['configuration']['tp']}"
    assert {each["parameter"] for each in found["importance"]} == {"tp", "dp", "ar", "zero1", "mbs"}
    assert found["configurations"] == found["predicted"]


def built_in(**parameters):
    """The trainer, measured by Megatron's own profiler."""
    job = trainer()
    del job["spec"]["profile"]["command"], job["spec"]["profile"]["args"]
    job["spec"]["searchSpace"]["parameters"] = [
        each | parameters.get(each["name"], {}) for each in job["spec"]["searchSpace"]["parameters"]
    ]
    return job


def test_a_frameworks_configuration_is_launched_by_the_framework(tmp_path, capsys):
    file = tmp_path / "plan.json"
    job = built_in(ar={"values": ["none", "full"]})
    _, out, _ = run(tmp_path, job, capsys)
    assert "pretrain_gpt.py --num-layers 32" in out
    run(tmp_path, job, capsys, json_to=file)
    found = json.loads(file.read_text())
    assert "pretrain_gpt.py" in found["command"]
    assert found["launch"]["script"].startswith("#!/bin/sh")
    assert [each["kind"] for each in yaml.safe_load_all(found["launch"]["manifest"])] == ["Job"]


def test_a_configuration_that_the_framework_has_not_is_recommended_without_a_command(tmp_path, capsys):
    job = built_in(ar={"values": ["mlp_only"], "default": "mlp_only"})
    code, out, _ = run(tmp_path, job, capsys)
    assert code == 0
    assert "  none: ar: 'mlp_only' is not one of none, selective, full" in out


def test_the_page_says_the_same_and_loads_nothing(tmp_path, capsys):
    file = tmp_path / "plan.html"
    job = trainer()
    job["metadata"]["name"] = "tune"
    code, _, _ = run(tmp_path, job, capsys, html_to=file)
    text = file.read_text()
    assert code == 0
    for expected in ("<title>tune - AutoScout plan", "Gain over the default", "bench --tp=", "Runners-up", "Why"):
        assert expected in text
    assert "src=" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_gain_is_that_over_the_defaults(tmp_path, capsys):
    found = adviser(trainer()).advise(0)
    metric = "seconds_per_iteration"
    assert found.gain == pytest.approx(found.default.metrics[metric][1] / found.recommended.metrics[metric][1])
    assert f"{found.gain:.2f}x better than their " in run(tmp_path, trainer(), capsys)[1]


def test_constraints_are_kept(tmp_path):
    free = adviser(server()).advise(0).recommended
    job = server()
    job["spec"]["constraints"] = [{"metric": "tpot_ms", "max": "12"}]
    bound = adviser(job).advise(0).recommended
    assert free.metrics["tpot_ms"][1] > 12 > bound.metrics["tpot_ms"][1]
    assert bound.feasible > 0.5


def test_nothing_that_fits_is_said_so(tmp_path, capsys):
    job = server()
    job["spec"]["constraints"] = [{"metric": "tpot_ms", "max": "0.01"}]
    code, out, _ = run(tmp_path, job, capsys)
    assert code == 1
    assert "Nothing is expected to run and keep the constraints" in out


def test_a_space_too_large_to_list_is_climbed(monkeypatch):
    whole = adviser(trainer()).advise(0)
    monkeypatch.setattr(advice, "LISTED", 20)
    monkeypatch.setattr(advice, "DRAWN", 20)
    drawn = adviser(trainer()).advise(0)
    assert drawn.considered < drawn.size == whole.size
    assert drawn.recommended.configuration == whole.recommended.configuration


def test_a_maximum_is_sought_where_the_goal_is_one():
    job = trainer()
    job["spec"]["objectives"] = [{"metric": "tokens_per_second", "goal": "maximize"}]
    assert adviser(job).advise(0).recommended.configuration == adviser(trainer()).advise(0).recommended.configuration


def test_an_influence_is_what_the_best_other_value_costs():
    found = adviser(trainer()).advise(0)
    influences = {each.parameter: each for each in found.influences}
    assert influences["ar"].chosen != influences["ar"].alternative
    assert sum(each.share for each in found.influences) > 0.3
    assert all(0 <= each.share <= 1 for each in found.influences)


def test_an_objective_that_no_simulator_knows_is_refused(tmp_path, capsys):
    job = trainer()
    job["spec"]["objectives"] = [{"metric": "joules", "goal": "minimize"}]
    code, _, err = run(tmp_path, job, capsys)
    assert code == 2
    assert "joules" in err


@pytest.mark.slow
def test_the_whole_megatron_space_on_64_gpus_needs_no_listing():
    degrees = [1, 2, 4, 8]
    parameters = [
        *(parameter(name, degrees, 1) for name in ("tp", "pp", "cp")),
        parameter("dp", [1, 2, 4, 8, 16, 32, 64], 64),
        parameter("sp", [False, True], False, activeWhen="tp > 1"),
        parameter("ar", ["none", "selective", "mlp_only", "full"], "full"),
        parameter("mbs", degrees, 1, kind="execution"),
        parameter("vpp", [1, 2, 4], 1, kind="execution", activeWhen="pp > 1"),
        parameter("zero1", [False, True], True, activeWhen="dp > 1"),
        parameter("dpo", [False, True], False, activeWhen="dp > 1"),
        parameter("ddp_bucket", list(range(1, 9)), 4, kind="execution", activeWhen="dp > 1"),
        parameter("tp_comm", list(range(12, 21)), 16, kind="execution", activeWhen="tp > 1"),
    ]
    job = manifest(
        "large", trainer()["spec"]["workload"], "seconds_per_iteration", parameters, ["tp * pp * cp * dp == 64"]
    )
    job["spec"]["hardware"]["pools"][0]["nodes"] = 8
    found = adviser(job).advise(3)
    assert found.size > 100_000 > found.considered
    assert found.recommended.feasible > 0.5
    chosen = found.recommended.configuration
    assert chosen["tp"] * chosen["pp"] * chosen["cp"] * chosen["dp"] == 64


def test_a_bound_that_no_simulator_predicts_is_named(tmp_path, capsys):
    job = server()
    job["spec"]["constraints"] = [{"metric": "ttft_ms_p99", "max": 500}]
    _, out, _ = run(tmp_path, job, capsys)
    assert "not predicted, so not in this probability: ttft_ms_p99" in out


def test_requests_that_arrive_by_themselves_need_an_engine_that_keeps_up(tmp_path, capsys):
    found = {}
    for rate in (1, 20):
        file = tmp_path / f"{rate}.json"
        job = server()
        job["spec"]["objectives"] = [{"metric": "tpot_ms"}]
        job["spec"]["workload"]["load"] = {"mode": "serving", "requestsPerSecond": rate}
        run(tmp_path, job, capsys, json_to=file)
        found[rate] = json.loads(file.read_text())["recommended"]
    assert found[1]["configuration"]["max_num_seqs"] < found[20]["configuration"]["max_num_seqs"]
    assert found[20]["metrics"]["tokens_per_second"]["mean"] > 20 * 256


def test_a_preset_that_leaves_no_configuration_is_refused_by_its_field(tmp_path, capsys):
    job = built_in()
    job["spec"]["searchSpace"] = {"preset": "megatron", "parameters": [{"name": "tp", "values": [3]}]}
    code, _, errors = run(tmp_path, job, capsys)
    assert code == 2
    assert "spec.searchSpace.preset: no configuration satisfies the preset's `tp * pp * cp * dp == 8`" in errors
