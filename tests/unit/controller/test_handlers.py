"""The watches: patient for ever, filtered by the server, and every event ends in the cache and the queue."""

from __future__ import annotations

from itertools import islice

import kopf
from kubernetes.aio.client import Configuration

from autoscout.api.names import TUNING_JOB_UID_LABEL
from autoscout.controller import handlers
from autoscout.controller.queue import WorkQueue
from autoscout.controller.store import Key, Kind, Store


def test_a_request_is_tried_again_without_end_and_each_request_afresh() -> None:
    backoffs = handlers.settings().networking.error_backoffs
    first = list(islice(iter(backoffs), 10_000))
    assert len(first) == 10_000, "kopf ends the process when the delays are used up"
    assert first == list(islice(iter(backoffs), 10_000)), "one request must not use up the delays of the next"
    assert 0 < min(first) <= max(first) <= 30
    assert sum(first[:5]) < 20, "a short outage is over soon"


def test_what_belongs_to_no_tuning_job_is_never_sent_to_us() -> None:
    selectors = handlers.settings().watching.label_selectors
    by_plural = {selector.any_name: label for selector, label in selectors.items()}
    assert by_plural == dict.fromkeys(("jobs", "pods", "tuningtrials"), TUNING_JOB_UID_LABEL)


def test_the_users_objects_get_no_annotations_no_finalizers_and_no_events() -> None:
    registry = handlers.register(Store(), WorkQueue[Key](), Configuration())
    assert not handlers.settings().posting.enabled
    for kind in Kind:
        group, version, plural = handlers.WATCHED[kind]
        resource = kopf.Resource(group, version, plural)
        assert registry._watching.has_handlers(resource), kind
        assert not registry._changing.has_handlers(resource), "change handlers keep their state in annotations"
        assert not registry._spawning.has_handlers(resource), "daemons come with finalizers"
        assert not registry._indexing.has_handlers(resource), "indices start in quadratic time"
