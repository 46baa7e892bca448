"""Ranks with ties: which methods of a column can be told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from results.statistics.intervals import LEVEL, Interval

Floats = NDArray[np.float64]


def ranks(entries: Sequence[Interval], better: str = "lower") -> list[tuple[int, int] | None]:
    """For each entry the range of ranks that the data allow, (1, 3) for example; None where nothing can be said.

    A method's range begins after those that are significantly better and ends before those that are significantly worse:
    Welch's t test, one-sided at 2.5 % / (k - 1) for k methods. Then, for any k,

    * a method's true rank lies outside its range in at most 5 % of tables;
    * two methods of equal truth are ranked apart (their ranges share no rank) in at most 5 %;
    * a truly best method is not among the best (range from 1) in at most 2.5 %.

    Each holds for one method or one pair, not for the whole table at once. Entries without an interval over training seeds
    have no range: their spread is unknown. `better` is "lower" or "higher".
    """
    known = [i for i, entry in enumerate(entries) if entry.kind == "training"]
    found: list[tuple[int, int] | None] = [None] * len(entries)
    if known:
        sign = -1.0 if better == "higher" else 1.0
        value = sign * np.array([entries[i].value for i in known])
        beats = _beats(value, np.array([entries[i].error for i in known]), np.array([entries[i].seeds for i in known]))
        low, high = 1 + beats.sum(0), len(known) - beats.sum(1)
        for place, i in enumerate(known):
            found[i] = (int(low[place]), int(high[place]))
    return found


def _beats(value: Floats, error: Floats, seeds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """beats[i, j]: i is significantly lower than j."""
    count = len(value)
    level = (1 - LEVEL) / 2 / max(1, count - 1)
    share, freedom = error**2, seeds - 1.0
    spread = share[:, None] + share
    difference = value - value[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference > 0, difference / np.sqrt(spread), 0.0)
        freedom = spread**2 / ((share**2 / freedom)[:, None] + share**2 / freedom)
    freedom = np.where(np.isfinite(freedom), freedom, float(np.min(seeds)) - 1)  # two spreads of zero
    beats = t >= stdtrit(float(np.min(seeds)) - 1, 1 - level)  # significant even with the fewest degrees of freedom
    unclear = ~beats & (t > stdtrit(2.0 * float(np.max(seeds)) - 2, 1 - level))
    beats[unclear] = stdtr(freedom[unclear], -t[unclear]) <= level
    return beats
