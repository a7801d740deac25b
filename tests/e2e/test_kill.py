"""The operator is killed, again and again, in the middle of a run: no finished profile is lost, none starts twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.fixtures import StartOperator
from tests.support.kubectl import Kubectl, Object
from tests.support.tuning_jobs import many_profiles

from autoscout.api import convert
from autoscout.baselines import algorithm
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.outcome import Measured
from autoscout.search.plan import Situation, plan

pytestmark = pytest.mark.cluster

KILLS = 20
PROFILES = 16
LONGEST_LIFE = 3.0
"""Times what an operator takes to be ready, about 1.5 s: some lives end before it decides anything, most after it."""
ENOUGH_SECONDS = 180
"""For all lives: where an operator takes long to be ready, fewer of them have to do."""


def settled(trials: list[Object]) -> dict[str, Any]:
    """What may never change any more: decisions, and outcomes once they are there."""
    return {
        trial["metadata"]["uid"]: (trial["spec"], trial["status"] if "position" in trial.get("status", {}) else None)
        for trial in trials
    }


def undisturbed(document: Object) -> list[dict[str, Any]]:
    """The configurations, in their order, that a run without any disturbance measures."""
    job = convert.job(document)
    problem, situation = convert.problem(job), Situation(convert.budget(job))
    ledger = Ledger()
    while appended := plan(problem, ledger, situation, algorithm(problem.algorithm)).append:
        outcome = Measured({"seconds": 1.0})
        entries = [Entry(trial, (), outcome, trial.number) for trial in appended]
        ledger = Ledger((*ledger.entries, *entries))
    return [dict(entry.trial.configuration) for entry in ledger.entries]


def test_killing_the_operator_at_random_moments_loses_nothing_and_repeats_nothing(
    kubectl: Kubectl, start_operator: StartOperator, figure: Callable[[str, object], None]
) -> None:
    moments = random.Random(20)
    document = many_profiles(profiles=PROFILES, parallelism=1, nap=1.0)
    kubectl.apply(document)
    begin = time.monotonic()
    operator = start_operator()
    to_ready = time.monotonic() - begin
    operator.kill()
    before: dict[str, Any] = {}
    kills = done = 0
    begin = time.monotonic()
    while kills < KILLS and not (done and time.monotonic() > begin + ENOUGH_SECONDS):
        operator.start(wait=False)
        time.sleep(moments.uniform(0.1, LONGEST_LIFE) * to_ready)  # the moment itself is what is tested
        operator.kill()
        kills += 1
        now = settled(kubectl.list("tuningtrials"))
        for uid, (spec, status) in before.items():
            assert uid in now, "a trial vanished"
            assert now[uid][0] == spec, "a decision was rewritten"
            assert status is None or now[uid][1] == status, "a committed outcome was rewritten"
        before = now
        done = sum(status is not None for _, status in before.values())
    figure(f"profiles committed between {kills} kills", f"{done} of {PROFILES}")
    assert done > 0
    operator.start()
    kubectl.wait("condition=Complete", "tuningjob", "tune", 900)

    trials = sorted(kubectl.list("tuningtrials"), key=lambda item: item["spec"]["number"])
    assert [trial["spec"]["configuration"] for trial in trials] == undisturbed(document), "the same ledger"
    assert settled(trials).items() >= {uid: each for uid, each in before.items() if each[1] is not None}.items()
    for trial in trials:
        assert [attempt["reason"] for attempt in trial["status"]["attempts"]] == ["Measured"], trial
    jobs, pods = kubectl.list("jobs"), kubectl.list("pods")
    assert len(jobs) == len(pods) == PROFILES, "each profile was started exactly once"
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}
    assert not any(job["metadata"].get("finalizers") for job in jobs), "every Job was let go"
    figure("killed at random moments", f"{kills} times: {len(trials)} profiles, 0 lost, 0 started twice")
