"""Names and labels. All are deterministic, so that a repeated write meets its own earlier self."""

from __future__ import annotations

import hashlib

GROUP = "autoscout.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

TUNING_JOB_LABEL = f"{GROUP}/tuning-job"
TUNING_JOB_UID_LABEL = f"{GROUP}/tuning-job-uid"
TRIAL_LABEL = f"{GROUP}/trial"
ATTEMPT_LABEL = f"{GROUP}/attempt"
SPEC_HASH_ANNOTATION = f"{GROUP}/spec-hash"
HARVEST_FINALIZER = f"{GROUP}/harvest"


def trial_name(job: str, number: int) -> str:
    """Name of the TuningTrial with this number."""
    return f"{job}-{number}"


def attempt_name(job: str, uid: str, number: int, attempt: int) -> str:
    """Name of the Job that runs this attempt. The digits fence off a job that was deleted and made again."""
    return f"{job}-{number}-{attempt}-{hashlib.sha256(uid.encode()).hexdigest()[:5]}"


def trial_labels(job: str, uid: str, number: int) -> dict[str, str]:
    """Labels of a TuningTrial, and of all that runs for it."""
    return {TUNING_JOB_LABEL: job, TUNING_JOB_UID_LABEL: uid, TRIAL_LABEL: str(number)}


def attempt_labels(job: str, uid: str, number: int, attempt: int) -> dict[str, str]:
    """Labels of a Job and its pods."""
    return trial_labels(job, uid, number) | {ATTEMPT_LABEL: str(attempt)}


def owner_reference(job: str, uid: str) -> dict[str, object]:
    """What makes the TuningJob the controller of an object: with the job goes the object."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TuningJob",
        "name": job,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
