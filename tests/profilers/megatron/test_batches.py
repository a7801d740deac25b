"""From rows to what one rank's model gets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.profilers.megatron.cases import PACKED, workload

from autoscout_profiler.megatron import settings
from autoscout_profiler.megatron.attention import hidden_pairs
from autoscout_profiler.megatron.batches import Batches, MicroBatch, Share, sample_ends
from autoscout_profiler.megatron.samples import sample_rows, zigzag

HOST = torch.device("cpu")
ALONE = Share(0, 0)


def batches(configuration, given, share=ALONE, *, world=1, transformer_engine=False) -> Batches:
    trial = settings.read(configuration, given, world=world, default_precision="fp32")
    return Batches(trial, share, HOST, transformer_engine=transformer_engine)


def test_data_parallel_ranks_share_the_rows_whatever_the_micro_batch():
    whole = batches({"mbs": 8}, workload()).load(0).micro_batches[0].tokens
    for size in (1, 2, 4):
        parts = [batches({"mbs": size}, workload(), Share(rank, 0), world=2).load(0) for rank in (0, 1)]
        assert [len(part.micro_batches) for part in parts] == [4 // size] * 2
        found = torch.cat([torch.cat([each.tokens for each in part.micro_batches]) for part in parts])
        assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, whole.tolist()))


def test_context_parallel_ranks_share_the_positions():
    parts = [batches({"cp": 2}, workload(), Share(0, rank), world=2).load(0).micro_batches[0] for rank in (0, 1)]
    positions = torch.cat([part.positions for part in parts], dim=1)
    whole = batches({}, workload()).load(0).micro_batches[0]
    order = positions[0].argsort()
    torch.testing.assert_close(torch.cat([part.tokens for part in parts], dim=1)[:, order], whole.tokens)


def test_transformer_engine_gets_joined_rows_and_where_samples_end():
    masked = batches({"mbs": 2}, PACKED).load(0)
    joined = batches({"mbs": 2}, PACKED, transformer_engine=True).load(0)
    for ours, theirs in zip(masked.micro_batches, joined.micro_batches, strict=True):
        torch.testing.assert_close(theirs.tokens, ours.tokens.reshape(1, -1))
        torch.testing.assert_close(theirs.counted, ours.counted.reshape(1, -1))
        assert theirs.segments is None
        assert theirs.ends is not None
        assert theirs.ends.dtype == torch.int32
        assert (theirs.ends[0], theirs.ends[-1]) == (0, 2 * 64)
        assert (theirs.ends.diff() > 0).all()


def test_the_ends_of_samples_and_rows():
    rows = sample_rows([[np.array([1, 2, 3]), np.array([7, 8])], [np.array([4])]], 6)
    np.testing.assert_array_equal(sample_ends(rows), [0, 3, 5, 6, 7, 12])


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_token_sees_those_before_it_in_its_own_sample(ranks: int):
    sequence = 16
    segments = torch.tensor([[0] * 5 + [1] * 8 + [2] * 3, [0] * 16])
    keys = np.concatenate([zigzag(sequence, ranks, each) for each in range(ranks)])
    for rank in range(ranks):
        hidden = hidden_pairs(segments, sequence, ranks, rank, HOST)
        queries = zigzag(sequence, ranks, rank)
        assert hidden.shape == (2, 1, sequence // ranks, sequence)
        for row in range(2):
            for index, query in enumerate(queries):
                seen = {int(key) for key, hide in zip(keys, hidden[row, 0, index], strict=True) if not hide}
                assert seen == {key for key in range(query + 1) if segments[row, key] == segments[row, query]}


def test_a_micro_batch_moves_as_a_whole():
    part = batches({}, workload(shape={"kind": "vision-language", "imageTokens": 4})).load(0).micro_batches[0]
    moved = part.on(torch.device("meta"))
    assert isinstance(moved, MicroBatch)
    assert {moved.tokens.device.type, moved.patches.device.type} == {"meta"}
    assert moved.segments is None
