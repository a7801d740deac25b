"""What the operator tells about itself while it works: logs that machines read and that hold no secret, metrics."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import yaml
from tests.support.fixtures import StartOperator
from tests.support.kubectl import PATIENCE_SECONDS, Kubectl
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import tuning_job

from autoscout.controller.runtime import Options

pytestmark = pytest.mark.cluster


def test_every_line_of_the_log_is_json_and_none_holds_the_token(
    kubectl: Kubectl, start_operator: StartOperator, operator_kubeconfig: Path
) -> None:
    operator = start_operator("--log-format", "json", "--verbose")
    kubectl.apply(tuning_job(behaviours=("good",)))
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    assert operator.terminate() == 0, operator.tail()
    text = operator.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) > 10
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert [line for line in lines if line["level"] in ("ERROR", "CRITICAL")] == []
    (user,) = yaml.safe_load(operator_kubeconfig.read_text())["users"]
    # The signature is the secret of a token; its beginning is the same in all of them.
    assert user["user"]["token"].rpartition(".")[2] not in text


def test_a_scrape_shows_the_job_while_it_exists(kubectl: Kubectl, operator: OperatorProcess) -> None:
    kubectl.apply(tuning_job())
    kubectl.wait("condition=Complete", "tuningjob", "tune")
    scraped(kubectl, operator, ("tune", "Complete"))
    assert list(operator.metric("autoscout_job_speedup_ratio").values()) == [4.0]
    assert operator.metric("autoscout_reconciles_total").get('{result="error"}', 0) == 0
    (age,) = operator.metric("autoscout_relist_age_seconds").values()
    assert 0 < age < Options.relist_seconds + PATIENCE_SECONDS
    assert operator.http("/healthz") == "ok\n"

    kubectl.delete("tuningjob", "tune")
    kubectl.apply(tuning_job("second", suspend=True))
    scraped(kubectl, operator, ("second", "Suspended"))


def scraped(kubectl: Kubectl, operator: OperatorProcess, *expected: tuple[str, str]) -> None:
    """Scrape until it shows these phases and no others: kubectl may hear of a write before the one who wrote does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := phases(kubectl, operator)) != set(expected):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def phases(kubectl: Kubectl, operator: OperatorProcess) -> set[tuple[str, str]]:
    """Name and phase of the TuningJobs of this namespace, as a scrape shows them."""
    pattern = rf'namespace="{kubectl.namespace}",phase="(\w+)",tuningjob="([\w-]+)"'
    found = re.findall(pattern, " ".join(operator.metric("autoscout_job_phase")))
    return {(name, phase) for phase, name in found}
