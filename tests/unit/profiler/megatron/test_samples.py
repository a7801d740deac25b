from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscout_profiler.megatron.samples import (
    SyntheticSamples,
    SyntheticText,
    pack,
    sample_rows,
    zigzag,
)

TEXT = SyntheticText(batch=8, sequence=256, vocabulary=1000)
PACKED = SyntheticSamples(batch=8, sequence=256, vocabulary=1000, packed=True)


def test_synthetic_text_is_the_same_whoever_asks_and_differs_from_step_to_step():
    whole = TEXT.rows(0, range(8)).tokens
    np.testing.assert_array_equal(TEXT.rows(0, [5, 2]).tokens, whole[[5, 2]])
    assert (TEXT.rows(1, range(8)).tokens != whole).mean() > 0.9
    assert len({row.tobytes() for row in whole}) == 8


def test_synthetic_text_can_be_learned():
    rows = TEXT.rows(0, range(8))
    following = (rows.tokens * 31 + 1) % 1000
    assert 0.87 < (rows.labels == following).mean() < 0.93


def test_labels_are_the_tokens_that_follow():
    rows = TEXT.rows(0, [0])
    np.testing.assert_array_equal(rows.labels[0, :-1], rows.tokens[0, 1:])
    assert rows.counted.all()
    assert (rows.segments == 0).all()


def test_samples_lie_behind_each_other_and_know_nothing_of_each_other():
    rows = sample_rows([[np.array([1, 2, 3]), np.array([7, 8])]], 7)
    np.testing.assert_array_equal(rows.tokens, [[1, 2, 3, 7, 8, 0, 0]])
    np.testing.assert_array_equal(rows.segments, [[0, 0, 0, 1, 1, 2, 2]])
    np.testing.assert_array_equal(rows.counted, [[True, True, False, True, False, False, False]])
    np.testing.assert_array_equal(rows.labels[rows.counted], [2, 3, 8])


@pytest.mark.parametrize("packed", [True, False])
def test_synthetic_samples_fill_rows_with_the_lengths_that_they_say(packed: bool):
    source = SyntheticSamples(batch=16, sequence=256, vocabulary=1000, packed=packed)
    rows = source.rows(0, range(16))
    lengths = source.lengths(0)
    assert rows.counted.sum() == sum(lengths) - len(lengths)
    assert len(lengths) > 16 if packed else len(lengths) == 16
    assert all(8 <= length <= 256 for length in lengths)
    assert len(set(lengths)) > 5


def test_one_context_rank_has_all_positions_of_any_sequence():
    np.testing.assert_array_equal(zigzag(7, 1, 0), range(7))


def test_packing_wastes_less():
    loose = SyntheticSamples(batch=8, sequence=256, vocabulary=1000, packed=False)
    assert sum(PACKED.lengths(0)) > 2 * sum(loose.lengths(0))


@given(st.lists(st.integers(1, 40), max_size=50), st.integers(1, 32))
def test_packing_keeps_all_samples_in_order_and_overfills_no_row(lengths: list[int], sequence: int):
    rows = pack(lengths, sequence)
    assert [number for row in rows for number in row] == list(range(len(lengths)))
    assert all(sum(min(lengths[number], sequence) for number in row) <= sequence for row in rows)


@given(st.integers(1, 8), st.integers(1, 4))
def test_context_ranks_share_all_positions_and_the_work(ranks: int, chunk: int):
    sequence = 2 * ranks * chunk
    parts = [zigzag(sequence, ranks, rank) for rank in range(ranks)]
    assert sorted(np.concatenate(parts)) == list(range(sequence))
    # Position p sees p + 1 tokens: all ranks have equally many pairs.
    assert len({int((part + 1).sum()) for part in parts}) == 1
