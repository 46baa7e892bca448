"""Metrics agree with closed forms and reference implementations, and refuse what has no answer."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import source

from bench import data
from bench.config.errors import ConfigError
from bench.features import base as features
from bench.features import classifier
from bench.metrics import points
from bench.metrics.frechet import frechet_distance, frechet_distance_of_samples
from bench.metrics.neighbours import nearest
from bench.truth import TARGETS, target


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def covariance(rng: np.random.RandomState, d: int) -> np.ndarray:
    a = rng.randn(d, 2 * d)
    return a @ a.T / (2 * d)


@given(d=st.integers(1, 12), seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_frechet_equals_the_matrix_root_formula_and_is_symmetric(d: int, seed: int) -> None:
    rng = np.random.RandomState(seed)
    (m_1, m_2), s_1, s_2 = rng.randn(2, d), covariance(rng, d), covariance(rng, d)
    root = np.real(scipy.linalg.sqrtm(s_1 @ s_2))
    expected = np.sum((m_1 - m_2) ** 2) + np.trace(s_1 + s_2 - 2 * root)
    found = frechet_distance(m_1, s_1, m_2, s_2)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert found == pytest.approx(frechet_distance(m_2, s_2, m_1, s_1), rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=9))
@settings(max_examples=40)
def test_frechet_of_diagonal_gaussians_is_the_closed_form(rows: list[tuple[float, float, float, float]]) -> None:
    m_1, m_2, a, b = np.array(rows).T
    expected = np.sum((m_1 - m_2) ** 2) + np.sum((a - b) ** 2)
    assert frechet_distance(m_1, np.diag(a**2), m_2, np.diag(b**2)) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_frechet_of_a_distribution_with_itself_is_zero_and_never_negative() -> None:
    rng = np.random.RandomState(0)
    low_rank = np.outer(v := rng.randn(40), v)
    for s in (covariance(rng, 40), low_rank, np.zeros((40, 40))):
        assert 0 <= frechet_distance(np.zeros(40), s, np.zeros(40), s) < 1e-5


@pytest.mark.parametrize(("n", "m"), [(7, 9), (7, 60), (60, 7)])
def test_fewer_samples_than_features_give_the_same_by_the_factored_path(n: int, m: int) -> None:
    rng = np.random.RandomState(1)
    a, b = rng.randn(n, 30), 0.5 + 2 * rng.randn(m, 30)
    direct = frechet_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    assert frechet_distance_of_samples(a, b) == pytest.approx(direct, rel=1e-6)


def test_frechet_agrees_with_cleanfid_where_scipy_allows_it() -> None:
    fid = pytest.importorskip("cleanfid.fid")
    rng = np.random.RandomState(2)
    args = (rng.randn(64), covariance(rng, 64), rng.randn(64), covariance(rng, 64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = fid.frechet_distance(*args)
        except TypeError as error:
            pytest.skip(f"this SciPy no longer runs clean-fid: {error}")
    assert frechet_distance(*args) == pytest.approx(float(expected), rel=1e-7)


def test_frechet_refuses_what_has_no_answer() -> None:
    good, one = np.zeros((5, 3)), np.zeros((1, 3))
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance_of_samples(np.full((5, 3), np.nan), good)
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance_of_samples(one, good)
    with pytest.raises(ValueError, match=r"3 .* 4 features"):
        frechet_distance_of_samples(good, np.zeros((5, 4)))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_perfect_samples_score_the_floor(name: str) -> None:
    truth, n = target(name), 20_000
    scores = [points.histogram_kl(truth.sample(n, gen(50 + k)), truth) for k in range(3)]
    mean_excess = np.mean([extra["excess"] for _, extra in scores])
    assert abs(mean_excess) < 0.05 * scores[0][1]["floor"]


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.parametrize("x", [torch.zeros(5, 2), torch.full((50, 2), 1e6), torch.rand(1, 2)], ids=["one", "out", "n1"])
def test_kl_is_finite_whatever_the_samples(name: str, x: torch.Tensor) -> None:
    value, extra = points.histogram_kl(x, target(name))
    assert np.isfinite([value, extra["floor"], extra["excess"]]).all()


def test_samples_outside_the_grid_count_against_a_model() -> None:
    truth = target("checkerboard")
    x = truth.sample(20_000, gen(3))
    half = x.clone()
    half[::2] += 100
    inside, outside = points.histogram_kl(x, truth), points.histogram_kl(half, truth)
    assert outside[1]["outside"] == 0.5 and outside[0] - inside[0] > 0.6  # about log 2


def test_the_floor_of_the_board_is_the_analytic_one() -> None:
    """(occupied cells - 1) / (2n): 0.0062 at 64,000 samples on 40 x 40 cells."""
    truth, n = target("checkerboard"), 64_000
    assert points.histogram_kl(truth.sample(n, gen(4)), truth)[1]["floor"] == pytest.approx(799 / (2 * n), rel=0.1)


def test_a_shift_is_measured_by_the_wasserstein_distances() -> None:
    x = torch.randn((500, 2), generator=gen(5))
    shifted = x + torch.tensor([0.3, -0.4])
    assert points.exact_w2(x, shifted) == pytest.approx(0.5, rel=1e-5)
    assert points.sliced_w2(x, shifted) == pytest.approx(0.5 / 2**0.5, rel=1e-5)
    assert points.map_error(shifted, x) == pytest.approx(0.25, rel=1e-5)


@given(n=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_exact_w2_is_the_best_of_all_assignments(n: int, seed: int) -> None:
    a, b = torch.randn((2, n, 2), generator=gen(seed), dtype=torch.float64)
    best = min((a - b[list(p)]).square().sum(1).mean() for p in itertools.permutations(range(n)))
    assert points.exact_w2(a, b) == pytest.approx(float(best) ** 0.5, abs=1e-6)
    assert points.sliced_w2(a, b) <= points.exact_w2(a, b) + 1e-9


def test_neighbour_distance_is_the_root_mean_square_pixel_of_the_nearest() -> None:
    g = gen(6)
    samples, references = torch.rand((700, 1, 4, 4), generator=g), torch.rand((90, 1, 4, 4), generator=g)
    direct = (samples[:, None] - references).flatten(2).square().mean(2).sqrt().min(1).values.mean()
    assert float(nearest(samples, references).mean()) == pytest.approx(float(direct), rel=1e-4)
    assert nearest(references[:5], references).max() < 1e-3
    with pytest.raises(ValueError):
        nearest(samples, references[..., :2])


def test_digit_features_rank_real_data_a_gaussian_fit_and_noise() -> None:
    """597 of each against the 1,200 training images."""
    digits, network = data.load(source({"name": "digits"})), features.load("digits8")
    x = digits.decode(digits.train).flatten(1).double()
    values, vectors = torch.linalg.eigh(torch.cov(x.T))
    z = torch.randn((597, 64), generator=gen(7), dtype=torch.float64)
    fit = (x.mean(0) + (z * values.clamp(min=0).sqrt()) @ vectors.T).float().reshape(-1, 1, 8, 8)
    sets = (digits.heldout, digits.encode(fit), digits.encode(torch.randn((597, 1, 8, 8), generator=gen(8))))
    train = network(digits.train, digits.levels)
    real, gaussian, noise = (frechet_distance_of_samples(network(s, digits.levels), train) for s in sets)
    assert gaussian > 2.5 * real and noise > 150 * real


def test_digit_features_ship_small_and_know_their_hash() -> None:
    path = classifier.WEIGHTS / "digits8.npz"
    assert path.stat().st_size < 200_000 and len(features.digest("digits8")) == 64
    assert features.load("digits8")(torch.zeros(3, 1, 8, 8, dtype=torch.uint8)).shape == (3, 32)


@pytest.mark.parametrize("name", sorted(classifier.ARCHITECTURES))
def test_every_feature_set_is_the_recorded_one(name: str) -> None:
    assert features.digest(name) in (classifier.WEIGHTS / "SHA256").read_text()


def test_damaged_feature_weights_are_refused_until_their_hashes_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = (classifier.WEIGHTS / "digits8.npz").read_bytes()
    monkeypatch.setattr(classifier, "WEIGHTS", tmp_path)
    (tmp_path / "digits8.npz").write_bytes(stored)
    classifier.digest.cache_clear()
    with pytest.raises(ConfigError, match="reinstall"):  # there is no list of hashes
        features.load("digits8")
    classifier.record_hashes()
    assert features.load("digits8")(torch.zeros(3, 1, 8, 8, dtype=torch.uint8)).shape == (3, 32)
    classifier.digest.cache_clear()
    (tmp_path / "digits8.npz").write_bytes(stored[:-1] + b"?")
    with pytest.raises(ConfigError, match=r"digits8\.npz is damaged.*reinstall"):
        features.load("digits8")
    monkeypatch.undo()
    classifier.digest.cache_clear()
    assert features.digest("digits8")


@pytest.mark.parametrize(("cells", "expected"), [(40, 0.0063), (50, 0.0663), (52, 0.0108), (100, 0.0421)])
def test_cells_that_cut_the_squares_give_a_perfect_sampler_a_high_score(cells: int, expected: float) -> None:
    board = target("checkerboard")
    values = [points._midpoint_kl(board.sample(64_000, gen(k)), board, cells) for k in range(4)]
    assert np.mean(values) == pytest.approx(expected, abs=0.001)


def test_the_papers_kl_carries_its_floor_and_sees_a_shifted_sampler() -> None:
    board = target("checkerboard")
    x = board.sample(20_000, gen(50))
    value, extra = points.paper_kl(x, board)
    assert value == pytest.approx(extra["floor"], abs=0.01) and extra["excess"] == value - extra["floor"]
    assert points.paper_kl(x + 0.05, board)[1]["excess"] > 0.1
