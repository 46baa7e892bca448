"""Means, intervals, and noise in two parts.

Value j of training seed i is  y_ij = mu + a_i + e_ij,  a: the luck of a training, e: the luck of a draw of samples
(evaluation seed). The interval of mu is Student's over the means of the training seeds,

    mean +- t(0.975, n-1) * s / sqrt(n)        s: sample standard deviation (n-1) of the n means

which holds both sources; evaluation seeds are never counted as more seeds. Evaluation seeds share their noise among all
models: what that noise does to all of them alike is not in the interval, and cancels in comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scipy.special import nctdtrinc, stdtrit

LEVEL = 0.95
POWER = 0.8
FEWEST = 3  # with two seeds the t interval is 12.7 standard errors wide: no information, so none is shown


@dataclass(frozen=True)
class Interval:
    """Mean over `seeds` training seeds and its 95 % interval; low and high are NaN where none can be stated.

    `kind` says of what: "training" (training seeds, sampling noise included), "teacher" (the same, but students that share a
    teacher: it says nothing about another teacher), "sampling" (one training seed, evaluation seeds only: how well this one
    network is measured, not what the method does), or "none". `training_sd` and
    `sampling_sd` are the two standard deviations, NaN where the design cannot tell; `error` is the mean's standard error.
    """

    value: float
    low: float
    high: float
    seeds: int
    kind: str = "none"
    training_sd: float = math.nan
    sampling_sd: float = math.nan
    error: float = math.nan

    @property
    def detectable_from_zero(self) -> float:
        """Smallest true mean that a t test at the 5 % level tells from zero with 80 % power: for paired differences."""
        return _noncentrality(self.seeds - 1) * self.error if self.kind == "training" else math.nan


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, independent of order; NaN if empty or if any value is NaN."""
    if not values:
        return math.nan
    try:
        return math.fsum(values) / len(values)
    except (ValueError, OverflowError):  # infinities of both signs, or a sum beyond all floats
        return float(sum(values)) / len(values)


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % Student-t interval of one value per training seed; see `estimate`."""
    return estimate([[value] for value in values])


def estimate(groups: Sequence[Sequence[float]], independent: int | None = None) -> Interval:
    """Mean, interval and noise of values grouped by training seed, one value for each evaluation seed.

    The interval is over training seeds from three of them on; one training seed with three evaluation seeds or more has an
    interval of kind "sampling". A value that is not finite leaves no interval (a NaN also makes the mean NaN). `independent`
    is the number of independent trainings, where it is not that of the seeds (students that share a teacher).
    """
    means = [mean(group) for group in groups]
    centre, seeds = mean(means), len(means)
    if not math.isfinite(centre):
        return Interval(centre, math.nan, math.nan, seeds)
    training_sd, sampling_sd = components(groups)
    over = means if seeds >= FEWEST else list(groups[0]) if seeds == 1 else []
    if len(over) < FEWEST:
        return Interval(centre, math.nan, math.nan, seeds, "none", training_sd, sampling_sd)
    error = math.sqrt(_squares(over) / (len(over) - 1) / len(over))
    half = _quantile(len(over) - 1) * error
    whole = independent is None or independent >= seeds
    kind = "sampling" if seeds < FEWEST else "training" if whole else "teacher"
    return Interval(centre, centre - half, centre + half, seeds, kind, training_sd, sampling_sd, error)


def components(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """(training sd, sampling sd) of a one-way random-effects layout, by the analysis of variance; a negative estimate is 0.

    Sampling needs a training seed with two evaluation seeds, training two training seeds; NaN otherwise. Where no seed has
    two evaluation seeds, the spread of the training seeds holds both sources and neither can be told.
    """
    total, seeds = sum(map(len, groups)), len(groups)
    if total == seeds:
        return math.nan, math.nan
    within = math.fsum(_squares(group) for group in groups) / (total - seeds)
    if seeds < 2:
        return math.nan, math.sqrt(within)
    grand = math.fsum(value for group in groups for value in group) / total
    between = math.fsum(len(group) * (mean(group) - grand) ** 2 for group in groups) / (seeds - 1)
    size = (total - sum(len(group) ** 2 for group in groups) / total) / (seeds - 1)
    return math.sqrt(max(0.0, (between - within) / size)), math.sqrt(within)


def _squares(values: Sequence[float]) -> float:
    centre = math.fsum(values) / len(values)
    return math.fsum((value - centre) ** 2 for value in values)


@lru_cache
def _quantile(freedom: int) -> float:
    return float(stdtrit(freedom, 0.5 + LEVEL / 2))


@lru_cache
def _noncentrality(freedom: int) -> float:
    """The noncentrality at which the two-sided t test has its power (the far side's share is nothing)."""
    return float(nctdtrinc(freedom, 1 - POWER, _quantile(freedom)))
