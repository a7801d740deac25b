"""The status of a TuningJob: what it says, when its times change, and that it stays small."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscout.api.tuning_job import TuningJobStatus
from autoscout.controller import shown
from autoscout.controller import status as statuses
from autoscout.controller.status import Described, Status, timestamp
from autoscout.executors.protocol import AttemptId, Observation, Running, Waiting
from autoscout.search.ledger import Attempt, Entry, Fidelity, Ledger, Trial
from autoscout.search.optimizer import Standing
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.plan import PROFILING, Phase, Verdict
from autoscout.search.problem import MetricConstraint, Objective, Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace

NOON = 1_769_860_800.0
PROBLEM = Problem(
    SearchSpace((Parameter("x", Kind.EXECUTION, tuple(range(1000)), default=0),)), (Objective("seconds"),)
)
PLAIN = Described("", None, 5)
SEARCHING = Verdict(Phase.SEARCHING, PROFILING, "1 of 5 profiles done, 1 in flight")
SUSPENDED = Verdict(Phase.SUSPENDED, "Suspended", "spec.suspend is true")
COMPLETE = Verdict(Phase.COMPLETE, "MaxProfiles", "5 profiles done")


def entry(number: int, outcome: Outcome | None = None, hours: float = 0.0) -> Entry:
    attempts = () if outcome is None else (Attempt("Measured", gpu_hours=hours),)
    trial = Trial(number, PROBLEM.space.canonical({"x": number}), "test")
    return Entry(trial, attempts, outcome, None if outcome is None else number)


def seconds(value: float, **others: float) -> Measured:
    return Measured({"seconds": value, **others})


def write(
    verdict: Verdict = SEARCHING,
    *entries: Entry,
    previous: Status | None = None,
    now: float = NOON,
    observations: tuple[Observation, ...] = (),
    problem: Problem = PROBLEM,
    described: Described = PLAIN,
    job_names: dict[tuple[int, int], str] | None = None,
) -> Status:
    status = statuses.searching(
        previous or {},
        generation=3,
        now=now,
        problem=problem,
        ledger=Ledger(entries),
        verdict=verdict,
        observations=observations,
        job_names=job_names or {},
        described=described,
    )
    TuningJobStatus.model_validate(status)
    return status


def condition(status: Status, kind: str) -> dict[str, Any]:
    (found,) = (each for each in status["conditions"] if each["type"] == kind)
    return dict(found)


def test_the_condition_of_the_phase_is_true_and_the_others_are_false() -> None:
    status = write(COMPLETE, entry(0, seconds(1)))
    holds = {each["type"]: each["status"] for each in status["conditions"]}
    assert holds == {
        "Validated": "True",
        "Searching": "False",
        "Suspended": "False",
        "Complete": "True",
        "Failed": "False",
    }
    assert condition(status, "Complete")["reason"] == "MaxProfiles"
    assert (status["phase"], status["message"]) == ("Complete", "5 profiles done")


def test_a_condition_keeps_the_time_of_its_last_change_while_its_words_change() -> None:
    first = write()
    told = write(replace(SEARCHING, message="2 of 5"), previous=first, now=NOON + 60)
    assert condition(told, "Searching")["lastTransitionTime"] == timestamp(NOON)
    assert condition(told, "Searching")["message"] == "2 of 5"
    over = write(COMPLETE, previous=told, now=NOON + 120)
    assert condition(over, "Searching")["lastTransitionTime"] == timestamp(NOON + 120)
    assert condition(over, "Failed")["lastTransitionTime"] == timestamp(NOON)


def test_the_same_state_gives_the_same_status_at_any_time() -> None:
    first = write(COMPLETE, entry(0, seconds(2)), entry(1, seconds(1)))
    again = write(COMPLETE, entry(0, seconds(2)), entry(1, seconds(1)), previous=first, now=NOON + 9999)
    assert again == first


def test_the_completion_time_is_that_of_the_first_completion_and_goes_when_the_search_is_taken_up_again() -> None:
    done = write(COMPLETE, previous=write())
    assert done["completionTime"] == timestamp(NOON)
    assert write(COMPLETE, previous=done, now=NOON + 50)["completionTime"] == timestamp(NOON)
    reopened = write(SEARCHING, previous=done, now=NOON + 100)
    assert "completionTime" not in reopened
    assert reopened["startTime"] == done["startTime"]
    assert write(COMPLETE, previous=reopened, now=NOON + 150)["completionTime"] == timestamp(NOON + 150)


def test_suspended_time_does_not_count_as_time_of_the_search() -> None:
    status = write()
    status = write(SUSPENDED, previous=status, now=NOON + 100)
    assert status["suspendedSeconds"] == 0
    assert statuses.elapsed_seconds(status, NOON + 160) == 100
    status = write(SUSPENDED, previous=status, now=NOON + 160)
    status = write(SEARCHING, previous=status, now=NOON + 200)
    assert status["suspendedSeconds"] == 100
    assert statuses.elapsed_seconds(status, NOON + 210) == 110
    status = write(SUSPENDED, previous=status, now=NOON + 220)
    status = write(COMPLETE, previous=status, now=NOON + 250)
    assert status["suspendedSeconds"] == 130


def test_the_clock_stands_still_while_the_search_is_finished_until_a_larger_budget_takes_it_up_again() -> None:
    done = write(COMPLETE, previous=write(), now=NOON + 100)
    assert statuses.elapsed_seconds(done, NOON + 90_000) == 100
    assert write(COMPLETE, previous=done, now=NOON + 90_000)["suspendedSeconds"] == 0
    reopened = write(SEARCHING, previous=done, now=NOON + 90_100)
    assert reopened["suspendedSeconds"] == 90_000
    assert statuses.elapsed_seconds(reopened, NOON + 90_150) == 150


def test_a_finished_search_that_is_suspended_pauses_once() -> None:
    done = write(COMPLETE, previous=write(), now=NOON + 100)
    suspended = write(SUSPENDED, previous=done, now=NOON + 200)
    searching = write(SEARCHING, previous=suspended, now=NOON + 300)
    assert statuses.elapsed_seconds(searching, NOON + 310) == 110


def test_the_time_of_the_search_is_zero_before_its_first_status() -> None:
    assert statuses.elapsed_seconds({}, NOON) == 0.0


@pytest.mark.parametrize("odd", ["", "2026-01-31T08:00:00z ", "tomorrow", "2026-99-01T00:00:00Z"])
def test_times_that_are_none_count_as_not_written(odd: str) -> None:
    forged: Status = {"startTime": odd, "completionTime": odd}
    assert statuses.elapsed_seconds(forged, NOON) == 0.0
    assert write(COMPLETE, previous=forged)["startTime"] == timestamp(NOON)
    assert write(COMPLETE, previous=forged)["completionTime"] == timestamp(NOON)


def test_the_start_of_a_search_whose_status_was_wiped_off_is_that_of_its_oldest_trial() -> None:
    trials = [{"metadata": {"creationTimestamp": timestamp(NOON - age)}} for age in (10, 300, 20)]
    assert statuses.started({}, trials)["startTime"] == timestamp(NOON - 300)
    assert statuses.started({"startTime": timestamp(NOON)}, trials)["startTime"] == timestamp(NOON)
    assert statuses.started({}, []) == {}


def test_what_everything_in_flight_waits_for_is_the_reason() -> None:
    waiting = Observation(AttemptId(4, 0), Waiting("Unschedulable", "0/2 nodes: Insufficient nvidia.com/gpu", NOON))
    status = write(observations=(waiting,), job_names={(4, 0): "tune-4-0-abcde"})
    assert condition(status, "Searching")["reason"] == "Unschedulable"
    assert "trial 4 waits: 0/2 nodes: Insufficient nvidia.com/gpu" in status["message"]
    assert status["running"] == [
        {
            "trial": 4,
            "job": "tune-4-0-abcde",
            "state": "Waiting",
            "reason": "Unschedulable",
            "message": "0/2 nodes: Insufficient nvidia.com/gpu",
        }
    ]


def test_one_that_waits_is_no_news_while_another_runs() -> None:
    waiting = Observation(AttemptId(4, 0), Waiting("Unschedulable", "no node", NOON))
    status = write(observations=(Observation(AttemptId(3, 0), Running(NOON)), waiting))
    assert condition(status, "Searching")["reason"] == PROFILING
    assert [each["state"] for each in status["running"]] == ["Running", "Waiting"]


def test_a_name_that_is_taken_is_not_hidden_by_what_waits() -> None:
    waiting = Observation(AttemptId(4, 0), Waiting("Unschedulable", "no node", NOON))
    taken = Verdict(Phase.SEARCHING, "NameTaken", "a Job tune-5-0-abcde exists: delete it")
    status = write(taken, observations=(waiting,))
    assert condition(status, "Searching")["reason"] == "NameTaken"
    assert status["message"] == "a Job tune-5-0-abcde exists: delete it"


def test_the_best_is_shown_with_its_speedup_its_command_and_what_the_search_cost() -> None:
    entries = (entry(0, seconds(3.0), 1.5), entry(1, Infeasible("OutOfMemory"), 0.5), entry(2, seconds(2.0), 1.0))
    status = write(COMPLETE, *entries, described=Described("bench --x=2", 2.5, 3))
    assert status["default"] == {"trial": 0, "metrics": {"seconds": 3.0}, "configuration": {"x": 0}}
    assert status["best"] == {
        "trial": 2,
        "metrics": {"seconds": 2.0},
        "configuration": {"x": 2},
        "speedup": 1.5,
        "command": "bench --x=2",
        "cost": "7.50",
    }
    assert status["summary"] == {"best": "2 seconds", "speedup": "1.50x", "profiled": "3/3", "gpuHours": "3.000"}
    progress = status["progress"]
    assert (progress["profiled"], progress["infeasible"], progress["gpuHours"]) == (3, 1, 3.0)


def test_what_the_search_works_with_stays_until_it_says_otherwise() -> None:
    told = replace(PLAIN, standing=Standing(5120, Fidelity.SIMULATED, 0.12345))
    status = write(SEARCHING, described=told)
    expected = {"simulated": 5120, "fidelity": "simulated", "mape": 0.1235}
    assert expected.items() <= status["progress"].items()
    later = write(SEARCHING, previous=status)
    assert expected.items() <= later["progress"].items()
    given_up = write(SEARCHING, previous=later, described=replace(PLAIN, standing=Standing(5120, Fidelity.PROFILED)))
    assert given_up["progress"]["fidelity"] == "profiled"
    assert "mape" not in given_up["progress"]


def test_without_a_price_there_is_no_cost_and_without_a_ratio_no_speedup() -> None:
    status = write(SEARCHING, entry(0, seconds(0.0)), entry(1, seconds(-1.0)))
    assert "cost" not in status["best"]
    assert "speedup" not in status["best"]
    assert "speedup" not in status["summary"]


def test_a_ratio_beyond_all_numbers_is_no_speedup() -> None:
    status = write(SEARCHING, entry(0, seconds(1e300)), entry(1, seconds(1e-300)))
    assert status["best"]["trial"] == 1
    assert "speedup" not in status["best"]


def test_an_invalid_job_says_what_is_wrong_and_keeps_what_was_found() -> None:
    found = write(COMPLETE, entry(0, seconds(1)))
    status = statuses.invalid(found, generation=4, now=NOON + 9, message="spec.search.algorithm is not known")
    TuningJobStatus.model_validate(status)
    assert (status["phase"], status["observedGeneration"]) == ("Invalid", 4)
    assert condition(status, "Validated")["status"] == "False"
    assert "spec.search.algorithm" in condition(status, "Validated")["message"]
    assert status["best"] == found["best"]


def test_a_job_in_trouble_says_why_and_keeps_all_else() -> None:
    before = write(SEARCHING, entry(0, seconds(1)))
    status = statuses.troubled(before, generation=3, now=NOON + 9, reason="Forbidden", message="may not create jobs")
    TuningJobStatus.model_validate(status)
    assert condition(status, "Searching")["reason"] == "Forbidden"
    assert {k: v for k, v in status.items() if k not in ("message", "conditions")} == {
        k: v for k, v in before.items() if k not in ("message", "conditions")
    }
    assert statuses.troubled({}, generation=1, now=NOON, reason="Forbidden", message="")["phase"] == "Pending"


LONG = 'Ünschedulable "\\" \x1b[31m ' * 1000


def test_the_status_of_500_trials_with_everything_long_stays_under_64_kib() -> None:
    names = [f"parameter_{number:02}_" + "n" * 50 for number in range(64)]
    space = SearchSpace(
        tuple(Parameter(name, Kind.STRUCTURAL, ("ü" * 256, f"é{'ü' * 255}"), default="ü" * 256) for name in names)
    )
    problem = Problem(
        space,
        tuple(Objective(f"objective_{n}_" + "o" * 50) for n in range(4)),
        tuple(MetricConstraint(f"constraint_{n}_" + "c" * 48, maximum=1e9) for n in range(16)),
    )
    wanted = [each.metric for each in (*problem.objectives, *problem.constraints)]
    metrics = {f"metric {n} {'m' * n}": n / 7 for n in range(1000)} | dict.fromkeys(wanted, 1 / 3)
    outcomes: list[Outcome] = [Measured(metrics), Infeasible("OutOfMemory", LONG), Lost("Evicted", LONG)]
    default = space.default()
    entries = [Entry(Trial(n, default, "random"), (), outcomes[n % 3], n) for n in range(500)]
    observations = tuple(
        Observation(AttemptId(500 + n, 0), Waiting("ImagePullBackOff", LONG, NOON)) for n in range(1000)
    )
    status = write(
        Verdict(Phase.SEARCHING, PROFILING, LONG),
        *entries,
        problem=problem,
        observations=observations,
        job_names={each.id: f"{'j' * 40}-{each.id.number}-0-abcde" for each in observations},
        described=Described("bench " + "ü" * 100_000, 1e300, 100_000),
    )
    assert shown.size(status) < 64 * 1024
    assert len(status["running"]) == 16
    assert status["progress"]["inFlight"] == 1000
    assert set(wanted) <= set(status["best"]["metrics"]), "what decides is always shown"
    troubled = statuses.troubled(status, generation=3, now=NOON, reason="Forbidden", message=LONG)
    assert shown.size(troubled) < 64 * 1024
    assert shown.size(statuses.invalid(troubled, generation=3, now=NOON, message=LONG)) < 64 * 1024


@pytest.mark.parametrize(
    "whole", ["", "short", "a" * 5000, "ü" * 5000, "\x00" * 5000, '"' * 5000, "a" * 900 + "漢" * 900]
)
def test_a_text_is_cut_by_its_bytes_and_only_if_it_is_too_long(whole: str) -> None:
    cut = shown.text(whole)
    assert shown.size(cut) <= shown.MESSAGE_BYTES
    assert (cut == whole) == (shown.size(whole) <= shown.MESSAGE_BYTES)
    if cut != whole:
        assert " ... " in cut
        assert cut.endswith(whole[-20:]), "the end of a log says most"
        assert shown.size(cut) > shown.MESSAGE_BYTES // 2


def test_a_part_of_a_configuration_or_of_a_command_is_never_shown() -> None:
    configuration = Configuration(tuple((f"p{number}", "x" * 256) for number in range(64)))
    assert shown.configuration(configuration) == {}
    line = shown.command("bench " + "x" * 10_000, entry(7))
    assert line.startswith("# ")
    assert "trial 7" in line
