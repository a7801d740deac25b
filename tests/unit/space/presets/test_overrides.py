"""What a job says of a preset's parameters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.space.presets.targets import GIB, NODE, ROUTED, SERVING, TRAINING, space

from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, SpaceError
from autoscout.space.presets.draft import Override

WHOLE = space("megatron", TRAINING)


def changed(**fields):
    name = fields.pop("name")
    return space("megatron", TRAINING, Override("parameters[0]", name, **fields))


def test_one_value_fixes_a_knob():
    found = changed(name="mbs", values=(2,))
    assert found.count() == WHOLE.count({"mbs": 2})
    assert found.default()["mbs"] == 2


def test_fewer_values_narrow_it_and_the_default_is_the_nearest_that_is_left():
    assert changed(name="tp_comm", values=(12, 13)).by_name["tp_comm"].default == 13
    assert changed(name="bucketing", values=("size", "count")).by_name["bucketing"].default in ("size", "count")


def test_more_values_extend_it_and_the_presets_rules_still_hold():
    found = changed(name="mbs", values=(1, 2, 4, 8, 16, 32))
    assert found.count() > WHOLE.count()
    assert all(64 % (each["mbs"] * each["dp"]) == 0 for each in found.enumerate({"mbs": 16, "bucketing": "auto"}))


def test_another_default_stays_and_the_others_follow_it():
    found = changed(name="tp", default=8)
    assert found.count() == WHOLE.count()
    assert (found.default()["tp"], found.default()["dp"]) == (8, 1)


@pytest.mark.parametrize(
    ("preset", "target", "name", "value"),
    [
        ("megatron", TRAINING, "dp", 2),
        ("megatron", replace(ROUTED, gpus=replace(NODE, nodes=8, memory=640 * GIB)), "etp", 4),
        ("vllm", SERVING, "dp", 2),
    ],
)
def test_a_default_that_experts_derive_from_others_stays_too(preset, target, name, value):
    found = space(preset, target, Override("parameters[0]", name, default=value))
    assert found.default()[name] == value


def test_what_the_job_does_not_say_stays():
    found = changed(name="vpp", values=(1, 2)).by_name["vpp"]
    own = WHOLE.by_name["vpp"]
    assert (found.kind, found.active_when, found.description) == (own.kind, own.active_when, own.description)


def test_kind_condition_and_description_may_change_too():
    found = changed(name="vpp", kind=Kind.STRUCTURAL, active_when=Expression("pp == 4"), description="chunks").by_name[
        "vpp"
    ]
    assert (found.kind, str(found.active_when), found.description) == (Kind.STRUCTURAL, "`pp == 4`", "chunks")


def test_a_name_of_its_own_adds_a_knob_behind_the_others():
    found = changed(name="grad_fp32", kind=Kind.STRUCTURAL, values=(False, True), default=True)
    assert list(found.by_name)[-1] == "grad_fp32"
    assert found.count() == 2 * WHOLE.count()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": "tpp", "values": (1, 2)}, "parameters[0].name", "did you mean tp?"),
        ({"name": "ep", "values": (1, 2)}, "parameters[0].name", "is no parameter of the preset for this model"),
        ({"name": "tp", "values": ("1",)}, "parameters[0].values", "must be numbers, like those of the preset: 1, 2"),
        ({"name": "tp", "values": (True,)}, "parameters[0].values", "must be numbers"),
        ({"name": "tp", "default": 3}, "parameters[0].default", "3 is not one of the values"),
        ({"name": "mbs", "values": (1, 1)}, "parameters[0].values[1]", "is there twice"),
        ({"name": "mbs", "values": ("1",), "grid": "range"}, "parameters[0].range", "must be numbers"),
    ],
)
def test_what_can_not_be_is_said_with_its_field(fields, field, words):
    with pytest.raises(SpaceError) as raised:
        changed(**fields)
    assert raised.value.field == field
    assert words in raised.value.problem
