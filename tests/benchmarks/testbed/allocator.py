"""A caching allocator: memory is taken from the GPU in segments, split, joined again, and rarely given back.

The rules are those that PyTorch documents for its CUDA allocator; what a process holds is what it reserved.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

MIB = 2**20
_ROUND = 512
_SMALL_SEGMENT = 20 * MIB
_OWN_SEGMENT = 10 * MIB
_REST = MIB


class OutOfMemoryError(Exception):
    """A request does not fit, even after all that is unused was given back."""


@dataclass(eq=False)
class Block:
    """A piece of a segment; the pieces of one are linked in order of address."""

    size: int
    serial: int
    free: bool = True
    before: Block | None = None
    after: Block | None = None

    @property
    def whole(self) -> bool:
        """Whether it is a segment of its own."""
        return self.before is None and self.after is None


class Allocator:
    """The allocator of one GPU.

    Attributes:
        reserved: bytes taken from the GPU.
        allocated: bytes in use.
        peak: the most that was reserved.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.reserved = self.allocated = self.peak = 0
        self._free: list[tuple[int, int]] = []
        self._blocks: dict[int, Block] = {}
        self._serial = 0

    @property
    def unused(self) -> int:
        """Bytes of free pieces."""
        return sum(size for size, _ in self._free)

    def allocate(self, size: float) -> Block:
        """A piece of at least `size` bytes: the smallest free one that is large enough, else of a new segment.

        Raises:
            OutOfMemoryError: see the class.
        """
        wanted = max(_ROUND, -(-int(size) // _ROUND) * _ROUND)
        block = self._found(wanted) or self._segment(wanted)
        if block.size - wanted > _REST:
            self._split(block, wanted)
        block.free = False
        self.allocated += block.size
        return block

    def release(self, block: Block) -> None:
        """Give a piece back to the allocator, which joins it with free neighbours."""
        self.allocated -= block.size
        block.free = True
        if block.before is not None and block.before.free:
            block = self._joined(block.before, block)
        if block.after is not None and block.after.free:
            block = self._joined(block, block.after)
        insort(self._free, (block.size, block.serial))

    def _found(self, wanted: int) -> Block | None:
        place = bisect_left(self._free, (wanted, 0))
        if place == len(self._free):
            return None
        return self._blocks[self._free.pop(place)[1]]

    def _segment(self, wanted: int) -> Block:
        size = _SMALL_SEGMENT if wanted < _OWN_SEGMENT else -(-wanted // (2 * MIB)) * 2 * MIB
        if self.reserved + size > self.limit:
            self._give_back()
        if self.reserved + size > self.limit:
            raise OutOfMemoryError
        self.reserved += size
        self.peak = max(self.peak, self.reserved)
        return self._new(size)

    def _new(self, size: int) -> Block:
        self._serial += 1
        block = self._blocks[self._serial] = Block(size, self._serial)
        return block

    def _split(self, block: Block, wanted: int) -> None:
        rest = self._new(block.size - wanted)
        rest.before, rest.after = block, block.after
        if block.after is not None:
            block.after.before = rest
        block.after, block.size = rest, wanted
        insort(self._free, (rest.size, rest.serial))

    def _joined(self, first: Block, second: Block) -> Block:
        for block in (first, second):
            place = bisect_left(self._free, (block.size, block.serial))
            if place < len(self._free) and self._free[place] == (block.size, block.serial):
                del self._free[place]
        first.size += second.size
        first.after = second.after
        if second.after is not None:
            second.after.before = first
        del self._blocks[second.serial]
        return first

    def _give_back(self) -> None:
        """Return whole segments that nobody uses."""
        kept = []
        for size, serial in self._free:
            if self._blocks[serial].whole:
                self.reserved -= size
                del self._blocks[serial]
            else:
                kept.append((size, serial))
        self._free = kept
