"""Table 2's regressions and Eq. 2's weights."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.simulators.jobs import hardware

from autoscout.simulators.ensemble import fit_ensemble, weights
from autoscout.simulators.regression import KNOBS, features, fit


def test_each_simulator_has_the_knobs_of_table_2():
    assert KNOBS == {
        "3D-Parallelism": ("a100", "a40", "mbs", "tp", "pp", "dp"),
        "5D-Parallelism": ("a100", "a40", "mbs", "tp", "pp", "dp", "ep", "cp", "sp"),
        "DDP-Aware": ("a100", "a40", "mbs", "tp", "pp", "dp", "ddp_optim"),
        "Communication-Aware": ("a100", "a40", "mbs", "tp", "pp", "dp", "ar", "tp_comm"),
    }


def test_features_are_the_knobs_and_the_allocation():
    rows = [{"tp": 2, "dp": 4, "micro_batch_size": 8, "sp": True}, {"pp": 2, "a100": 16}]
    assert features("5D-Parallelism", rows, hardware()).tolist() == [
        [8, 0, 8, 2, 1, 4, 1, 1, 1],
        [16, 0, 1, 1, 2, 1, 1, 1, 0],
    ]
    assert features("3D-Parallelism", rows, hardware("NVIDIA-A40"))[0, :2].tolist() == [0, 8]


def test_a_linear_cost_is_found_exactly():
    rng = np.random.default_rng(0)
    knobs = rng.integers(1, 9, (30, 4)).astype(float)
    cost = 3 + knobs @ [1.0, -2.0, 0.5, 0.0]
    model = fit("3D-Parallelism", knobs, cost)
    assert model.predict(knobs) == pytest.approx(cost, abs=1e-4)
    assert model.r_squared > 0.999


def test_r_squared_is_that_of_data_which_the_fit_did_not_see():
    rng = np.random.default_rng(1)
    knobs, cost = rng.normal(size=(12, 3)), rng.normal(size=12)
    errors, base = [], []
    for left in range(12):
        rest = np.arange(12) != left
        errors.append(cost[left] - fit("3D-Parallelism", knobs[rest], cost[rest]).predict(knobs[[left]])[0])
        base.append(cost[left] - cost[rest].mean())
    assert fit("3D-Parallelism", knobs, cost).r_squared == pytest.approx(
        1 - np.square(errors).sum() / np.square(base).sum(), rel=1e-4
    )


def test_a_knob_that_never_changed_has_no_effect():
    knobs = np.column_stack([np.arange(6.0), np.full(6, 8.0)])
    model = fit("3D-Parallelism", knobs, np.arange(6.0))
    assert model.slopes[1] == pytest.approx(0)


def test_eq_2_leaves_out_who_is_worse_than_the_mean():
    assert weights([0.6, -3.0, 0.2, 0.0]).tolist() == pytest.approx([0.75, 0, 0.25, 0])
    assert weights([-1.0, 0.0]) is None


def test_the_ensemble_refits_as_profiles_arrive():
    rng = np.random.default_rng(2)
    rows = [
        {"tp": int(2 ** rng.integers(4)), "mbs": int(2 ** rng.integers(4)), "ar": bool(rng.integers(2))}
        for _ in range(40)
    ]
    cost = np.array([1 + 0.3 * row["tp"] + 0.1 * row["mbs"] + 2 * row["ar"] for row in rows])

    def knobs(name: str):
        return features(name, rows, hardware())

    assert fit_ensemble(lambda name: knobs(name)[:3], cost[:3]) is None
    early = fit_ensemble(lambda name: knobs(name)[:8], cost[:8])
    late = fit_ensemble(knobs, cost)
    assert late.members[int(np.argmax(late.weights))].name == "Communication-Aware"
    assert sum(late.weights) == pytest.approx(1)
    assert [each.name for each in early.members] == ["Communication-Aware"], "the others predict worse than the mean"
    assert np.corrcoef(late.predict(knobs), cost)[0, 1] > 0.9


def test_what_an_ensemble_leaves_out_is_what_its_members_miss_of_data_that_they_did_not_see():
    rng = np.random.default_rng(3)
    table = {name: rng.normal(size=(10, len(columns))) for name, columns in KNOBS.items()}
    cost = table["3D-Parallelism"] @ np.arange(1.0, 7.0) + rng.normal(size=10)
    ensemble = fit_ensemble(table.__getitem__, cost)
    members = [fit(member.name, table[member.name], cost) for member in ensemble.members]
    expected = np.dot(ensemble.weights, [member.left_out for member in members])
    assert ensemble.left_out == pytest.approx(expected)
    rest = np.arange(10) != 4
    alone = [fit(m.name, table[m.name][rest], cost[rest]).predict(table[m.name][[4]])[0] for m in ensemble.members]
    assert ensemble.left_out[4] == pytest.approx(cost[4] - np.dot(ensemble.weights, alone), rel=1e-4)
