"""Mean and interval over training seeds, and which rows share the best place.

    mean +- t(0.975, n-1) * s / sqrt(n)        s: sample standard deviation (n-1), t: Student's quantile

Seeds are the unit: sampling noise inside one training seed is averaged out before, never counted as more seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

LEVEL = 0.95
FEWEST = 3  # with two seeds the t interval is 12.7 standard errors wide: no information, so none is shown


@dataclass(frozen=True)
class Interval:
    """Mean of `seeds` values and its 95 % interval; low and high are NaN where no interval can be stated."""

    value: float
    low: float
    high: float
    seeds: int


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, independent of order; NaN if empty or if any value is NaN."""
    if not values:
        return math.nan
    if not all(map(math.isfinite, values)):
        return float(sum(values)) / len(values)
    return math.fsum(values) / len(values)


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % Student-t interval of one value per training seed.

    Low and high are NaN with fewer than three seeds or a value that is not finite (a NaN also makes the mean NaN).
    """
    centre, seeds = mean(values), len(values)
    if seeds < FEWEST or not math.isfinite(centre):
        return Interval(centre, math.nan, math.nan, seeds)
    variance = math.fsum((value - centre) ** 2 for value in values) / (seeds - 1)
    half = float(stdtrit(seeds - 1, 0.5 + LEVEL / 2)) * math.sqrt(variance / seeds)
    return Interval(centre, centre - half, centre + half, seeds)


def ties_with_best(entries: Sequence[Interval], better: str = "lower") -> list[bool]:
    """Which entries are best or tie with the best: their interval overlaps the best one's.

    An entry without interval counts as a point. NaN is never best. `better` is "lower" or "higher".
    """
    sign = -1 if better == "higher" else 1
    ranked = [sign * entry.value for entry in entries if not math.isnan(entry.value)]
    if not ranked:
        return [False] * len(entries)
    best = next(entry for entry in entries if sign * entry.value == min(ranked))
    return [not math.isnan(entry.value) and _overlap(entry, best) for entry in entries]


def _overlap(a: Interval, b: Interval) -> bool:
    (a_low, a_high), (b_low, b_high) = _ends(a), _ends(b)
    return a_low <= b_high and b_low <= a_high


def _ends(entry: Interval) -> tuple[float, float]:
    return (entry.value, entry.value) if math.isnan(entry.low) else (entry.low, entry.high)
