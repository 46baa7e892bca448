"""Kernel inception distance: the unbiased squared MMD with the cubic polynomial kernel k(x, y) = (x'y / d + 1)^3.

Reference: Bińkowski et al. (arXiv 1801.01401), section 4 and appendix C. An unbiased estimate of 0 is often negative.
"""

import numpy as np
import torch
from torch import Tensor

SIZE, SUBSETS = 1000, 100  # of clean-fid and torch-fidelity
ROWS = 1000


def polynomial_mmd(x: Tensor, y: Tensor) -> float:
    """The unbiased estimate from all of x (n, d) and y (m, d), n, m >= 2; time n m, memory ROWS x max(n, m)."""
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"the two sides have {x.shape[1]} and {y.shape[1]} features; compare the same feature set")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"{len(x)} and {len(y)} samples: the unbiased estimate needs at least 2 on each side")
    return float(_estimate(x, y))


def kid(x: Tensor, y: Tensor, size: int = SIZE, subsets: int = SUBSETS, seed: int = 0) -> tuple[float, float]:
    """(mean, standard error) of the estimate over subsets of x (n, d) and y (m, d), drawn from a fixed seed.

    Each draws `size` of either side without repeating, or half of the smaller side where that is less: subsets that hold
    nearly everything would say nothing about the error. The error is that of new samples and a new reference, the spread
    of subsets scaled to the whole; where the two distributions agree it is too wide, never too narrow.
    """
    fewer = min(len(x), len(y))
    size = min(size, fewer // 2)
    random = np.random.RandomState(seed)  # NumPy keeps this stream for good
    # All are drawn before and read after: a device is waited for once, and not in every subset.
    drawn = [torch.from_numpy(random.choice(len(z), size, replace=False)) for _ in range(subsets) for z in (x, y)]
    pairs = torch.stack(drawn).to(x.device).view(subsets, 2, size)
    found = torch.stack([_estimate(x[i], y[j]) for i, j in pairs]).cpu().numpy()
    share = size / fewer
    variance = found.var(ddof=1) * (1 / subsets + share / (1 - share))
    return float(found.mean()), float(variance**0.5)


def _estimate(x: Tensor, y: Tensor) -> Tensor:
    return _within(x) + _within(y) - 2 * _sum(x, y) / (len(x) * len(y))


def _within(x: Tensor) -> Tensor:
    """Mean kernel over pairs of different samples."""
    diagonal = ((x.double().square().sum(1) / x.shape[1] + 1) ** 3).sum()
    return (_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))


def _sum(x: Tensor, y: Tensor) -> Tensor:
    y = y.double()
    total = y.new_zeros(())
    for part in torch.split(x, ROWS):
        total = total + ((part.double() @ y.T / x.shape[1] + 1) ** 3).sum()
    return total
