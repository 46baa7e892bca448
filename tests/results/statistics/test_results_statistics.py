"""Intervals are Student's over training seeds; the best place is shared inside the interval."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from results.statistics.intervals import components, estimate, interval
from results.statistics.noise import paired, pooled
from results.statistics.ranks import Entry, standings

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


def entries(groups, draws=((0,),), independent=None):
    """Methods as lists of one value per training seed, all on the same evaluation noise."""
    return [Entry(dict(enumerate(map(float, group))), draws, independent or len(group)) for group in groups]


def marks(groups, better="lower"):
    return [found.mark for found in standings(entries(groups), better)]


def ranges(groups, better="lower"):
    return [(found.low, found.high) for found in standings(entries(groups), better)]


NEAR, TOP, FAR = (1.0, 1.2, 1.1), (0.9, 1.0, 1.15), (7.0, 7.1, 7.2)


def test_the_best_mean_is_best_what_overlaps_ties_and_what_lies_apart_is_ranked_apart():
    assert ranges([NEAR, TOP, FAR]) == [(1, 2), (1, 2), (3, 3)]
    assert marks([NEAR, TOP, FAR]) == ["tied", "best", ""]
    assert marks([NEAR, TOP, FAR], "higher") == ["", "", "best"]
    assert marks([NEAR, TOP, FAR], "") == [""] * 3, "no rank where neither direction is good"


def test_scattering_widely_earns_no_mark_where_a_better_mean_has_none():
    """The digits at 8 steps: an interval that reaches down to the best is no reason to stand out."""
    precise = [(39.0, 39.2, 38.9), (41.0, 41.3, 40.9), (44.0, 44.4, 44.1), (46.1, 45.9, 46.3)]
    noisy = (33.0, 51.0, 69.0)
    assert marks([*precise, noisy]) == ["best", "", "", "", ""]
    assert ranges([*precise, noisy])[-1][0] == 1, "though by itself it cannot be told from the best"


def test_without_three_independent_trainings_nothing_is_marked():
    two, diverged = (1.0, 1.1), (1.0, math.nan, 1.2)
    assert marks([(1.0,), two, diverged]) == ["", "", ""] and standings([]) == []
    assert [found.mark for found in standings(entries([NEAR, FAR], independent=1))] == ["", ""], "students of one teacher"
    assert marks([NEAR, diverged]) == ["best", ""]


def test_a_method_of_few_trainings_stands_where_its_mean_does():
    """It has the noise of the others; a better mean without a mark would say that it is worse."""
    assert marks([NEAR, (0.2,), FAR]) == ["", "best", ""]
    assert marks([(1.0,), TOP, FAR]) == ["best", "tied", ""] and marks([(1.3, 1.2), TOP, FAR]) == ["tied", "best", ""]


def test_students_of_one_teacher_count_as_one_training():
    """Three students that agree to the last digit say nothing of another teacher."""
    apart = [(10.0, 10.3, 9.8), (12.0, 12.2, 11.7), (20.0, 20.5, 19.6)]
    alone = Entry({0: 10.51, 1: 10.52, 2: 10.53}, ((0,),), 1)
    found = standings([*entries(apart), alone])
    assert [each.mark for each in found] == ["best", "", "", "tied"] and math.isnan(found[-1].detectable)
    assert [each.mark for each in standings([*entries(apart), alone._replace(independent=3)])] == ["best", "", "", "tied"]
    assert standings([*entries(apart), alone])[-1].low == 1


def test_spreads_of_zero_are_ranked_by_their_value():
    assert ranges([[v] * 3 for v in (2.0, 1.0, 2.0)]) == [(2, 3), (1, 1), (2, 3)]


tables = st.lists(st.lists(st.floats(0.01, 100), min_size=1, max_size=4), min_size=1, max_size=9)


@given(tables, st.sampled_from(["lower", "higher"]), st.integers(1, 3))
def test_nothing_is_marked_whose_mean_is_worse_than_an_unmarked_ones(groups, better, teachers):
    found = standings([*entries(groups[1:]), *entries(groups[:1], independent=min(teachers, len(groups[0])))], better)
    sign = 1 if better == "lower" else -1
    cost = [sign * math.fsum(group) / len(group) for group in (*groups[1:], groups[0])]
    marked = [c for c, each in zip(cost, found, strict=True) if each.mark]
    unmarked = [c for c, each in zip(cost, found, strict=True) if not each.mark]
    assert not marked or not unmarked or max(marked) < min(unmarked)
    assert not marked or [c for c, each in zip(cost, found, strict=True) if each.mark == "best"] == [
        c for c in cost if c == min(cost)]
    assert all(math.isnan(each.low) or 1 <= each.low <= each.high <= len(groups) for each in found)


@given(tables, st.sampled_from(["lower", "higher"]))
def test_the_order_of_methods_is_irrelevant(groups, better):
    back = standings(entries(groups)[::-1], better)[::-1]
    for one, other in zip(standings(entries(groups), better), back, strict=True):
        assert one[:3] == pytest.approx(other[:3], nan_ok=True) if not one.mark else one[:3] == other[:3]


def test_a_pool_leaves_out_what_scatters_far_more_and_never_takes_noise_away():
    found = pooled(np.array([1.0, 2.0, 0.5, 1.5, 400.0, 3.0]), np.array([2.0, 2, 2, 2, 2, 0]))
    assert found.pooled.tolist() == [True] * 4 + [False, True]
    assert found.variance.tolist() == [1.25, 2.0, 1.25, 1.5, 400.0, 3.0] and found.freedom.tolist() == [8, 8, 8, 8, 2, 8]


def test_the_noise_of_pairs_is_without_what_a_seed_does_to_all():
    rng = np.random.default_rng(3)
    own, shared = rng.normal(size=(40, 3)), 100 * rng.normal(size=3)
    np.testing.assert_allclose(paired(own + shared).variance, paired(own).variance, rtol=1e-9)
    two = paired(own[:2])  # of two methods: a paired t test
    assert 2 * two.variance == pytest.approx(np.var(own[0] - own[1], ddof=1)) and two.freedom.tolist() == [2, 2]


def test_seeds_that_all_methods_share_cancel_and_seeds_of_their_own_do_not():
    rng = np.random.default_rng(1)
    luck = 10 * rng.normal(size=5)
    values = [100 + k + luck + 0.1 * rng.normal(size=5) for k in range(3)]
    together = standings(entries(values))
    assert [found.mark for found in together] == ["best", "", ""]
    apart = [Entry(dict(enumerate(map(float, v), 10 * k)), ((0,),), 5) for k, v in enumerate(values)]
    noise = [Entry(dict(enumerate(map(float, v))), ((k,),), 5) for k, v in enumerate(values)]
    assert [found.mark for found in standings(apart)] == [found.mark for found in standings(noise)] == ["best", "tied", "tied"]


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


def spreads(rng, kind, count):
    """Noise of each method: one for all, within a factor of ten, or ten times that of the others for the second."""
    return {"same": np.ones(count), "mixed": 10 ** rng.uniform(-0.5, 0.5, count),
            "one": np.where(np.arange(count) == 1, 10.0, 1.0)}[kind]  # fmt: skip


@pytest.mark.parametrize(("count", "seeds"), [(2, 3), (2, 5), (6, 3), (12, 5), (26, 3)])
@pytest.mark.parametrize("kind", ["same", "mixed", "one"])
def test_methods_of_equal_truth_are_ranked_apart_in_at_most_5_percent(count, seeds, kind):
    """Also where half of the others are far worse, and where spreads differ tenfold."""
    rng, apart, lost = np.random.default_rng(6), 0, 0
    for _ in range(500):
        truth = np.array([0.0] * 2 + [20.0 * (k % 2) for k in range(count - 2)])
        values = truth[:, None] + spreads(rng, kind, count)[:, None] * rng.normal(size=(count, seeds))
        (a, b), *_ = [standings(entries(np.exp(3 + 0.06 * values)))[:2]]
        apart += a.high < b.low or b.high < a.low
        lost += bool(a.mark) != bool(b.mark)
    assert apart <= 500 * 0.05 + 8, "two standard errors of the simulation above 5 %"
    assert kind == "one" or lost <= 500 * 0.05 + 8, "neither does one of two best methods have a mark alone"


@pytest.mark.parametrize("kind", ["same", "mixed"])
def test_of_26_methods_with_three_seeds_few_are_marked_and_the_best_is_among_them(kind):
    """Truths over ten standard deviations of a training: half of such a column was bold once."""
    rng, marked, lost = np.random.default_rng(7), [], 0
    for _ in range(200):
        truth = np.sort(rng.uniform(0, 10, 26))
        values = truth[:, None] + spreads(rng, kind, 26)[:, None] * rng.normal(size=(26, 3))
        found = [bool(each) for each in marks(np.exp(3 + 0.06 * values))]
        marked.append(sum(found))
        lost += not found[0]
    assert np.mean(marked) <= 9 and lost <= 5


@pytest.mark.parametrize(("count", "shared"), [(6, 0.0), (26, 3.0)])
def test_a_difference_is_found_as_often_as_the_table_says(count, shared):
    """80 % of tables find a true difference of the size that is stated as detectable (its median over methods)."""
    rng, size, found = np.random.default_rng(7), [], 0

    def table(difference):
        truth = np.array([0.0, difference, *[60.0] * (count - 2)])
        noise = rng.normal(size=(count, 3)) + shared * rng.normal(size=3)
        return standings(entries(50 * np.exp(0.05 * (truth[:, None] + noise))))

    size = [np.median([each.detectable for each in table(0)[:2]]) for _ in range(400)]
    for _ in range(400):
        a, b, *_ = table(math.log1p(np.sqrt(np.mean(np.square(size))) / 50) / 0.05)
        found += a.high < b.low
    assert 0.72 <= found / 400 <= 0.86


def test_a_paired_difference_is_found_as_often_as_the_table_says():
    """The same of differences seed by seed, which have fewer degrees of freedom than two samples."""
    rng = np.random.default_rng(8)
    entry = interval([float(v) for v in rng.normal(size=3)])
    size = entry.detectable_from_zero / (entry.error * math.sqrt(3))
    found = scipy.stats.ttest_1samp(rng.normal(size, 1.0, size=(4000, 3)), 0.0, axis=1).pvalue < 0.05
    assert 0.77 <= found.mean() <= 0.83


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
    assert math.isnan(found.detectable_from_zero) == (kind != "training")


def test_students_of_one_teacher_have_an_interval_that_says_so():
    groups = [[1.0], [1.1], [1.2]]
    assert estimate(groups, 1).kind == "teacher" and estimate(groups, 3).kind == "training"
    assert (estimate(groups, 1).low, estimate(groups, 1).high) == (estimate(groups).low, estimate(groups).high)
