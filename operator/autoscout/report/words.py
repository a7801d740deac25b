"""Numbers as people read them."""

from __future__ import annotations

import math

DASH = "-"
"""What stands where there is no value."""


def number(value: float | None) -> str:
    """Four significant digits without an exponent where that stays short: `0.01234`, `1.5`, `41230`, `1.2e-07`."""
    if value is None:
        return DASH
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(value)
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4 or magnitude > 8:
        return f"{value:.3e}"
    text = f"{value:.{max(0, 3 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def times(ratio: float | None) -> str:
    """A speed-up: `1.87x`; a dash where it means nothing."""
    return DASH if ratio is None else f"{ratio:.2f}x"


def duration(seconds: float) -> str:
    """A wall time: `0.4 s`, `41 s`, `2 min 05 s`, `1 h 12 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def count(amount: int, noun: str) -> str:
    """`1 profile`, `2 profiles`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"
