"""Pipeline schedules, played through: who runs what when. 1F1B and its interleaved form (Narayanan et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Work(NamedTuple):
    """One pass of one micro-batch through one chunk of a stage."""

    backward: bool
    microbatch: int
    chunk: int


@dataclass(frozen=True)
class Timeline:
    """What every stage ran.

    Attributes:
        orders: of each stage.
        ends: of each stage, seconds since the iteration began.
    """

    orders: tuple[tuple[Work, ...], ...]
    ends: tuple[tuple[float, ...], ...]

    @property
    def seconds(self) -> float:
        return max(ends[-1] for ends in self.ends)


def order(stage: int, stages: int, microbatches: int, chunks: int) -> tuple[Work, ...]:
    """What a stage runs, one after another.

    Raises:
        ValueError: interleaved, and the micro-batches are no multiple of the stages.
    """
    total = microbatches * chunks
    if chunks == 1:
        warm = min(stages - stage - 1, microbatches)
    elif microbatches % stages:
        raise ValueError(f"{microbatches} micro-batches can't be interleaved over {stages} stages")
    else:
        warm = total if microbatches == stages else min((stages - stage - 1) * 2 + (chunks - 1) * stages, total)
    work = [_pass(number, stages, chunks, backward=False) for number in range(warm)]
    for number in range(total - warm):
        work.append(_pass(warm + number, stages, chunks, backward=False))
        work.append(_pass(number, stages, chunks, backward=True))
    work += [_pass(number, stages, chunks, backward=True) for number in range(total - warm, total)]
    return tuple(work)


def _pass(number: int, stages: int, chunks: int, *, backward: bool) -> Work:
    if chunks == 1:
        return Work(backward, number, 0)
    group, inside = divmod(number, stages * chunks)
    chunk, offset = divmod(inside, stages)
    return Work(backward, group * stages + offset, chunks - 1 - chunk if backward else chunk)


def play(stages: int, microbatches: int, chunks: int, seconds: Callable[[int, Work], float], hop: float) -> Timeline:
    """Run the schedule.

    Args:
        seconds: of one pass on a stage.
        hop: seconds from the end of a pass until its result is on the next stage.
    """
    orders = tuple(order(stage, stages, microbatches, chunks) for stage in range(stages))
    ended: dict[tuple[int, Work], float] = {}
    ends: list[list[float]] = [[] for _ in range(stages)]
    remaining = sum(map(len, orders))
    while remaining:
        before = remaining
        for stage in range(stages):
            while len(ends[stage]) < len(orders[stage]):
                work = orders[stage][len(ends[stage])]
                arrived = _arrival(stage, work, stages, chunks, ended, hop)
                if arrived is None:
                    break
                start = max(arrived, ends[stage][-1] if ends[stage] else 0.0)
                end = start + seconds(stage, work)
                ends[stage].append(end)
                ended[stage, work] = end
                remaining -= 1
        if remaining == before:
            raise RuntimeError("the schedule waits for itself")
    return Timeline(orders, tuple(map(tuple, ends)))


def _arrival(
    stage: int, work: Work, stages: int, chunks: int, ended: dict[tuple[int, Work], float], hop: float
) -> float | None:
    """When what a pass needs is there; None: not yet known."""
    place = work.chunk * stages + stage
    needed = place + 1 if work.backward else place - 1
    if needed < 0:
        return 0.0
    if needed == stages * chunks:
        # The loss: backward follows forward on the same GPU.
        return ended.get((stage, Work(False, work.microbatch, work.chunk)))
    chunk, other = divmod(needed, stages)
    end = ended.get((other, Work(work.backward, work.microbatch, chunk)))
    return None if end is None else end + (hop if other != stage else 0.0)
