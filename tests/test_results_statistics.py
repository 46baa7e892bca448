"""Intervals are Student's over training seeds; the best place is shared inside the interval."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from results.statistics import Interval, interval, ties_with_best

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12)


@pytest.mark.parametrize("seeds", [3, 4, 10])
def test_interval_is_students_t_by_hand(seeds):
    x = np.random.default_rng(seeds).normal(5, 2, seeds)
    half = scipy.stats.t.ppf(0.975, seeds - 1) * x.std(ddof=1) / math.sqrt(seeds)
    found = interval(list(x))
    assert found.seeds == seeds
    np.testing.assert_allclose([found.value, found.low, found.high], [x.mean(), x.mean() - half, x.mean() + half], rtol=1e-12)


def test_three_seeds_1_2_3():
    found = interval([1.0, 2.0, 3.0])
    assert found.high - 2 == pytest.approx(4.302652729911275 / math.sqrt(3))  # t(0.975, 2) from a printed table


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_fewer_than_three_seeds_have_no_interval_but_a_count(seeds):
    found = interval([4.0] * seeds)
    assert found.seeds == seeds and math.isnan(found.low) and math.isnan(found.high)
    assert math.isnan(found.value) if seeds == 0 else found.value == 4.0


def test_nan_is_a_result_and_infinity_too():
    assert math.isnan(interval([1.0, math.nan, 2.0]).value)
    found = interval([1.0, math.inf, 2.0])
    assert found.value == math.inf and math.isnan(found.low) and found.seeds == 3


@given(values)
def test_the_interval_contains_the_mean_and_the_mean_the_range(x):
    found = interval(x)
    slack = 1e-9 * max(map(abs, x), default=0)
    assert min(x) - slack <= found.value <= max(x) + slack
    assert len(x) < 3 or found.low <= found.value <= found.high


@given(values, st.randoms())
def test_order_of_seeds_is_irrelevant(x, random):
    shuffled = list(x)
    random.shuffle(shuffled)
    assert interval(shuffled).value == interval(x).value


def test_overlapping_intervals_tie_and_others_do_not():
    entries = [
        Interval(3.0, 2.5, 3.5, 3),
        Interval(2.0, 1.5, 2.5, 3),
        Interval(4.0, 3.9, 4.1, 3),
        Interval(math.nan, math.nan, math.nan, 0),
    ]
    assert ties_with_best(entries) == [True, True, False, False]
    assert ties_with_best(entries, "higher") == [False, False, True, False]


def test_without_interval_an_entry_is_a_point():
    nan = math.nan
    assert ties_with_best([Interval(2.0, nan, nan, 1), Interval(2.1, nan, nan, 1)]) == [True, False]
    assert ties_with_best([Interval(2.0, nan, nan, 1), Interval(2.1, 1.9, 2.3, 3)]) == [True, True]


def test_all_nan_has_no_best():
    assert ties_with_best([Interval(math.nan, math.nan, math.nan, 0)]) == [False]
    assert ties_with_best([]) == []


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=8))
def test_the_smallest_value_is_always_among_the_best(pairs):
    entries = [Interval(value, value - half, value + half, 3) for value, half in pairs]
    flags = ties_with_best(entries)
    assert flags[min(range(len(entries)), key=lambda i: entries[i].value)]
