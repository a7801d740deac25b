"""The vocabulary, and configurations as columns."""

from __future__ import annotations

import pytest

from autoscout.simulators.knobs import ALIASES, Columns, canonical
from autoscout.space.configuration import Configuration


def test_no_name_means_two_knobs():
    names = [name for knob, aliases in ALIASES.items() for name in (knob, *aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "knob"),
    [("tp", "tp"), ("--tensor-model-parallel-size", "tp"), ("Micro_Batch_Size", "mbs"), ("colour", None)],
)
def test_spelling_does_not_matter(name, knob):
    assert canonical(name) == knob


def test_absent_knobs_have_their_default_and_text_is_read():
    columns = Columns([{"tp": "2", "ar": "none"}, {}, {"tp": True, "ar": "selective"}, {"tp": "many"}])
    assert list(columns.number("tp", 4)) == [2, 4, 1, 4]
    assert list(columns.flag("ar", True)) == [False, True, True, True]
    assert list(columns.has("tp")) == [True, False, True, True]
    assert list(columns.text("ar")) == ["none", "", "selective", ""]


def test_two_spellings_complete_each_other():
    columns = Columns([{"tp": 2}, {"tensor_parallel_size": 8}])
    assert list(columns.number("tp", 1)) == [2, 8]


def test_unknown_names_are_counted_for_each_configuration():
    columns = Columns([{"tp": 2}, {"tp": 2, "x": 1, "y": 2}])
    assert list(columns.unknown) == [0, 2]


def test_a_configuration_reads_like_a_dictionary():
    columns = Columns([Configuration((("tp", 2),)), {"tp": 4}])
    assert list(columns.number("tp", 1)) == [2, 4]


def test_nothing_is_nothing():
    assert Columns([]).number("tp", 1).shape == (0,)
