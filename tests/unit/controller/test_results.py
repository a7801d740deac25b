"""The ConfigMap of a finished search: the result, and what runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.support.launches import CUSTOM, Case, megatron
from tests.unit.launch.test_launch import result_of

from autoscout.api.convert import budget, job, problem
from autoscout.controller import results
from autoscout.controller.results import config_map
from autoscout.controller.session import Session

LLAMA = megatron({"mbs": 2})


def data_of(case: Case, entries: int) -> dict[str, Any]:
    tuning_job = job(case.document)
    session = Session(tuning_job, "u1", 1, case.document, problem(tuning_job), budget(tuning_job))
    written = config_map(session, result_of(case, entries), "team")
    assert written["metadata"]["name"] == "llama-result"
    (owner,) = written["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("TuningJob", "u1", True)
    data: dict[str, Any] = written["data"]
    return data


@pytest.mark.parametrize("case", [LLAMA, CUSTOM], ids=["megatron", "custom"])
def test_it_holds_the_result_and_what_runs_it(case: Case) -> None:
    data = data_of(case, 2)
    best = json.loads(data["result.json"])["best"]
    assert json.loads(data["configuration.json"]) == best["configuration"] == case.values
    assert data["command"] == best["command"]
    assert data["launch.sh"].startswith("#!/bin/sh\n")
    assert [document["kind"] for document in yaml.safe_load_all(data["manifest.yaml"])] == ["Job"]
    assert "llama: complete" in data["report.txt"]
    assert "manifest for kubectl apply" in data["report.html"]


def test_where_nothing_was_found_there_is_nothing_to_run() -> None:
    assert set(data_of(LLAMA, 0)) == {"result.json", "report.txt", "report.html", "command"}


def test_what_does_not_fit_is_left_out_the_largest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = data_of(LLAMA, 2)
    largest = max(whole, key=lambda key: len(whole[key]))
    monkeypatch.setattr(results, "LARGEST_BYTES", sum(len(part.encode()) for part in whole.values()) - 1)
    assert set(data_of(LLAMA, 2)) == set(whole) - {largest}


def test_a_thousand_trials_of_a_framework_leave_room_for_their_result() -> None:
    assert "result.json" in data_of(LLAMA, 1000)
