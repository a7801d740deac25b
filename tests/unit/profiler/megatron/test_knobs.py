from __future__ import annotations

import pytest

from autoscout.simulators.knobs import canonical
from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.megatron.knobs import KNOBS, Knobs


@pytest.mark.parametrize("name", KNOBS)
def test_the_names_are_a_part_of_the_operators_vocabulary(name: str):
    assert {canonical(spelling) for spelling in (name, *KNOBS[name])} == {name}


@pytest.mark.parametrize(
    ("spelling", "near"),
    [
        ("tensor_model_paralel_size", "tensor_model_parallel_size"),
        ("mbz", "mbs"),
        ("recompute_method_", "recompute_method"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(spelling: str, near: str):
    with pytest.raises(InvalidConfiguration, match=f"did you mean {near}[?]") as refused:
        Knobs({spelling: 1})
    assert refused.value.field == spelling


def test_a_name_that_resembles_none_is_refused_with_all_of_them():
    with pytest.raises(InvalidConfiguration, match="there are tp, pp, dp"):
        Knobs({"gpu_memory_utilization": 0.9})


def test_case_and_dashes_do_not_matter():
    assert Knobs({"--Tensor-Model-Parallel-Size": 4}).count("tp", 1) == 4


def test_two_names_of_one_knob_are_refused():
    with pytest.raises(InvalidConfiguration, match=r"micro_batch_size: means the same as .* mbs"):
        Knobs({"mbs": 1, "micro_batch_size": 2})


@pytest.mark.parametrize("value", [2, "2", 2.0])
def test_a_count_is_read_from_what_a_parameter_can_hold(value: object):
    assert Knobs({"tp": value}).count("tp", 1) == 2


@pytest.mark.parametrize("value", [0, -1, 1.5, "two", True, float("inf"), float("nan")])
def test_what_is_no_count_is_refused(value: object):
    with pytest.raises(InvalidConfiguration, match=r"^tp: .* is no whole number from 1"):
        Knobs({"tp": value}).count("tp", 1)


@pytest.mark.parametrize(("value", "meaning"), [(True, True), ("on", True), (1, True), (False, False), ("none", False)])
def test_a_flag_is_read_from_what_a_parameter_can_hold(value: object, meaning: bool):
    assert Knobs({"sp": value}).flag("sp") is meaning


def test_values_of_another_kind_are_refused():
    knobs = Knobs({"sp": "maybe", "ddp_bucket": 0, "ar": "attention"})
    with pytest.raises(InvalidConfiguration, match="sp: 'maybe' is neither true nor false"):
        knobs.flag("sp")
    with pytest.raises(InvalidConfiguration, match="ddp_bucket: 0 is no number above 0"):
        knobs.amount("ddp_bucket")
    with pytest.raises(InvalidConfiguration, match="ar: 'attention' is not one of none, selective, full"):
        knobs.choice("ar")


def test_what_is_not_given_has_its_default():
    knobs = Knobs({"tp": None})
    assert not knobs.given("tp")
    assert (knobs.count("tp", 1), knobs.flag("sp"), knobs.amount("ddp_bucket")) == (1, False, None)
    assert knobs.choice("ar") == "none"
