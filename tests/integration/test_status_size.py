"""A long search: 500 measured trials fold into a small status, at once and without measuring anything anew."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest
from tests.support.fixtures import StartOperator
from tests.support.kubectl import Kubectl, Object
from tests.support.tuning_jobs import tuning_job

from autoscout.api import convert
from autoscout.executors.kubernetes import client
from autoscout.executors.kubernetes.client import KubernetesApi
from autoscout.search.ledger import Entry, Trial
from autoscout.search.outcome import Infeasible, Measured, Outcome
from autoscout.search.settle import settle
from autoscout.space.search_space import SearchSpace

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TRIALS = 500
BEST = 321
LIMIT_BYTES = 64 * 1024
AT_ONCE = 16


def long_job() -> Object:
    """A TuningJob with a budget of 500 and all that makes a status long: texts, values and metrics."""
    job = tuning_job("a-tuning-job-with-a-name-of-40-characters", budget={"maxProfiles": TRIALS, "parallelism": 16})
    job["spec"]["searchSpace"]["parameters"] += [
        {"name": "x", "kind": "execution", "range": {"min": 0, "max": 999, "step": 1}, "default": 500},
        *(
            {"name": f"text_{number}", "kind": "structural", "values": ["ü" * 200], "default": "ü" * 200}
            for number in range(18)
        ),
    ]
    return job


def outcome(number: int) -> Outcome:
    if number % 7 == 3:
        return Infeasible("OutOfMemory", "CUDA out of memory. " * 100)
    seconds = 1.0 if number == BEST else 2.0 + number / 1000
    # The base and the best are what the status shows.
    others = {f"metric_with_a_long_name_{each:03}_in_seconds": each / 7 for each in range(255)}
    return Measured(
        {"seconds": seconds, **(others if number in (0, BEST) else {})},
        {"seconds": tuple(seconds + each / 1000 for each in range(30))},
    )


def entries(space: SearchSpace) -> list[Entry]:
    """A ledger as the operator would have written it: the default first, then one configuration after another."""
    default = space.default()
    others = [space.canonical({**default, "x": x}) for x in range(TRIALS) if x != default["x"]]
    result = []
    for number, configuration in enumerate([default, *others][:TRIALS]):
        trial = Trial(number, configuration, "default" if number == 0 else "random")
        result.append(settle(Entry(trial), outcome(number), seconds=60, gpus=1, max_attempts=3, position=number))
    return result


async def write(kubectl: Kubectl, job: Object, ledger: list[Entry]) -> None:
    """The TuningTrials of a ledger, as the operator writes them: the decision, then the outcome."""
    metadata = job["metadata"]
    limit = asyncio.Semaphore(AT_ONCE)
    async with await KubernetesApi.connect(str(kubectl.kubeconfig)) as api:

        async def write_one(entry: Entry) -> None:
            body = convert.trial_manifest(
                entry.trial, job=metadata["name"], uid=metadata["uid"], namespace=metadata["namespace"]
            )
            async with limit:
                made = await api.create(client.TUNING_TRIALS, metadata["namespace"], body)
                status = convert.trial_status(entry, wanted=["seconds"])
                await api.replace(
                    client.TUNING_TRIALS,
                    metadata["namespace"],
                    body["metadata"]["name"],
                    {**made, "status": status},
                    subresource="status",
                )

        await asyncio.gather(*(write_one(entry) for entry in ledger))


async def test_500_measured_trials_fold_into_a_small_status_and_nothing_is_measured_again(
    kubectl: Kubectl, start_operator: StartOperator, figure: Callable[[str, object], None]
) -> None:
    document = long_job()
    name = document["metadata"]["name"] = document["metadata"]["name"][:40].rstrip("-")
    kubectl.apply(document)
    job = kubectl.get("tuningjob", name)
    ledger = entries(convert.problem(convert.job(document)).space)
    await write(kubectl, job, ledger)

    began = time.monotonic()
    operator = start_operator()
    kubectl.wait("condition=Complete", "tuningjob", name)
    waited = time.monotonic() - began
    (reconciles,) = operator.metric("autoscout_reconcile_seconds_count").values()
    (seconds,) = operator.metric("autoscout_reconcile_seconds_sum").values()

    status = kubectl.get("tuningjob", name)["status"]
    size = len(json.dumps(status, ensure_ascii=False).encode())
    figure("status of a TuningJob with 500 trials", f"{size} bytes")
    figure("500 trials: all reconciles until Complete", f"{reconciles:.0f} in {seconds:.2f} s")
    figure("500 trials: from the start of the operator to Complete", f"{waited:.1f} s")
    assert size < LIMIT_BYTES
    assert status["progress"]["profiled"] == TRIALS
    assert status["progress"]["infeasible"] == sum(isinstance(entry.outcome, Infeasible) for entry in ledger)
    assert (status["best"]["trial"], status["best"]["metrics"]["seconds"], status["best"]["speedup"]) == (
        BEST,
        1.0,
        2.0,
    )
    assert status["best"]["configuration"] == dict(ledger[BEST].trial.configuration)
    assert status["startTime"] <= min(t["metadata"]["creationTimestamp"] for t in kubectl.list("tuningtrials"))
    assert kubectl.list("jobs") == [], "everything was measured already"
    assert operator.metric("autoscout_api_requests_total").get('{resource="tuningtrials",verb="create"}') is None
    assert len(kubectl.list("tuningtrials")) == TRIALS
