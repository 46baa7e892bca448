"""On real features the metrics are those of clean-fid and torch-fidelity: 64 CIFAR-10 images a protocol, from the golden file.

Neither images nor weights are needed. Where samples are fewer than features, the references take the root of a singular product
and keep half the digits; there forty digits of mpmath say what is right.
"""

import warnings
from itertools import pairwise
from typing import Any

import make_golden
import mpmath
import numpy as np
import pytest
import references
import torch
from torch import Tensor

from bench.metrics.frechet import frechet_distance, frechet_distance_of_samples
from bench.metrics.kid import polynomial_mmd
from bench.metrics.precision_recall import precision_recall_density_coverage

every_protocol = pytest.mark.parametrize("protocol", references.PROTOCOLS)


def halves(protocol: str, width: int = 2048) -> tuple[Tensor, Tensor]:
    """Two sets of 32 images, float64, with the `width` features that vary most."""
    with np.load(make_golden.PATH) as stored:
        rows = make_golden.unpacked(stored, protocol)
    rows = rows[:, rows.var(0).argsort(descending=True)[:width]]
    return rows[:32], rows[32:]


def moments(a: Tensor, b: Tensor) -> list[np.ndarray]:
    return [stat for x in (a, b) for stat in (x.mean(0).numpy(), np.cov(x.numpy(), rowvar=False))]


def clean_fids(a: Tensor, b: Tensor) -> float:
    fid = pytest.importorskip("cleanfid.fid")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(fid.frechet_distance(*moments(a, b)))
        except TypeError as error:
            pytest.skip(f"this SciPy no longer runs clean-fid: {error}")


def torch_fidelitys(a: Tensor, b: Tensor) -> float:
    fid = pytest.importorskip("torch_fidelity.metric_fid", reason="torch-fidelity is not installed")
    first, second = (dict(zip(("mu", "sigma"), side, strict=True)) for side in zip(*[iter(moments(a, b))] * 2, strict=True))
    return float(fid.fid_statistics_to_metric(first, second, False)[fid.KEY_METRIC_FID])


def exact(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance in forty digits: its overlap sums the roots of eigenvalues of C C', C = A B' of centred rows."""

    def centred(x: Tensor) -> tuple[list[Any], list[list[Any]]]:
        rows = [[mpmath.mpf(value) for value in row] for row in x.tolist()]
        mean = [mpmath.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
        size = mpmath.sqrt(len(rows) - 1)
        return mean, [[(value - m) / size for value, m in zip(row, mean, strict=True)] for row in rows]

    with mpmath.workdps(40):
        (mean_1, rows_1), (mean_2, rows_2) = centred(a), centred(b)
        cross = mpmath.matrix([[mpmath.fdot(one, other) for other in rows_2] for one in rows_1])
        overlap = mpmath.fsum(mpmath.sqrt(abs(value)) for value in mpmath.eigsy(cross * cross.T, eigvals_only=True))
        gap = mpmath.fsum((one - other) ** 2 for one, other in zip(mean_1, mean_2, strict=True))
        return float(gap + mpmath.fsum(value**2 for row in rows_1 + rows_2 for value in row) - 2 * overlap)


@every_protocol
@pytest.mark.parametrize("reference", [clean_fids, torch_fidelitys, exact])
def test_the_frechet_distance_of_more_images_than_features(protocol: str, reference: Any) -> None:
    a, b = halves(protocol, 16)
    expected = pytest.approx(reference(a, b), rel=1e-9)
    assert frechet_distance_of_samples(a, b) == expected and frechet_distance(*moments(a, b)) == expected


@every_protocol
def test_the_factored_distance_is_right_where_the_references_keep_half_the_digits(protocol: str) -> None:
    a, b = halves(protocol, 256)
    right, ours, (clean, fidelity) = exact(a, b), frechet_distance_of_samples(a, b), (clean_fids(a, b), torch_fidelitys(a, b))
    assert ours == pytest.approx(right, rel=1e-12)
    assert clean == pytest.approx(right, rel=1e-6) and fidelity == pytest.approx(right, rel=1e-6)
    assert all(abs(theirs - right) > 1000 * abs(ours - right) for theirs in (clean, fidelity))
    assert frechet_distance(*moments(a, b)) == pytest.approx(right, rel=1e-6), "moments alone keep no more"


def test_the_factored_distance_of_all_features() -> None:
    """In the width that counts; the references would take minutes."""
    a, b = (rows[:16] for rows in halves("clean-fid"))
    assert frechet_distance_of_samples(a, b) == pytest.approx(exact(a, b), rel=1e-12)


@every_protocol
def test_precision_and_recall(protocol: str) -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_prc", reason="torch-fidelity is not installed")
    a, b = halves(protocol)
    for samples, real in ((a, b), (b, a), (a[:20], b), (a * 0.9, b)):
        found = precision_recall_density_coverage(samples, real)
        assert (found["precision"], found["recall"]) == pytest.approx(theirs.calculate_precision_recall_full(samples, real, 3))
        assert 0 < found["precision"] < 1 and 0 < found["recall"] < 1


@every_protocol
def test_kid_of_fixed_subsets(protocol: str) -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is not installed")
    clean = pytest.importorskip("cleanfid.fid")
    kernel = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    parts = [part for rows in halves(protocol) for part in rows.split(16)]
    for one, other in pairwise(parts):
        x, y = one.numpy(), other.numpy()
        found = polynomial_mmd(one, other)
        assert found == pytest.approx(theirs.kernel_mmd(x, y, **kernel), rel=1e-6, abs=1e-9)
        assert found == pytest.approx(clean.kernel_distance(x, y, num_subsets=1, max_subset_size=16), rel=1e-6, abs=1e-9)
        assert polynomial_mmd(one.float(), other.float()) == pytest.approx(found, rel=1e-6, abs=1e-6), "features are float32"


def test_the_features_are_many_different_ones() -> None:
    """Else agreement would say little."""
    a, b = halves("clean-fid")
    assert torch.linalg.matrix_rank(torch.cat([a, b])) == 64
