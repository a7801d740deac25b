"""TuningJob to problem and budget; TuningTrial to ledger entry and back."""

from __future__ import annotations

import json

import pytest
from tests.integration.invalid_manifests import base, changed

from autoscout import __version__
from autoscout.api import convert
from autoscout.api.errors import ApiError
from autoscout.search.ledger import Attempt, Entry, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout.search.problem import Budget, Goal, MetricConstraint, Objective
from autoscout_profiler.frames import LINE_LIMIT

JOB = convert.job(base())
PROBLEM = convert.problem(JOB)
SPACE = PROBLEM.space


def manifest(entry: Entry, **options) -> dict[str, object]:
    written = convert.trial_manifest(entry.trial, job="matmul", uid="u-1", namespace="team")
    return json.loads(json.dumps(written | {"status": convert.trial_status(entry, **options)}, sort_keys=True))


def trial(**values) -> Trial:
    assignment = {"tile": 16, "threads": 4, "layout": "row", "prefetch": True} | values
    predicted = {"seconds_per_iteration": 0.1 + 0.2}
    return Trial(7, SPACE.canonical(assignment), "random", predicted, "drawn uniformly", 5)


def test_a_job_becomes_a_problem():
    assert [parameter.name for parameter in SPACE.parameters] == ["tile", "threads", "layout", "prefetch"]
    assert SPACE.parameters[1].values == (1, 2, 4, 8)
    assert PROBLEM.objectives == (Objective("seconds_per_iteration", Goal.MINIMIZE),)
    assert PROBLEM.constraints == (MetricConstraint("peak_memory_gib", None, 7.5),)
    assert (PROBLEM.algorithm, PROBLEM.seed, PROBLEM.settings) == ("autoscout", 0, {})


def test_a_job_becomes_a_budget():
    assert convert.budget(JOB) == Budget(max_profiles=20, max_seconds=5400.0, max_gpu_hours=2.5, parallelism=2)
    unlimited = convert.job(changed(base(), {"spec.budget": {}}))
    assert convert.budget(unlimited) == Budget(max_profiles=50)


def test_a_document_that_is_no_job_raises_all_errors():
    with pytest.raises(ApiError) as raised:
        convert.job(changed(base(), {"spec.budget.maxProfiles": 0, "spec.suspend": 3}))
    assert [error.field for error in raised.value.errors] == ["spec.budget.maxProfiles", "spec.suspend"]


def test_a_space_that_cannot_be_used_raises_with_the_field():
    wrong = convert.job(changed(base(), {"spec.searchSpace.constraints": ["tile >"]}))
    with pytest.raises(ApiError, match=r"spec\.searchSpace\.constraints\[0\]"):
        convert.problem(wrong)


def test_the_trial_is_owned_labelled_and_named_after_its_job():
    written = convert.trial_manifest(trial(), job="matmul", uid="u-1", namespace="team")
    assert written["metadata"]["name"] == "matmul-7"
    assert written["metadata"]["namespace"] == "team"
    assert written["metadata"]["labels"] == {
        "autoscout.io/tuning-job": "matmul",
        "autoscout.io/tuning-job-uid": "u-1",
        "autoscout.io/trial": "7",
    }
    (owner,) = written["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("TuningJob", "matmul", "u-1", True)
    assert written["spec"] == {
        "number": 7,
        "configuration": {"tile": 16, "threads": 4, "layout": "row", "prefetch": True},
        "fingerprint": trial().configuration.fingerprint,
        "fidelity": "profiled",
        "proposer": "random",
        "predicted": {"seconds_per_iteration": "0.30000000000000004"},
        "reason": "drawn uniformly",
        "decidedAfter": 5,
        "engineVersion": __version__,
    }


def test_a_new_trial_without_a_status_is_pending():
    written = convert.trial_manifest(trial(), job="matmul", uid="u-1", namespace="team")
    assert convert.entry(written, SPACE) == Entry(trial())


@pytest.mark.parametrize(
    "entry",
    [
        Entry(trial()),
        Entry(trial(layout="column")),
        Entry(
            trial(), attempts=(Attempt("Evicted", "the node went away", 12.5, 0.25), Attempt("Cancelled", counts=False))
        ),
        Entry(
            trial(),
            attempts=(Attempt("Measured", "", 60.0, 0.1),),
            outcome=Measured({"seconds_per_iteration": 0.1, "loss": -3.0}, {"seconds_per_iteration": (0.1, 0.3, 0.2)}),
            position=3,
        ),
        Entry(trial(), (Attempt("OutOfMemory"),), Infeasible("OutOfMemory", "killed at 80 GiB"), 0),
        Entry(trial(), (Attempt("Unschedulable"),), Lost("Unschedulable", "no node fits"), 12),
    ],
)
def test_an_entry_comes_back_the_same(entry: Entry):
    assert convert.entry(manifest(entry), SPACE) == entry


def test_the_status_tells_people_what_happened():
    entry = Entry(trial(), (Attempt("Measured", "", 60.0, 0.1),), Measured({"seconds_per_iteration": 0.1234567}), 3)
    status = convert.trial_status(
        entry,
        jobs=["matmul-7-0-abcde"],
        wanted=["seconds_per_iteration"],
        start_time="2025-01-01T00:00:00Z",
        completion_time="2025-01-01T00:01:00Z",
    )
    assert status["phase"] == "Measured"
    assert status["value"] == "0.123457"
    assert status["job"] == "matmul-7-0-abcde"
    assert status["attempts"][0]["job"] == "matmul-7-0-abcde"
    assert status["gpuHours"] == 0.1
    assert (status["startTime"], status["completionTime"]) == ("2025-01-01T00:00:00Z", "2025-01-01T00:01:00Z")


def test_a_running_trial_says_so_until_it_has_an_outcome():
    assert convert.trial_status(Entry(trial()), running=True)["phase"] == "Running"
    lost = Entry(trial(), outcome=Lost("Evicted"), position=0)
    assert convert.trial_status(lost, running=True)["phase"] == "Lost"


def test_what_the_schema_can_not_hold_is_cut():
    entry = Entry(
        trial(),
        (Attempt("x" * 1000, "y" * 10_000),),
        Measured({"good": 1.0, "bad": float("inf")}, {"good": (1.0,) * 20_000}),
        0,
    )
    read = convert.entry(manifest(entry), SPACE)
    assert isinstance(read.outcome, Measured)
    assert read.outcome.metrics == {"good": 1.0}
    assert len(read.outcome.samples["good"]) == 10_000
    assert (len(read.attempts[0].reason), len(read.attempts[0].message)) == (128, 4096)


def test_of_more_metrics_than_the_schema_holds_those_that_the_job_names_are_kept():
    names = [f"m{number}" for number in range(300)]
    measured = Measured(dict.fromkeys(names, 1.0), dict.fromkeys(names, (1.0, 1.0)))
    read = convert.entry(manifest(Entry(trial(), (), measured, 0), wanted=["m299", "m280", "absent"]), SPACE)
    assert isinstance(read.outcome, Measured)
    for kept in (read.outcome.metrics, read.outcome.samples):
        assert len(kept) == 256
        assert {"m299", "m280", "m0"} <= set(kept)


def test_however_many_samples_a_frame_held_the_trial_fits_into_etcd():
    most = LINE_LIMIT // len("1,")
    samples = {f"m{number}": (1.0,) * 10_000 for number in range(most // 10_000)}
    written = manifest(Entry(trial(), (), Measured(dict.fromkeys(samples, 1.0), samples), 0), wanted=["m40"])
    assert len(json.dumps(written)) < 1.4e6
    read = convert.entry(written, SPACE)
    assert isinstance(read.outcome, Measured)
    assert len(read.outcome.samples["m40"]) == 10_000


def test_json_that_lost_a_decimal_point_means_the_same_configuration():
    changes = {
        "spec.searchSpace.parameters[0].values": [0.5, 1.0],
        "spec.searchSpace.parameters[0].default": 1,
        "spec.searchSpace.constraints": [],
    }
    space = convert.problem(convert.job(changed(base(), changes))).space
    decided = Trial(0, space.default(), "default")
    written = convert.trial_manifest(decided, job="matmul", uid="u-1", namespace="team")
    written["spec"]["configuration"]["tile"] = 1
    assert convert.entry(written, space).trial == decided


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"spec.configuration.tile": 17}, "spec.configuration.tile"),
        ({"spec.configuration.unknown": 1}, "spec.configuration.unknown"),
        ({"spec.configuration.tile": 32}, "spec.fingerprint"),
        ({"spec.number": -1}, "spec.number"),
        ({"spec.fingerprint": "zz"}, "spec.fingerprint"),
        ({"spec": {}}, "spec.number"),
    ],
)
def test_a_trial_that_does_not_belong_is_refused_with_the_field(change, field):
    with pytest.raises(ApiError) as raised:
        convert.entry(changed(manifest(Entry(trial())), change), SPACE)
    assert field in [error.field for error in raised.value.errors]


def test_a_trial_of_another_version_says_which_version_can_go_on():
    written = manifest(Entry(trial()))
    written["spec"] |= {"engineVersion": "9.9.9"}
    written["spec"]["configuration"] |= {"unheard_of": 1}
    with pytest.raises(ApiError) as raised:
        convert.entry(written, SPACE)
    assert f"AutoScout 9.9.9 decided, this is {__version__}: finish the search with 9.9.9" in str(raised.value)
