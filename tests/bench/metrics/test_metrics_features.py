"""Metrics of features agree with reference implementations on the same features, and with closed forms."""

import warnings

import cifar
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import fid_infinity
from bench.metrics.frechet import Gaussian, frechet_distance_of_samples
from bench.metrics.kid import kid, polynomial_mmd
from bench.metrics.neighbours import memorised, nearest
from bench.metrics.precision_recall import precision_recall_density_coverage


def features(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    """Correlated, positive, skewed: like pooled features behind a ReLU."""
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn((d, d), generator=torch.Generator().manual_seed(99)) / d**0.5
    return (torch.randn((n, d), generator=g) @ mix + shift).relu() + 0.1


PAIRS = [(400, 500, 64), (90, 300, 128), (90, 70, 128)]


@pytest.mark.parametrize(("n", "m", "d"), PAIRS)
def test_the_frechet_distance_is_clean_fids(n: int, m: int, d: int) -> None:
    fid = pytest.importorskip("cleanfid.fid")
    a, b = features(n, d, 0, 0.1), features(m, d, 1)
    moments = [stat for x in (a, b) for stat in (x.double().mean(0).numpy(), np.cov(x.double().numpy(), rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = float(fid.frechet_distance(*moments))
        except TypeError as error:
            pytest.skip(f"this SciPy no longer runs clean-fid: {error}")
    # The root of a singular product keeps half the digits: clean-fid's own limit, not ours.
    assert frechet_distance_of_samples(a, b) == pytest.approx(expected, rel=1e-6 if min(n, m) > d else 1e-4)


@pytest.mark.parametrize(("n", "m", "d"), PAIRS)
def test_the_frechet_distance_is_torch_fidelitys(n: int, m: int, d: int) -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_fid", reason="torch-fidelity is not installed")
    a, b = features(n, d, 0, 0.1), features(m, d, 1)
    stats = [{"mu": x.double().mean(0).numpy(), "sigma": np.cov(x.double().numpy(), rowvar=False)} for x in (a, b)]
    expected = next(iter(theirs.fid_statistics_to_metric(*stats, False).values()))
    assert frechet_distance_of_samples(a, b) == pytest.approx(expected, rel=1e-6 if min(n, m) > d else 1e-4)


@given(n=st.integers(2, 40), m=st.integers(2, 40), d=st.integers(1, 30), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_a_stored_root_gives_the_distance_of_the_covariance_on_every_path(n: int, m: int, d: int, seed: int) -> None:
    a, b = features(n, d, seed).double(), features(m, d, seed + 1, 0.3).double()
    full = [Gaussian.of_moments(x.mean(0), torch.atleast_2d(torch.cov(x.T))) for x in (a, b)]
    exact = Gaussian.of_samples(b)
    stored = Gaussian.of_root(exact.mean, exact.root)
    expected = full[0].distance(full[1])
    assert expected >= 0
    for found in (Gaussian.of_samples(a).distance(exact), Gaussian.of_samples(a).distance(stored), full[0].distance(stored)):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert stored.trace == pytest.approx(full[1].trace, rel=1e-9)


def test_the_root_of_a_reference_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, calls = Gaussian.of_samples(features(200, 20, 3)), []
    original = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda x: calls.append(1) or original(x))
    for seed in range(4):
        Gaussian.of_samples(features(100, 20, seed)).distance(reference)
    assert len(calls) == 1


def test_precision_and_recall_are_torch_fidelitys() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_prc", reason="torch-fidelity is not installed")
    for shift, spread in ((0.0, 1.0), (0.3, 0.7), (0.0, 1.5)):
        samples, real = features(300, 16, 5, shift) * spread, features(250, 16, 6)
        expected = theirs.calculate_precision_recall_full(samples.double(), real.double(), 3)
        found = precision_recall_density_coverage(samples, real)
        assert (found["precision"], found["recall"]) == pytest.approx(expected, abs=1e-6)
        assert found["precision"] > 0 and 0 < found["recall"] < 1


@given(n=st.integers(6, 25), m=st.integers(6, 25), seed=st.integers(0, 1000), copies=st.booleans())
@settings(max_examples=30)
def test_manifold_metrics_are_their_definitions(n: int, m: int, seed: int, copies: bool) -> None:
    """Written out over pairs; with `copies` some samples are data points, which lie in their own closed balls."""
    a, b = features(n, 3, seed, 0.2).double(), features(m, 3, seed + 1).double()
    if copies:
        a[:3] = b[:3]

    def apart(x: torch.Tensor, y: torch.Tensor) -> float:
        return float((x - y).square().sum())

    def radius(x: torch.Tensor, i: int, k: int) -> float:
        return sorted(apart(x[i], x[j]) for j in range(len(x)) if j != i)[k - 1]

    near = 1 + 1e-9
    in_3 = [[apart(p, b[j]) <= radius(b, j, 3) * near for j in range(m)] for p in a]
    in_5 = [[apart(p, b[j]) <= radius(b, j, 5) * near for j in range(m)] for p in a]
    back = [[apart(q, a[i]) <= radius(a, i, 3) * near for i in range(n)] for q in b]
    assert precision_recall_density_coverage(a, b) == pytest.approx({
        "precision": np.mean([any(row) for row in in_3]), "recall": np.mean([any(row) for row in back]),
        "density": np.sum(in_5) / (5 * n), "coverage": np.mean(np.any(in_5, axis=0)),
    })  # fmt: skip


def test_manifold_metrics_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = features(200, 8, 0, 0.1), features(150, 8, 1)
    whole = precision_recall_density_coverage(a, b)
    monkeypatch.setattr("bench.metrics.precision_recall.CHUNK", 7)
    assert precision_recall_density_coverage(a, b) == whole


def test_kid_of_one_subset_is_torch_fidelitys_and_clean_fids() -> None:
    a, b = features(300, 32, 2, 0.2), features(300, 32, 3)
    found = polynomial_mmd(a, b)
    theirs = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is not installed")
    kernel = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    assert found == pytest.approx(theirs.kernel_mmd(a.double().numpy(), b.double().numpy(), **kernel), rel=1e-6)
    clean = pytest.importorskip("cleanfid.fid")
    once = clean.kernel_distance(a.double().numpy(), b.double().numpy(), num_subsets=1, max_subset_size=300)
    assert found == pytest.approx(once, rel=1e-6)


def test_kid_is_unbiased_and_its_standard_error_covers() -> None:
    """Where the distributions differ, about one error from the truth; where they agree, within it."""
    near = features(4000, 6, 0), features(4000, 6, 1, 0.4)
    truth = polynomial_mmd(*near)
    scores = []
    for k in range(100):
        value, error = kid(features(120, 6, 1000 + k), features(150, 6, 2000 + k, 0.4), size=30, subsets=40)
        scores.append((value - truth) / error)
    assert abs(np.mean(scores)) < 0.35 and 0.6 < np.std(scores) < 1.1
    same = [kid(features(120, 6, 3000 + k), features(150, 6, 4000 + k), size=30, subsets=40) for k in range(50)]
    assert abs(np.mean([v for v, _ in same])) < 0.3 * np.std([v for v, _ in same])
    assert np.std([v for v, _ in same]) < 1.1 * np.mean([e for _, e in same])


def test_kid_repeats_itself_and_takes_at_most_half_of_the_smaller_side() -> None:
    a, b = features(40, 6, 0), features(60, 6, 1)
    assert kid(a, b) == kid(a, b) == kid(a, b, size=20) != kid(a, b, size=10)
    with pytest.raises(ValueError, match="at least 2"):
        polynomial_mmd(a[:1], b)
    with pytest.raises(ValueError, match=r"6 and 3 features"):
        polynomial_mmd(a, b[:, :3])


def test_fid_infinity_finds_the_distance_that_finite_samples_overstate() -> None:
    """Gaussians a known distance apart: 8 x .25, and at 2,000 samples a bias that the line takes away."""
    d, g = 8, torch.Generator().manual_seed(0)
    reference = Gaussian.of_moments(torch.zeros(d), torch.eye(d))
    limits, plain = [], []
    for _ in range(6):
        samples = torch.randn((2000, d), generator=g, dtype=torch.float64) * 1.0 + 0.05
        first = fid_infinity.smallest(2000, d)
        assert first == 200
        limits.append(fid_infinity.frechet_infinity(samples, reference, first))
        plain.append(Gaussian.of_samples(samples).distance(reference))
    truth = d * 0.05**2
    assert abs(np.mean(limits) - truth) < 0.5 * abs(np.mean(plain) - truth)
    assert np.mean(plain) > truth


def test_fid_infinity_is_the_intercept_of_the_line_in_one_over_n(monkeypatch: pytest.MonkeyPatch) -> None:
    class Biased:
        @staticmethod
        def of_samples(x: torch.Tensor) -> "Biased":
            made = Biased()
            made.n = len(x)
            return made

        def distance(self, reference: object) -> float:
            return 3.0 + 70 / self.n

    monkeypatch.setattr(fid_infinity, "Gaussian", Biased)
    assert fid_infinity.frechet_infinity(torch.zeros(500, 2), None, 50) == pytest.approx(3.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "width", "first"), [(50_000, 2048, 5000), (10_000, 2048, 4096), (8191, 2048, None), (597, 32, 64)]
)
def test_the_line_begins_where_samples_outnumber_features(count: int, width: int, first: int | None) -> None:
    assert fid_infinity.smallest(count, width) == first


def cloud(n: int, d: int, seed: int) -> torch.Tensor:
    """Correlated and skewed, without ties."""
    mix = torch.randn((d, d), generator=torch.Generator().manual_seed(99)) / d**0.5
    return (torch.randn((n, d), generator=torch.Generator().manual_seed(seed)) @ mix).exp()


def closer(samples: torch.Tensor, train: torch.Tensor, heldout: torch.Tensor) -> tuple[float, float]:
    return memorised(nearest(samples, train), nearest(samples, heldout), (len(train), len(heldout)))


SETS = [(600, 600), (1000, 200), (200, 1000), (30, 4)]


@pytest.mark.parametrize("sizes", SETS)
@pytest.mark.parametrize("d", [4, 32])
def test_copies_of_any_part_of_the_training_set_are_exposed(sizes: tuple[int, int], d: int) -> None:
    train, heldout = cloud(sizes[0], d, 0), cloud(sizes[1], d, 1)
    for part in torch.split(train, len(train) // 5):
        assert closer(part, train, heldout)[0] == 1.0
        noise = torch.randn(part.shape, generator=torch.Generator().manual_seed(5))
        assert closer(part + 1e-5 * noise, train, heldout)[0] > 0.95
        assert nearest(part, train).max() == 0, "a copy is at no distance"


@pytest.mark.parametrize("sizes", SETS)
@pytest.mark.parametrize("kind", ["new", "blurred", "noise", "half copies"])
def test_the_memorised_share_is_right_in_expectation_at_any_sizes(sizes: tuple[int, int], kind: str) -> None:
    """Also of samples that are nothing like the data; over 60 draws of both sets, within three errors of their mean."""
    found = []
    for k in range(60):
        train, heldout, new = (cloud(n, 6, 3 * k + i) for i, n in enumerate((*sizes, 100)))
        samples = {"new": new, "blurred": 0.3 * new, "noise": 2 * new.flip(1) - 1,
                   "half copies": torch.cat([new[:50], train[torch.arange(50) % len(train)]])}[kind]  # fmt: skip
        found.append(closer(samples, train, heldout)[0])
    wanted = 0.75 if kind == "half copies" else 0.5
    assert abs(np.mean(found) - wanted) < 3 * np.std(found) / 60**0.5


def test_the_error_of_the_memorised_share_covers_new_samples() -> None:
    train, heldout = cloud(1000, 8, 0), cloud(200, 8, 1)
    found = [closer(cloud(200, 8, 10 + k), train, heldout) for k in range(60)]
    assert found[0][1] == pytest.approx(0.5 * (1000 / 200 / 200) ** 0.5)
    assert 0.8 < np.std([value for value, _ in found]) / found[0][1] < 1.2


def test_what_stands_in_both_sets_tells_nothing_and_held_out_copies_fall_below_half() -> None:
    train = cloud(200, 4, 0)
    assert closer(cloud(50, 4, 2), train, train)[0] == 0.5
    assert closer(train[:50], train, torch.cat([train[:50], cloud(150, 4, 1)]))[0] == 0.5
    assert closer(cloud(200, 4, 1), train, cloud(200, 4, 1))[0] == 0.0


def test_the_search_is_exact_over_blocks_and_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(1)
    real, made = (torch.randint(0, 256, (n, 3, 6, 6), generator=g, dtype=torch.uint8) for n in (50, 33))
    direct = (made[:, None].double() - real.double()).square().flatten(2).mean(2).sqrt()
    for name, value in (("BLOCK", 7), ("CHUNK", 5)):
        monkeypatch.setattr(f"bench.metrics.neighbours.{name}", value)
        assert torch.equal(nearest(made, real), direct.min(1).values)
    assert nearest(real.flip(-1), real, mirrored=True).max() == 0 < nearest(real.flip(-1), real).min()


def test_at_the_size_of_cifar10_copies_of_a_part_score_one_and_the_test_images_half() -> None:
    """Real images at a quarter of their side: 50,000 for training, half of the test images held out, the other half new."""
    def small(split: str) -> torch.Tensor:
        x = cifar.images(split, 50_000)
        return torch.nn.functional.avg_pool2d(x.float(), 4).round().to(torch.uint8)

    train, test = small("train"), small("test")
    heldout, new = test[::2], test[1::2]
    assert closer(train[20_000:22_000], train, heldout)[0] > 0.99
    value, error = closer(new, train, heldout)
    assert abs(value - 0.5) < 4 * error < 0.2
    assert abs(closer(torch.cat([new[:1000], train[-1000:]]), train, heldout)[0] - 0.75) < 0.1


def test_constant_features_have_honest_values() -> None:
    one, other = torch.ones(20, 4), torch.zeros(20, 4)
    assert frechet_distance_of_samples(one, one) == 0 and frechet_distance_of_samples(one, other) == pytest.approx(4)
    assert polynomial_mmd(one, one) == pytest.approx(0) and polynomial_mmd(one, other) > 1
    assert precision_recall_density_coverage(one, one) == {"precision": 1, "recall": 1, "density": 4, "coverage": 1}
    assert set(precision_recall_density_coverage(one, other).values()) == {0.0}
