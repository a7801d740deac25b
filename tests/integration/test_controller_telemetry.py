"""What the operator tells about itself while it works: logs that machines read and that hold no secret, metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.support.fixtures import StartOperator
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess
from tests.support.tuning_jobs import tuning_job

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
    assert phases(kubectl, operator) == {("tune", "Complete")}
    assert list(operator.metric("autoscout_job_speedup_ratio").values()) == [4.0]
    assert operator.metric("autoscout_reconciles_total").get('{result="error"}', 0) == 0
    (age,) = operator.metric("autoscout_relist_age_seconds").values()
    assert age < 60
    assert operator.http("/healthz") == "ok\n"

    kubectl.delete("tuningjob", "tune")
    # Events of one watch come in their order: who knows of the second job has heard of the end of the first.
    kubectl.apply(tuning_job("second", suspend=True))
    kubectl.wait("condition=Suspended", "tuningjob", "second")
    assert phases(kubectl, operator) == {("second", "Suspended")}


def phases(kubectl: Kubectl, operator: OperatorProcess) -> set[tuple[str, str]]:
    """Name and phase of the TuningJobs of this namespace, as a scrape shows them."""
    pattern = rf'namespace="{kubectl.namespace}",phase="(\w+)",tuningjob="([\w-]+)"'
    found = re.findall(pattern, " ".join(operator.metric("autoscout_job_phase")))
    return {(name, phase) for phase, name in found}
