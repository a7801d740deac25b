"""What the operator remembers of a TuningJob: checked once a generation, each trial read once a version."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.invalid_manifests import base

from autoscout.api import convert
from autoscout.api.errors import ApiError, FieldError
from autoscout.controller.planner import Planner
from autoscout.controller.session import Session, Sessions
from autoscout.controller.store import Key
from autoscout.executors.protocol import AttemptId
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.outcome import Measured

PROBLEM = convert.problem(convert.job(base()))


class CountingPlanner(Planner):
    """Checks in this process, and counts."""

    def __init__(self) -> None:
        self.checks = 0

    async def check(self, document: dict[str, Any]) -> list[FieldError]:
        self.checks += 1
        algorithm = document["spec"].get("search", {}).get("algorithm", "random")
        return [] if algorithm == "random" else [FieldError("spec.search.algorithm", "is not known")]


def tuning_job(generation: int = 1, uid: str = "u1", version: int = 1, **spec: Any) -> dict[str, Any]:
    document = base()
    metadata = {
        "name": "matmul",
        "namespace": "team",
        "uid": uid,
        "generation": generation,
        "resourceVersion": str(version),
    }
    return {**document, "metadata": metadata, "spec": {**document["spec"], **spec}}


def tuning_trial(number: int, version: int = 1, owner: str = "u1", uid: str = "") -> dict[str, Any]:
    trial = Trial(number, list(PROBLEM.space.enumerate())[number], "random")
    entry = Entry(trial, (), Measured({"seconds_per_iteration": float(version), "peak_memory_gib": 1.0}), number)
    document = convert.trial_manifest(trial, job="matmul", uid=owner, namespace="team")
    document["metadata"] |= {"uid": uid or f"trial-{number}", "resourceVersion": str(version)}
    written: dict[str, Any] = json.loads(json.dumps(document | {"status": convert.trial_status(entry)}))
    return written


async def opened(sessions: Sessions, planner: Planner, item: dict[str, Any]) -> Session:
    session = await sessions.open(item, planner)
    assert isinstance(session, Session)
    return session


async def test_a_job_is_checked_once_a_generation_whatever_else_changes() -> None:
    sessions, planner = Sessions(), CountingPlanner()
    first = await opened(sessions, planner, tuning_job(version=1))
    assert await sessions.open(tuning_job(version=2), planner) is first
    assert planner.checks == 1
    second = await opened(sessions, planner, tuning_job(generation=2, budget={"maxProfiles": 99}))
    assert second.budget.max_profiles == 99
    assert planner.checks == 2


async def test_a_refused_job_is_checked_once_a_generation_too() -> None:
    sessions, planner = Sessions(), CountingPlanner()
    for _ in range(3):
        errors = await sessions.open(tuning_job(search={"algorithm": "magic"}), planner)
        assert [str(error) for error in errors] == ["spec.search.algorithm: is not known"]
    assert planner.checks == 1
    await opened(sessions, planner, tuning_job(generation=2))


async def test_a_job_made_again_under_the_same_name_is_another_one() -> None:
    sessions, planner = Sessions(), CountingPlanner()
    first = await opened(sessions, planner, tuning_job(uid="former"))
    assert await sessions.open(tuning_job(uid="u1"), planner) is not first
    assert planner.checks == 2


async def test_a_job_that_is_gone_is_forgotten() -> None:
    sessions, planner = Sessions(), CountingPlanner()
    await opened(sessions, planner, tuning_job())
    sessions.forget(Key("team", "matmul"))
    await opened(sessions, planner, tuning_job())
    assert planner.checks == 2


async def test_a_trial_is_read_once_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    session = await opened(Sessions(), CountingPlanner(), tuning_job())
    read: list[str] = []
    entry = convert.entry

    def counting(document: dict[str, Any], space: Any) -> Entry:
        read.append(document["metadata"]["name"])
        return entry(document, space)

    monkeypatch.setattr(convert, "entry", counting)
    session.ledger([tuning_trial(0), tuning_trial(1)])
    ledger = session.ledger([tuning_trial(0), tuning_trial(1, version=2)])
    assert read == ["matmul-0", "matmul-1", "matmul-1"]
    assert ledger.entries[1].outcome == Measured({"seconds_per_iteration": 2.0, "peak_memory_gib": 1.0})


async def test_a_changed_budget_does_not_make_the_trials_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, planner = Sessions(), CountingPlanner()
    ledger = (await opened(sessions, planner, tuning_job())).ledger([tuning_trial(0)])
    later = await opened(sessions, planner, tuning_job(generation=2, budget={"maxProfiles": 99}))
    monkeypatch.setattr(convert, "entry", None)
    assert later.ledger([tuning_trial(0)]) == ledger


async def test_the_ledger_is_in_the_order_of_the_numbers_and_holds_only_what_the_job_controls() -> None:
    session = await opened(Sessions(), CountingPlanner(), tuning_job())
    ledger = session.ledger([tuning_trial(10), tuning_trial(2), tuning_trial(5, owner="somebody")])
    assert [entry.trial.number for entry in ledger.entries] == [2, 10]
    assert session.ledger([]) == Ledger()


async def test_a_trial_that_was_tampered_with_stops_the_search_and_says_where() -> None:
    session = await opened(Sessions(), CountingPlanner(), tuning_job())
    trial = tuning_trial(3)
    trial["spec"]["fingerprint"] = "0" * 16
    with pytest.raises(ApiError, match=r"spec\.fingerprint"):
        session.ledger([trial])


async def test_the_command_of_the_best_is_what_a_user_would_type() -> None:
    session = await opened(Sessions(), CountingPlanner(), tuning_job())
    described = session.described(session.ledger([tuning_trial(0, version=1), tuning_trial(1, version=2)]))
    assert described.command
    assert "$(params." not in described.command
    assert described.max_profiles == session.budget.max_profiles
    assert session.described(Ledger()).command == ""


async def test_looks_at_the_progress_become_rarer_as_an_attempt_goes_on() -> None:
    session = await opened(Sessions(), CountingPlanner(), tuning_job())
    attempt = AttemptId(1, 0)
    looks = [age for age in range(1, 1801) if session.look_due(attempt, age)]
    assert looks[:4] == [10, 15, 23, 35]
    assert len(looks) <= 13, "thirteen requests at most in half an hour"


async def test_looks_are_forgotten_with_their_attempt() -> None:
    session = await opened(Sessions(), CountingPlanner(), tuning_job())
    first, second = AttemptId(1, 0), AttemptId(2, 0)
    assert session.look_due(first, 100)
    assert session.look_due(second, 100)
    session.forget_looks([second])
    assert session.look_due(first, 101)
    assert not session.look_due(second, 101)
