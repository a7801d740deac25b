"""A real API server takes every manifest that is launched, and its pods keep the strictest security standard."""

from __future__ import annotations

import pytest
import yaml
from tests.support.kubectl import Kubectl
from tests.support.launches import CASES

from autoscout.api.convert import job
from autoscout.launch.launch import launch

pytestmark = pytest.mark.cluster


def manifest(case: str) -> str:
    return launch(job(CASES[case].document), CASES[case].values).manifest


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_the_manifest(kubectl: Kubectl, case: str) -> None:
    text = manifest(case)
    applied = kubectl.run("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(applied.stdout.splitlines()) == len(list(yaml.safe_load_all(text)))
    assert "Warning" not in applied.stderr


@pytest.mark.parametrize("case", CASES)
def test_its_pods_are_admitted_where_the_restricted_standard_is_enforced(kubectl: Kubectl, case: str) -> None:
    specs = [each.get("spec", {}) for each in yaml.safe_load_all(manifest(case))]
    templates = [spec["template"] for spec in specs if "template" in spec]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"one-{number}"} | each["metadata"],
            "spec": each["spec"],
        }
        for number, each in enumerate(templates)
    ]
    admitted = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(pods))
    assert admitted.stdout.count("created") == len(pods) > 0
