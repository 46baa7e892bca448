"""The range of an axis that shows how methods differ: what lies far outside is marked at its edge."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

FAR, TAIL = 2.5, 0.8
NEAR = 1.5  # a reference within this factor of the methods' range widens it


@dataclass(frozen=True)
class Window:
    """`low` to `high` is shown; logarithmic where every value is positive."""

    low: float
    high: float
    logarithmic: bool = True

    def inside(self, value: float) -> bool:
        return self.low <= value <= self.high

    def clipped(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def place(self, value: float) -> float:
        """A value's height, 0 at the bottom to 1 at the top, of a logarithmic axis."""
        return math.log(self.clipped(value) / self.low) / math.log(self.high / self.low)


def window(values: Iterable[float], references: Iterable[float], better: str) -> Window:
    """The range for the methods' values.

    If the worst is far out (FAR twice beyond the worst of the best TAIL), the range ends at the last value within FAR of those.
    References widen the range only where they are near it. Nothing is cut where a value is not positive, or neither direction
    is better.
    """
    own = np.sort([value for value in values if math.isfinite(value)])
    other = [value for value in references if math.isfinite(value)]
    if not len(own) or own[0] <= 0:
        every = [*own, *other] or [1.0]
        if min(every) <= 0:
            return Window(min(every), max(every), False)
        own = np.sort(every)
    low, high = float(own[0]), float(own[-1])
    if better == "lower" and high > FAR**2 * (end := float(own[int(TAIL * (len(own) - 1))])):
        high = float(own[own <= FAR * end][-1])
    if better == "higher" and low < (end := float(own[math.ceil((1 - TAIL) * (len(own) - 1))])) / FAR**2:
        low = float(own[own >= end / FAR][0])
    near = [value for value in other if low / NEAR <= value <= high * NEAR]
    low, high = min([low, *near]), max([high, *near])
    margin = max((high / low) ** 0.06, 1.05)
    return Window(low / margin, high * margin)
