"""`search.settings` of the algorithm autoscout."""

from __future__ import annotations

import pytest

from autoscout.search.settings import NAMES, Settings, SettingsError, read


def test_every_part_can_be_switched_off() -> None:
    off = read({"sparse": "off", "dense": False, "orchestrator": "off", "simulators": "off", "exhaustive": "off"})
    assert off == Settings(sparse=False, dense=False, orchestrator=False, simulators=False, exhaustive=0)


def test_a_dot_may_be_written_as_nesting() -> None:
    assert read({"tournament": {"k": 10}}) == read({"tournament.k": "10"}) == Settings(tournament_k=10)


def test_every_attribute_has_a_name() -> None:
    assert sorted(NAMES.values()) == sorted(Settings.__dataclass_fields__)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spars": "off"}, "search.settings.spars: is not known; did you mean sparse?"),
        ({"sparse": "maybe"}, "search.settings.sparse: is 'maybe'; write on or off"),
        ({"tournament": {"k": 41}}, "search.settings.tournament.k: is 41; it must lie between 1 and 40"),
        ({"decay": "fast"}, "search.settings.decay: is 'fast'; give a number from 0.01 to 1"),
    ],
)
def test_an_error_names_the_setting_and_the_way_out(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(settings)
    assert str(caught.value) == message


def test_kernels_are_a_choice_of_names() -> None:
    assert read({"kernels": "aiconfigurator"}) == Settings(kernels="aiconfigurator")
    with pytest.raises(SettingsError, match="kernels: is 'fast'; there are datasheet, aiconfigurator"):
        read({"kernels": "fast"})
