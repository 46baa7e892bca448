"""Which methods of a column can be told apart: marks, ranks with ties, and which difference would have shown.

A method is told from another by a t test of the difference of their means with the noise of noise.py, one-sided at
2.5 % / (k - 1) for k methods.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtrinc, stdtr, stdtrit

from results.statistics.intervals import FEWEST, LEVEL, POWER, mean
from results.statistics.noise import Noise, paired, pooled

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
BEST, TIED = "best", "tied"


class Entry(NamedTuple):
    """A method in a column: the value of each training seed, the evaluation seeds behind them, and how many of the trainings
    are independent, which is fewer than their seeds where students share a teacher."""

    seeds: Mapping[int, float]
    draws: tuple[tuple[int, ...], ...]
    independent: int


class Standing(NamedTuple):
    """`mark`: BEST, TIED or empty; `low` to `high`: the ranks that the data allow; `detectable`: the smallest true difference
    from a method of the column's usual noise that the test finds with 80 % power."""

    mark: str = ""
    low: float = math.nan
    high: float = math.nan
    detectable: float = math.nan


def standings(entries: Sequence[Entry], better: str = "lower") -> list[Standing]:
    """One Standing per entry; empty ones where no method has three independent trainings, and for what is no number.

    The best mean is BEST. TIED are those that follow it in the order by mean, up to the first that some other is significantly
    better than, which is left out with all behind it: scattering too much to be told from the best earns a method no mark where
    a better mean has none. The ranks of a method begin after those that are significantly better and end before those that are
    significantly worse. Then, as far as the noise is what noise.py says,

    * a method's true rank lies outside its range in at most 5 % of tables;
    * two methods of equal truth are ranked apart (their ranges share no rank) in at most 5 %;
    * a truly best method has no mark in at most 2.5 %, unless it scatters so much more than others that a worse one precedes.

    Each holds for one method or one pair, not for the whole table at once. `better` is "lower", "higher" or "" (no ranks).
    """
    found = [Standing()] * len(entries)
    known = [i for i, entry in enumerate(entries) if entry.seeds and all(map(math.isfinite, entry.seeds.values()))]
    if all(entries[i].independent < FEWEST for i in known):
        return found
    column = _Column([entries[i] for i in known], -1.0 if better == "higher" else 1.0)
    beats, cost = column.beats(), column.cost
    low, high, shown = 1 + beats.sum(0), len(known) - beats.sum(1), column.detectable()
    first = cost[low > 1].min(initial=math.inf)
    for place, i in enumerate(known):
        mark = BEST if cost[place] == cost.min() else TIED if cost[place] < first else ""
        ranked = Standing(mark, int(low[place]), int(high[place])) if better else Standing()
        found[i] = ranked._replace(detectable=float(shown[place]))
    return found


class _Column:
    """The methods of a column on the scale on which they are compared. `sign`: 1 where lower is better, else -1."""

    def __init__(self, entries: Sequence[Entry], sign: float) -> None:
        means = np.array([mean(list(entry.seeds.values())) for entry in entries])
        groups = [np.array(list(entry.seeds.values())) for entry in entries]
        self.logarithmic = all((group > 0).all() for group in groups)
        if self.logarithmic:
            groups = [np.log(group) for group in groups]
        self.cost, self.means, self.sign = sign * means, means, sign
        self.centre = np.array([group.mean() for group in groups])
        self.size = np.array([entry.independent for entry in entries], float)
        self.level = (1 - LEVEL) / 2 / max(1, len(entries) - 1)
        own = np.array([group.var(ddof=1) if len(group) > 1 else 0.0 for group in groups])
        full = [entry.independent == len(entry.seeds) for entry in entries]  # students of one teacher tell nothing of another's
        self.apart = pooled(own, np.where(full, self.size - 1, 0.0))
        self.pairs, self.paired = _pairs(entries, groups)

    def beats(self) -> NDArray[np.bool_]:
        """beats[i, j]: i is significantly better than j."""
        found = self._tested(np.arange(len(self.cost)), self.apart)
        if self.paired is not None:
            found[np.ix_(self.pairs, self.pairs)] = self._tested(self.pairs, self.paired)
        return found & (self.cost[:, None] < self.cost)  # the logarithms' means may stand in another order

    def _tested(self, at: Places, noise: Noise) -> NDArray[np.bool_]:
        share, centre = noise.variance / self.size[at], self.sign * self.centre[at]
        spread, difference = share[:, None] + share, centre - centre[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(difference > 0, difference / np.sqrt(spread), 0.0)
            welch = spread**2 / ((share**2 / noise.freedom)[:, None] + share**2 / noise.freedom)
        freedom = np.where(noise.pooled[:, None] & noise.pooled, noise.freedom, welch)
        found: NDArray[np.bool_] = (t > 0) & (freedom > 0)
        found[found] = stdtr(freedom[found], -t[found]) <= self.level
        return found

    def detectable(self) -> Floats:
        """In units of the value, from a method of the column's usual noise; NaN with fewer than three independent trainings."""
        variance, freedom = self.apart.variance.copy(), self.apart.freedom.copy()
        if self.paired is not None:
            variance[self.pairs], freedom[self.pairs] = self.paired.variance, self.paired.freedom
        usual = mean([v for v, size in zip(variance, self.size, strict=True) if size >= FEWEST])
        error = np.sqrt((np.maximum(variance, usual) + usual) / self.size)
        shown = np.array([_noncentrality(float(f), self.level) for f in freedom]) * error
        size = 2 * np.abs(self.means) * np.sinh(shown / 2) if self.logarithmic else shown
        return np.where(self.size >= FEWEST, size, np.nan)


def _pairs(entries: Sequence[Entry], groups: Sequence[Floats]) -> tuple[Places, Noise | None]:
    """Which methods share training seeds and evaluation noise (the design that most have), and their noise as pairs.

    One of quite another noise is no part of it; nor is a method whose trainings are not independent.
    """
    designs = [(tuple(entry.seeds), entry.draws) if entry.independent == len(entry.seeds) >= FEWEST else None
               for entry in entries]  # fmt: skip
    shared = Counter(design for design in designs if design)
    common = max(shared, key=lambda design: (shared[design], design), default=None)
    at = np.array([i for i, design in enumerate(designs) if design and design == common], int)
    while len(at) > 1:
        noise = paired(np.array([groups[i] for i in at]))
        if noise.pooled.all():
            return at, noise
        at = at[noise.pooled]
    return at[:0], None


def _noncentrality(freedom: float, level: float) -> float:
    """The noncentrality at which the one-sided t test at `level` has its power."""
    return float(nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, 1 - level))) if freedom > 0 else math.nan
