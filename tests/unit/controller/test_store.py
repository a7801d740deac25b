"""The cache: older versions never win, lost deletions are found by the re-list, the dead stay dead."""

from __future__ import annotations

from typing import Any

from autoscout.api.names import trial_labels
from autoscout.controller.store import Key, Kind, Store

JOB = Key("team", "tune")


def tuning_job(version: int, uid: str = "u1", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "team", "name": "tune", "uid": uid, "resourceVersion": str(version), **metadata}}


def child(name: str, version: int, owner: str = "u1") -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "team",
            "name": name,
            "uid": f"uid-of-{name}",
            "resourceVersion": str(version),
            "labels": trial_labels("tune", owner, 0),
        }
    }


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    store = Store()
    store.apply(Kind.TUNING_JOBS, tuning_job(7))
    store.apply(Kind.TUNING_JOBS, tuning_job(5))
    job = store.job(JOB)
    assert job is not None
    assert job["metadata"]["resourceVersion"] == "7"


def test_a_late_reply_does_not_bring_a_deleted_object_back() -> None:
    store = Store()
    store.apply(Kind.JOBS, child("tune-0", 3))
    store.apply(Kind.JOBS, child("tune-0", 9), deleted=True)
    store.apply(Kind.JOBS, child("tune-0", 8))
    assert store.jobs("u1") == []


def test_a_relist_drops_what_vanished_and_tells_whose_it_was() -> None:
    store = Store()
    store.apply(Kind.JOBS, child("tune-0", 3))
    store.apply(Kind.JOBS, child("tune-1", 4))
    assert store.replace(Kind.JOBS, [child("tune-1", 4)], version=10) == {JOB}
    assert names(store.jobs("u1")) == ["tune-1"]


def test_a_relist_does_not_drop_what_was_made_after_it() -> None:
    store = Store()
    store.apply(Kind.JOBS, child("tune-0", 12))
    assert store.replace(Kind.JOBS, [], version=10) == set()
    assert names(store.jobs("u1")) == ["tune-0"]


def test_a_relist_of_one_namespace_leaves_the_others_alone() -> None:
    store = Store()
    store.apply(Kind.JOBS, child("tune-0", 3))
    store.replace(Kind.JOBS, [], version=10, namespace="elsewhere")
    assert names(store.jobs("u1")) == ["tune-0"]


def test_children_are_found_by_the_uid_of_their_tuning_job_and_not_by_its_name() -> None:
    store = Store()
    store.apply(Kind.TUNING_TRIALS, child("tune-0", 3, owner="former"))
    store.apply(Kind.TUNING_TRIALS, child("tune-1", 4, owner="u1"))
    assert names(store.trials("u1")) == ["tune-1"]


def test_an_object_whose_label_somebody_changed_is_found_under_the_new_one_only() -> None:
    store = Store()
    store.apply(Kind.JOBS, child("tune-0", 3, owner="u1"))
    store.apply(Kind.JOBS, child("tune-0", 4, owner="other"))
    assert (store.jobs("u1"), names(store.jobs("other"))) == ([], ["tune-0"])
    store.apply(Kind.JOBS, child("tune-0", 5, owner="other"), deleted=True)
    assert (store.jobs("u1"), store.jobs("other")) == ([], [])


def test_of_two_jobs_of_one_name_the_newer_one_counts_and_the_former_ones_leftovers_are_known() -> None:
    store = Store()
    store.apply(Kind.TUNING_JOBS, tuning_job(5, uid="former"))
    store.apply(Kind.TUNING_JOBS, tuning_job(9, uid="u1"))
    store.apply(Kind.JOBS, child("tune-0-0-aaaaa", 6, owner="former"))
    job = store.job(JOB)
    assert job is not None
    assert job["metadata"]["uid"] == "u1"
    assert store.uids_left_behind(JOB, alive="u1") == {"former"}


def test_a_job_that_is_known_only_by_its_leftovers_still_has_a_key() -> None:
    store = Store()
    store.apply(Kind.JOBS, child("tune-0", 3))
    assert store.job(JOB) is None
    assert store.known() == {JOB}
