"""Intervals are Student's over training seeds; the best place is shared inside the interval."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from results.statistics.intervals import components, estimate, interval
from results.statistics.ranks import ranks

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


def best(groups, better="lower"):
    """Which methods (their values by training seed) no other is significantly better than."""
    return [found is not None and found[0] == 1 for found in ranks([interval(list(g)) for g in groups], better)]


def test_what_lies_apart_is_ranked_apart_and_what_overlaps_is_not():
    near, top, far = (1.0, 1.1, 1.2), (0.9, 1.0, 1.1), (7.0, 7.1, 7.2)
    found = ranks([interval(list(values)) for values in (near, top, far)])
    assert found == [(1, 2), (1, 2), (3, 3)]
    assert best([near, top, far], "higher") == [False, False, True]


def test_without_an_interval_over_training_seeds_there_is_no_rank():
    one, two, diverged = interval([1.0]), interval([1.0, 1.1]), interval([1.0, math.nan, 1.2])
    assert ranks([one, two, diverged]) == [None, None, None]
    assert ranks([estimate([[1.0, 1.1, 1.2]])]) == [None], "sampling noise of one training ranks no method"
    assert ranks([one, interval([1.0, 1.1, 1.2])]) == [None, (1, 1)]
    assert ranks([]) == []


def test_equal_spreads_of_zero_are_ranked_by_their_value():
    assert ranks([interval([v] * 3) for v in (2.0, 1.0, 2.0)]) == [(2, 3), (1, 1), (2, 3)]


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(0.01, 10)), min_size=1, max_size=8),
    st.sampled_from(["lower", "higher"]),
)
def test_ranges_are_consistent_and_the_best_mean_is_always_among_the_best(pairs, better):
    entries = [interval([value - spread, value, value + spread]) for value, spread in pairs]
    found = ranks(entries, better)
    assert all(1 <= low <= high <= len(entries) for low, high in found)
    sign = 1 if better == "lower" else -1
    assert found[min(range(len(entries)), key=lambda i: sign * entries[i].value)][0] == 1
    assert ranks(entries[::-1], better) == found[::-1]


def synthetic(rng, sd=1.0, seeds=5, draws=3, mu=10.0):
    """One method's values: luck of the training, luck of the draw."""
    return mu + sd * rng.normal(size=(seeds, 1)) + 0.7 * rng.normal(size=(seeds, draws))


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover_the_truth_in_95_percent(seeds):
    rng = np.random.default_rng(4)
    found = [estimate(synthetic(rng, seeds=seeds).tolist()) for _ in range(1000)]
    assert 0.93 <= np.mean([f.low <= 10.0 <= f.high for f in found]) <= 0.97


def test_the_interval_of_one_training_covers_what_that_network_scores():
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(1000):
        luck = rng.normal()
        found = estimate([(luck + 0.7 * rng.normal(size=4)).tolist()])
        assert found.kind == "sampling" and found.seeds == 1
        hits.append(found.low <= luck <= found.high)
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.parametrize("count", [2, 12])
@pytest.mark.parametrize("mixed", [False, True])
def test_methods_of_equal_truth_are_ranked_apart_in_at_most_5_percent(count, mixed):
    """Also where half of the others are far worse, and where spreads differ tenfold."""
    rng = np.random.default_rng(6)
    apart, lost = 0, 0
    for _ in range(1000):
        spread = [10 ** rng.uniform(-0.5, 0.5) if mixed else 1.0 for _ in range(count)]
        truth = [10.0] * 2 + [10.0 + 20 * (k % 2) for k in range(count - 2)]
        entries = [estimate(synthetic(rng, sd, mu=mu).tolist()) for sd, mu in zip(spread, truth, strict=True)]
        (low, high), (other_low, other_high) = ranks(entries)[:2]
        apart += high < other_low or other_high < low
        lost += (low == 1) != (other_low == 1)
    assert apart <= 50
    assert lost <= 50, "neither does one of two best methods stand among the best alone"


def test_a_difference_is_found_as_often_as_the_table_says():
    """80 % of comparisons find a true difference of the size that is stated as detectable."""
    rng = np.random.default_rng(7)
    size = _detectable(rng.normal(size=(4, 2000)))
    a = rng.normal(size=(2, 2000, 4))
    found = scipy.stats.ttest_ind(a[0], a[1] + size, axis=1).pvalue < 0.05
    assert 0.77 <= found.mean() <= 0.83


def test_a_paired_difference_is_found_as_often_as_the_table_says():
    """The same of differences seed by seed, which have fewer degrees of freedom than two samples."""
    rng = np.random.default_rng(8)
    entry = interval([float(v) for v in rng.normal(size=3)])
    size = entry.detectable_from_zero / (entry.error * math.sqrt(3))
    found = scipy.stats.ttest_1samp(rng.normal(size, 1.0, size=(4000, 3)), 0.0, axis=1).pvalue < 0.05
    assert 0.77 <= found.mean() <= 0.83


def _detectable(draws):
    """The detectable difference at a standard deviation of 1: the estimate is proportional to the sample's."""
    entry = interval([float(v) for v in draws[:, 0]])
    return entry.detectable / (entry.error * math.sqrt(entry.seeds))


def test_the_two_sources_of_noise_are_told_apart():
    rng = np.random.default_rng(8)
    training, sampling = components(synthetic(rng, sd=2.0, seeds=4000, draws=3).tolist())
    assert training == pytest.approx(2.0, rel=0.05) and sampling == pytest.approx(0.7, rel=0.05)


def test_components_by_hand_with_unequal_groups():
    groups = [[1.0, 3.0], [5.0, 7.0, 9.0]]
    # within: (2 + 8) / 3; between: 2 (2-5)^2 + 3 (7-5)^2 = 30; n0 = 5 - 13/5 = 2.4
    training, sampling = components(groups)
    assert sampling**2 == pytest.approx(10 / 3) and training**2 == pytest.approx((30 - 10 / 3) / 2.4)


def test_what_a_design_cannot_tell_is_nan():
    assert all(map(math.isnan, components([[1.0], [2.0], [3.0]])))
    training, sampling = components([[1.0, 3.0]])
    assert math.isnan(training) and sampling == pytest.approx(math.sqrt(2))
    assert components([[1.0, 3.0], [1.0, 3.0]])[0] == 0.0


@pytest.mark.parametrize(("groups", "kind"), [
    ([[1.0, 1.1]], "none"), ([[1.0, 1.1, 1.2]], "sampling"), ([[1.0, 1.1, 1.2]] * 2, "none"), ([[1.0]] * 3, "training"),
])  # fmt: skip
def test_an_interval_says_what_it_is_of(groups, kind):
    found = estimate(groups)
    assert found.kind == kind and math.isnan(found.low) == (kind == "none")
    assert math.isnan(found.detectable) == (kind != "training")
