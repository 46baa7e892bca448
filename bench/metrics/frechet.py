"""The Fréchet distance between two Gaussians, |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^{1/2}), in float64.

The trace of the root is the sum of the singular values of S_1^{1/2} S_2^{1/2}, taken from the symmetric form
S_1^{1/2} S_2 S_1^{1/2}: no matrix square root of a product, which is where FID implementations lose digits or die.
With fewer samples than features the same singular values come from the centred samples directly, far faster.

Reference: Heusel et al. (arXiv 1706.08500), eq. 6.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def frechet_distance(mean_1: ArrayLike, cov_1: ArrayLike, mean_2: ArrayLike, cov_2: ArrayLike) -> float:
    """Means (d,), covariances (d, d). Never negative. Raises ValueError on NaN or shapes that do not fit."""
    m_1, m_2 = _checked(mean_1, 1), _checked(mean_2, 1)
    s_1, s_2 = _checked(cov_1, 2), _checked(cov_2, 2)
    for m, s in ((m_1, s_1), (m_2, s_2)):
        if s.shape != (len(m), len(m)):
            raise ValueError(f"a mean of {len(m)} features needs a covariance of that size, got {s.shape}")
    if m_1.shape != m_2.shape:
        raise ValueError(f"the two sides have {len(m_1)} and {len(m_2)} features; compare the same feature set")
    values, vectors = np.linalg.eigh(s_1)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ s_2 @ root).clip(min=0)).sum()
    return _distance(m_1 - m_2, np.trace(s_1) + np.trace(s_2), overlap)


def frechet_distance_of_samples(features_1: ArrayLike, features_2: ArrayLike) -> float:
    """The same from features (n, d) and (m, d); factored where samples are fewer than features."""
    a, b = _features(features_1), _features(features_2)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"the two sides have {a.shape[1]} and {b.shape[1]} features; compare the same feature set")
    if min(len(a), len(b)) >= a.shape[1]:
        return frechet_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    x, y = ((f - f.mean(0)) / np.sqrt(len(f) - 1) for f in (a, b))
    overlap = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return _distance(a.mean(0) - b.mean(0), float((x**2).sum() + (y**2).sum()), overlap)


def _distance(gap: Array, traces: float, overlap: float) -> float:
    return max(0.0, float(gap @ gap + traces - 2 * overlap))


def _features(values: ArrayLike) -> Array:
    features = _checked(values, 2)
    if len(features) < 2:
        raise ValueError(f"{len(features)} sample has no covariance; at least 2 are needed")
    return features


def _checked(values: ArrayLike, ndim: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"expected an array of {ndim} dimension(s), got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("features or statistics hold NaN or infinity: the samples diverged, or a network overflowed")
    return array
