"""Axes: from values to positions, and where the ticks go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LOGARITHMIC_FROM = 8.0
"""Largest over smallest value from which an axis is logarithmic: below, a linear one shows differences better."""


@dataclass(frozen=True)
class Scale:
    """A value axis.

    Attributes:
        low, high: the values at its ends, low < high.
        start, stop: where these ends are drawn.
    """

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Where a value is drawn."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (at - low) / (high - low) * (self.stop - self.start)

    def ticks(self) -> tuple[float, ...]:
        """About five round values within the axis."""
        if not self.logarithmic:
            return _round_values(self.low, self.high)
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1, 2, 5), (1,)):
            ticks = tuple(
                value
                for exponent in exponents
                for step in steps
                if self.low <= (value := step * 10.0**exponent) <= self.high
            )
            if 2 <= len(ticks) <= 8:
                return ticks
        return ticks or (self.low, self.high)


def scale(values: Sequence[float], start: float, stop: float) -> Scale:
    """The axis that shows all values with a little room at both ends; at least one value."""
    low, high = min(values), max(values)
    if low > 0 and high / low > LOGARITHMIC_FROM:
        room = (high / low) ** 0.06
        return Scale(low / room, high * room, start, stop, logarithmic=True)
    room = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    return Scale(low - room, high + room, start, stop)


def _round_values(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return tuple(index * step for index in range(first, last + 1))
