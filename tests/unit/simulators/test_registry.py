"""Which simulator a job gets, and what is missing where it gets none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.simulators.jobs import SERVING, TRAINING, hardware

from autoscout.simulators.registry import obstacle, simulator_for
from autoscout.simulators.serving import ServingSimulator
from autoscout.simulators.training import TrainingSimulator


@pytest.mark.parametrize(
    ("workload", "names", "kind"),
    [
        (TRAINING, (), TrainingSimulator),
        (SERVING, (), ServingSimulator),
        (replace(TRAINING, framework="custom", task="fine-tuning"), (), TrainingSimulator),
        (replace(TRAINING, framework="custom", task="custom"), ("tp", "mbs"), TrainingSimulator),
        (replace(TRAINING, framework="custom", task="custom"), ("tp", "max_num_seqs"), ServingSimulator),
    ],
)
def test_task_framework_and_knobs_decide(workload, names, kind):
    assert isinstance(simulator_for(workload, hardware(), names), kind)
    assert obstacle(workload, hardware(), names) is None


@pytest.mark.parametrize(
    ("workload", "where", "names", "reason"),
    [
        (None, hardware(), (), "spec.workload"),
        (replace(TRAINING, architecture=None), hardware(), (), "spec.workload.model.architecture"),
        (TRAINING, hardware("GeForce-256"), (), "catalogue"),
        (replace(TRAINING, framework="custom", task="custom"), hardware(), ("tile",), "spec.workload.task"),
    ],
)
def test_what_is_missing_is_named(workload, where, names, reason):
    assert simulator_for(workload, where, names) is None
    assert reason in obstacle(workload, where, names)
