"""What is trained on: rows of tokens, each one stretch of text or several samples. Pure: the same for the same seed.

Synthetic text can be learned: each token is followed by the same one most of the time, so that the loss falls as it
does on real text. Lengths of synthetic samples vary as those of conversations do, by a log-normal distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SEED = 1234
SURPRISE = 0.1
"""Share of the tokens that don't follow from the one before."""
SHORTEST_SAMPLE = 8
SPREAD = 0.8
"""Standard deviation of the logarithm of a synthetic sample's length."""
_MULTIPLIER = 31


@dataclass(frozen=True)
class Rows:
    """Sequences to train on. Arrays are [rows, sequence].

    Attributes:
        tokens: the input.
        labels: the token that follows each.
        counted: whether the label of a position counts in the loss.
        segments: which sample of its row a position belongs to; attention stays within it. Padding is a segment too.
    """

    tokens: Tokens
    labels: Tokens
    counted: Flags
    segments: Tokens


class Source(Protocol):
    """Global batches, counted by steps; any rank may ask for any of their rows."""

    def rows(self, step: int, indices: Sequence[int]) -> Rows:
        """Some rows of a step's batch."""
        ...

    def lengths(self, step: int) -> list[int]:
        """Tokens of every sample of a step's batch, padding left out."""
        ...


@dataclass(frozen=True)
class SyntheticText:
    """Rows that are one stretch of text each.

    Attributes:
        batch: rows of a step.
        sequence: tokens of a row.
        vocabulary: tokens that there are.
    """

    batch: int
    sequence: int
    vocabulary: int

    def rows(self, step: int, indices: Sequence[int]) -> Rows:
        """As `Source`."""
        return text_rows(_chains([_generator(step, row) for row in indices], self.sequence + 1, self.vocabulary))

    def lengths(self, step: int) -> list[int]:  # noqa: ARG002 - every step has the same
        """As `Source`."""
        return [self.sequence] * self.batch


@dataclass(frozen=True)
class SyntheticSamples:
    """Rows that hold samples of different lengths.

    Attributes:
        batch, sequence, vocabulary: as for text.
        packed: whether a row holds as many samples as fit; else one.
    """

    batch: int
    sequence: int
    vocabulary: int
    packed: bool

    def rows(self, step: int, indices: Sequence[int]) -> Rows:
        """As `Source`."""
        return sample_rows(
            [
                [
                    _chains([_generator(step, row, index)], size, self.vocabulary)[0]
                    for index, size in self._sizes(step, row)
                ]
                for row in indices
            ],
            self.sequence,
        )

    def lengths(self, step: int) -> list[int]:
        """As `Source`."""
        return [size for row in range(self.batch) for _, size in self._sizes(step, row)]

    def _sizes(self, step: int, row: int) -> Iterator[tuple[int, int]]:
        """Number and length of each sample of a row."""
        generator = _generator(step, row)
        median = max(SHORTEST_SAMPLE, self.sequence // 8)
        index, used = 0, 0
        while True:
            drawn = int(generator.lognormal(np.log(median), SPREAD))
            size = min(max(drawn, SHORTEST_SAMPLE), self.sequence)
            if used + size > self.sequence:
                return
            yield index, size
            index, used = index + 1, used + size
            if not self.packed:
                return


def text_rows(tokens: Tokens) -> Rows:
    """Rows of one stretch of text each.

    Args:
        tokens: [rows, sequence + 1].
    """
    inputs = tokens[:, :-1]
    return Rows(inputs, tokens[:, 1:], np.ones(inputs.shape, bool), np.zeros(inputs.shape, np.int64))


def sample_rows(samples: Sequence[Sequence[Tokens]], sequence: int) -> Rows:
    """Rows of samples, one behind the other, and padding.

    Args:
        samples: of each row, at most `sequence` tokens together.
        sequence: tokens of a row.
    """
    shape = (len(samples), sequence)
    rows = Rows(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, np.int64))
    for row, parts in enumerate(samples):
        begin = 0
        for number, part in enumerate(parts):
            end = begin + len(part)
            rows.tokens[row, begin:end] = part
            # The last token of a sample has none that follows it.
            rows.labels[row, begin : end - 1] = part[1:]
            rows.counted[row, begin : end - 1] = True
            rows.segments[row, begin:end] = number
            begin = end
        rows.segments[row, begin:] = len(parts)
    return rows


def pack(lengths: Sequence[int], sequence: int) -> list[list[int]]:
    """Which samples share a row, in their order: a row ends where the next sample no longer fits.

    Args:
        lengths: tokens of each sample; longer ones are taken to be cut to `sequence`.
        sequence: tokens of a row.

    Returns:
        The numbers of the samples of each row.
    """
    rows: list[list[int]] = []
    room = 0
    for number, length in enumerate(lengths):
        size = min(length, sequence)
        if size > room or not rows:
            rows.append([])
            room = sequence
        rows[-1].append(number)
        room -= size
    return rows


def zigzag(sequence: int, ranks: int, rank: int) -> Tokens:
    """The positions of a sequence that a context-parallel rank has: chunk `rank` from the front and from the back.

    A token attends to those before it, so a plain split would leave the first rank with little to do. This is the
    order that Megatron's rotary embedding and Transformer Engine's ring expect.
    """
    if ranks == 1:
        return np.arange(sequence)
    chunks = np.arange(sequence).reshape(2 * ranks, -1)
    return np.concatenate([chunks[rank], chunks[2 * ranks - 1 - rank]])


def _chains(generators: Sequence[np.random.Generator], size: int, vocabulary: int) -> Tokens:
    """One chain of tokens for each generator: [generators, size]."""
    fresh = np.stack([generator.integers(0, vocabulary, size) for generator in generators])
    surprising = np.stack([generator.random(size) < SURPRISE for generator in generators])
    tokens = np.empty((len(generators), size), np.int64)
    tokens[:, 0] = fresh[:, 0]
    for position in range(1, size):
        following = (tokens[:, position - 1] * _MULTIPLIER + 1) % vocabulary
        tokens[:, position] = np.where(surprising[:, position], fresh[:, position], following)
    return tokens


def _generator(*numbers: int) -> np.random.Generator:
    return np.random.default_rng((SEED, *numbers))
