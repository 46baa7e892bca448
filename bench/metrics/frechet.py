"""The Fréchet distance between two Gaussians, |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^{1/2}), in float64.

The trace of the root is the sum of the singular values of S_1^{1/2} S_2^{1/2}, taken from the symmetric form
S_2^{1/2} S_1 S_2^{1/2}: no matrix square root of a product, which is where FID implementations lose digits or die.
With fewer samples than features the same singular values come from the centred samples directly, far faster.

Reference: Heusel et al. (arXiv 1706.08500), eq. 6.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean and covariance of features, float64 on the features' device; the root is computed once, when first needed.

    mean (d,). Either cov (d, d), or rows (n, d) with rows' rows = covariance: centred samples, fewer than features.
    """

    mean: Tensor
    cov: Tensor | None
    rows: Tensor | None = None

    @classmethod
    def of_samples(cls, features: Any) -> "Gaussian":
        """Of features (n, d), n >= 2. Raises ValueError on NaN and on fewer samples."""
        x = _checked(features, 2)
        if len(x) < 2:
            raise ValueError(f"{len(x)} sample has no covariance; at least 2 are needed")
        mean = x.mean(0)
        rows = (x - mean) / (len(x) - 1) ** 0.5
        return cls(mean, None, rows) if len(x) < x.shape[1] else cls(mean, rows.T @ rows)

    @classmethod
    def of_parts(cls, parts: Iterable[Tensor]) -> "Gaussian":
        """Of features that come in parts (n_i, d), more than d of them, and are never held together. Raises ValueError as
        `of_samples`. Squares are summed around the first part's mean, so that a large mean does not cost digits."""
        count, middle, total, squares = 0, None, torch.zeros(()), torch.zeros(())
        for part in parts:
            x = _checked(part, 2)
            middle = x.mean(0) if middle is None else middle
            x = x - middle
            count, total, squares = count + len(x), total.to(x) + x.sum(0), squares.to(x) + x.T @ x
        if middle is None or count <= len(middle):
            raise ValueError(f"{count} samples: features that come in parts must be more than they are wide")
        off = total / count
        return cls(middle + off, (squares - count * torch.outer(off, off)) / (count - 1))

    @classmethod
    def of_moments(cls, mean: Any, cov: Any) -> "Gaussian":
        """Of mean (d,) and covariance (d, d). Raises ValueError on NaN and on shapes that do not fit."""
        m, s = _checked(mean, 1), _checked(cov, 2)
        if s.shape != (len(m), len(m)):
            raise ValueError(f"a mean of {len(m)} features needs a covariance of that size, got {tuple(s.shape)}")
        return cls(m, s)

    @classmethod
    def of_root(cls, mean: Any, root: Any) -> "Gaussian":
        """Of mean (d,) and `root` as a Gaussian gave it: stored, so that it is not computed again."""
        m, r = _checked(mean, 1), _checked(root, 2)
        if r.shape[1] != len(m):
            raise ValueError(f"a mean of {len(m)} features needs a root of that width, got {tuple(r.shape)}")
        if len(r) != len(m):
            return cls(m, None, r)
        made = cls(m, r.T @ r)
        made.__dict__["root"] = r
        return made

    @cached_property
    def root(self) -> Tensor:
        """(k, d) with root' root = covariance: the symmetric root, or the rows."""
        if self.rows is not None:
            return self.rows
        assert self.cov is not None
        values, vectors = torch.linalg.eigh(self.cov)
        root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        return root

    @property
    def trace(self) -> float:
        """Of the covariance."""
        return float(self._spread())

    def distance(self, reference: "Gaussian") -> float:
        """The Fréchet distance to `reference`, whose root is used. Never negative. Raises ValueError on another width."""
        if self.mean.shape != reference.mean.shape:
            raise ValueError(
                f"the two sides have {len(self.mean)} and {len(reference.mean)} features; compare the same feature set"
            )
        if self.rows is not None:
            overlap = torch.linalg.svdvals(self.rows @ reference.root.T).sum()
        else:
            assert self.cov is not None
            overlap = torch.linalg.eigvalsh(reference.root @ self.cov @ reference.root.T).clamp(min=0).sqrt().sum()
        gap = self.mean - reference.mean
        return max(0.0, float(gap @ gap + self._spread() + reference._spread() - 2 * overlap))

    def _spread(self) -> Tensor:
        """The trace where the features are: a number that is read waits for the device."""
        if self.rows is not None:
            return self.rows.square().sum()
        assert self.cov is not None
        return self.cov.trace()


def frechet_distance(mean_1: Any, cov_1: Any, mean_2: Any, cov_2: Any) -> float:
    """Means (d,), covariances (d, d). Never negative. Raises ValueError on NaN or shapes that do not fit."""
    return Gaussian.of_moments(mean_1, cov_1).distance(Gaussian.of_moments(mean_2, cov_2))


def frechet_distance_of_samples(features_1: Any, features_2: Any) -> float:
    """The same from features (n, d) and (m, d); factored where samples are fewer than features."""
    return Gaussian.of_samples(features_1).distance(Gaussian.of_samples(features_2))


def _checked(values: Any, ndim: int) -> Tensor:
    array = torch.as_tensor(values).double()
    if array.ndim != ndim:
        raise ValueError(f"expected an array of {ndim} dimension(s), got shape {tuple(array.shape)}")
    if not torch.isfinite(array).all():
        raise ValueError("features or statistics hold NaN or infinity: the samples diverged, or a network overflowed")
    return array
