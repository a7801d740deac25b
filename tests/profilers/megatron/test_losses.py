"""However a model is spread over ranks, it is the same model: every layout must train it alike."""

from __future__ import annotations

import pytest
from tests.profilers.megatron.cases import FAMILIES
from tests.profilers.megatron.conftest import Trained

DECIMALS = 4

ALIKE = [
    pytest.param(family, world, name, id=f"{family}, {name}")
    for family, (_, worlds) in FAMILIES.items()
    for world, configurations in worlds.items()
    for name in configurations
    if name != "reference"
]


@pytest.mark.parametrize(("family", "world", "name"), ALIKE)
def test_every_layout_trains_the_same_model(trained: Trained, family: str, world: int, name: str):
    reference = trained(1, f"{family}: reference")["losses"]
    assert trained(world, f"{family}: {name}")["losses"] == pytest.approx(reference, abs=10**-DECIMALS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls_from_step_to_step_on_the_same_batch(trained: Trained, family: str):
    first, second, third, _ = trained(1, f"{family}: reference")["losses"]
    assert first - 0.1 > second > third + 0.05


def test_families_are_different_models(trained: Trained):
    references = {family: tuple(trained(1, f"{family}: reference")["losses"]) for family in FAMILIES}
    assert len(set(references.values())) == len(FAMILIES)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_in_16_bits_the_loss_is_about_the_same(trained: Trained, precision: str):
    reference = trained(1, "dense: reference")["losses"]
    assert trained(1, precision)["losses"] == pytest.approx(reference, rel=0.005)
    assert trained(1, precision)["losses"] != pytest.approx(reference, abs=10**-DECIMALS / 2)


def test_a_pipeline_with_a_distributed_optimizer_trains_alike_in_16_bits(trained: Trained):
    assert trained(2, "bf16 pipeline")["losses"] == pytest.approx(trained(1, "bf16")["losses"], abs=10**-DECIMALS)


def test_packed_samples_train_as_those_that_have_a_row_each(trained: Trained):
    packed, loose = trained(1, "file packed"), trained(1, "file loose")
    assert packed["losses"] == pytest.approx(loose["losses"], abs=10**-DECIMALS)
    assert packed["ranks"][0]["counted"] == loose["ranks"][0]["counted"] == 256 - 8
    assert packed["ranks"][0]["tokens"] == loose["ranks"][0]["tokens"] == 256


def test_a_token_file_is_read_as_one_text_where_there_are_no_samples(trained: Trained):
    text = trained(1, "file text")
    assert text["ranks"][0]["counted"] == text["ranks"][0]["tokens"] == 4 * 64
    assert text["losses"][0] > text["losses"][1] > text["losses"][2]


@pytest.mark.parametrize(("name", "family"), [("batched virtual pipeline", "dense"), ("replicated experts", "experts")])
def test_what_is_refused_because_it_trains_wrongly_does_so_without_an_error(trained: Trained, name: str, family: str):
    reference = trained(1, f"{family}: reference")["losses"]
    assert trained(2, name)["losses"] != pytest.approx(reference, abs=10**-DECIMALS)


@pytest.mark.parametrize(
    ("name", "buckets"),
    [
        ("dense: dp2", 1),
        ("dense: dp2 three buckets", 3),
        ("dense: dp2 small buckets", 6),
        ("dense: dp2 all overlapped", 3),
        ("dense: dp2 distributed optimizer", 1),
    ],
)
def test_gradients_are_reduced_in_as_many_buckets_as_asked_for(trained: Trained, name: str, buckets: int):
    assert [rank["buckets"] for rank in trained(2, name)["ranks"]] == [buckets, buckets]


@pytest.mark.parametrize(
    ("world", "name", "share"), [(2, "tp2", 2), (2, "pp2", 2), (2, "pp2 vpp2", 2), (2, "dp2", 1), (4, "tp2 pp2", 4)]
)
def test_weights_are_spread_as_the_degrees_say(trained: Trained, world: int, name: str, share: int):
    whole = trained(1, "dense: reference")["ranks"][0]["parameters"]
    parts = [rank["parameters"] for rank in trained(world, f"dense: {name}")["ranks"]]
    # Norms are not split.
    assert all(part == pytest.approx(whole / share, rel=0.02) for part in parts)


def test_experts_are_spread_over_their_ranks(trained: Trained):
    whole = trained(1, "experts: reference")["ranks"][0]
    half = trained(2, "experts: ep2")["ranks"][0]
    experts = 4 * 4 * 3 * 64 * 64
    assert half["parameters"] == whole["parameters"] - experts / 2
