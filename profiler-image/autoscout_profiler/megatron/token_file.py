"""Training on a token file in Megatron's indexed format (.bin, .idx), as its preprocess_data or our prepare write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from megatron.core.datasets.indexed_dataset import IndexedDataset

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.megatron.prepare import prefix_of
from autoscout_profiler.megatron.samples import Rows, Tokens, pack, sample_rows, text_rows
from autoscout_profiler.megatron.shape import Task

FIELD = "workload.data.path"


class TokenFile:
    """Global batches from a file, from its beginning on; behind its end it begins again."""

    def __init__(self, task: Task, vocabulary: int) -> None:
        """Open the file.

        Args:
            task: gives the path and the form of the rows.
            vocabulary: tokens that the model knows.

        Raises:
            InvalidConfiguration: the file is missing, no indexed token file, empty, or of another vocabulary.
        """
        self._task = task
        prefix = prefix_of(task.path or "")
        try:
            self._dataset = IndexedDataset(str(prefix))
        except (AssertionError, OSError, ValueError) as error:
            raise InvalidConfiguration(
                FIELD, f"no indexed token file {prefix}.bin with {prefix}.idx ({error}): megatron.prepare writes one"
            ) from error
        self._lengths = [int(length) for length in self._dataset.sequence_lengths]
        if sum(self._lengths) <= task.sequence:
            raise InvalidConfiguration(
                FIELD, f"{sum(self._lengths)} tokens are less than one sequence of {task.sequence}"
            )
        largest = max(int(self._dataset[number].max()) for number in range(min(len(self._lengths), task.batch)))
        if largest >= vocabulary:
            raise InvalidConfiguration(
                FIELD, f"holds token {largest}, but vocabSize is {vocabulary}: another tokenizer's"
            )
        self._ends = np.cumsum(self._lengths)
        self._packed = self._rows_of_samples() if task.samples else []

    def rows(self, step: int, indices: Sequence[int]) -> Rows:
        """As `samples.Source`."""
        numbers = [step * self._task.batch + row for row in indices]
        if self._task.samples:
            return sample_rows(
                [[self._sample(each) for each in self._samples_of(row)] for row in numbers], self._task.sequence
            )
        return text_rows(np.stack([self._stretch(row) for row in numbers]))

    def lengths(self, step: int) -> list[int]:
        """As `samples.Source`."""
        batch, sequence = self._task.batch, self._task.sequence
        if not self._task.samples:
            return [sequence] * batch
        rows = range(step * batch, (step + 1) * batch)
        return [min(self._lengths[each], sequence) for row in rows for each in self._samples_of(row)]

    def _rows_of_samples(self) -> list[list[int]]:
        if self._task.packed:
            return pack(self._lengths, self._task.sequence)
        return [[number] for number in range(len(self._lengths))]

    def _samples_of(self, row: int) -> list[int]:
        return self._packed[row % len(self._packed)]

    def _sample(self, number: int) -> Tokens:
        return np.asarray(self._dataset.get(number, 0, min(self._lengths[number], self._task.sequence)), np.int64)

    def _stretch(self, row: int) -> Tokens:
        """`sequence + 1` tokens of the documents, read as one text."""
        size = self._task.sequence + 1
        begin = row * self._task.sequence % (int(self._ends[-1]) - size + 1)
        parts: list[Tokens] = []
        document = int(np.searchsorted(self._ends, begin, side="right"))
        offset = begin - (int(self._ends[document - 1]) if document else 0)
        missing = size
        while missing:
            taken = min(missing, self._lengths[document] - offset)
            if taken:
                parts.append(np.asarray(self._dataset.get(document, offset, taken), np.int64))
            missing, document, offset = missing - taken, document + 1, 0
        return np.concatenate(parts)
