"""Seconds of single kernels: tiles in waves over multiprocessors, memory streams that need size to get up to speed.

The efficiencies are assumptions of the order that cuBLAS and FlashAttention are known for; none was fitted.
"""

from __future__ import annotations

import math
from functools import cache

from tests.benchmarks.testbed.cards import Card

TILES = ((256, 128, 0.93), (128, 128, 0.86), (128, 64, 0.73), (64, 64, 0.55))
"""Rows and columns of an output tile, and the share of a multiprocessor's peak that its main loop reaches."""
_PROLOGUE = 1.4e-6
"""Seconds until the first stage of a tile's pipeline is loaded, and its result is stored."""
_STREAM = 0.9
"""Share of the memory bandwidth that a long stream reaches."""
_RAMP = 6e-6
"""Seconds of a stream that are lost to getting up to speed."""
_LAUNCH = 2e-6
"""Seconds between two kernels on the GPU."""
_FLASH_ROWS = 128
_FLASH = {"forward": 0.62, "backward": 0.48}


@cache
def gemm(card: Card, m: int, n: int, k: int, sms: int | None = None) -> float:
    """A bf16 product [m, k] x [k, n] on some or all multiprocessors; the library picks tiles and splits of k."""
    return grouped_gemm(card, (m,), n, k, sms)


@cache
def grouped_gemm(card: Card, rows: tuple[int, ...], n: int, k: int, sms: int | None = None) -> float:
    """Products that share n and k in one kernel: the experts of a layer."""
    on = sms or card.sms
    speed = card.flops * card.clock / card.sms
    total = sum(rows)
    best = math.inf
    for tall, wide, share in TILES:
        tiles = sum(math.ceil(m / tall) for m in rows) * math.ceil(n / wide)
        for split in (1, 2, 4, 8):
            if split > 1 and k // split < 512:
                break
            waves = math.ceil(tiles * split / on)
            one = 2.0 * tall * wide * (k / split) / (speed * share) + _PROLOGUE
            joined = 0.0 if split == 1 else stream(card, 4.0 * total * n * (split + 1))
            best = min(best, waves * one + joined)
    moved = 2.0 * (total * k + sum(1 for m in rows if m) * k * n + total * n) / (card.bandwidth * _STREAM)
    # Loads and products overlap, but not wholly: the slower one sets the pace, a tenth of the other shows.
    return max(best, moved) + 0.1 * min(best, moved) + _LAUNCH


def stream(card: Card, moved: float) -> float:
    """Element-wise work that reads and writes so many bytes."""
    return moved / (card.bandwidth * _STREAM) + _RAMP + _LAUNCH if moved else 0.0


@cache
def flash(card: Card, sequences: int, heads: int, queries: int, keys: int, width: int, direction: str) -> float:
    """Fused causal attention of one rank; blocks of query rows in waves over multiprocessors.

    Args:
        keys: that a query sees, on average.
        width: of one head.
        direction: `forward` or `backward`, which has five products for the two of forward.
    """
    blocks = sequences * heads * math.ceil(queries / _FLASH_ROWS)
    products = 4.0 if direction == "forward" else 10.0
    speed = card.flops * card.clock / card.sms * _FLASH[direction]
    one = products * _FLASH_ROWS * keys * width / speed + _PROLOGUE
    # Rows near the end see more keys: the longest block is twice the average, and the last wave waits for it.
    return (blocks / card.sms + 1.0) * one + _LAUNCH if blocks else 0.0
