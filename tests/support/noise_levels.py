"""EDM's grid of noise levels and the discretised log-normal over its intervals, written out as in the papers."""

import scipy.stats
import torch
from torch import Tensor

LATE = 0.999  # a progress at which the pairs are those of the end of training


def even(n: int) -> Tensor:
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def levels(n: int, low: float = 0.002, high: float = 80.0) -> Tensor:
    """EDM's n + 1 noise levels, written out."""
    root, step = high ** (1 / 7), (low ** (1 / 7) - high ** (1 / 7)) / n
    return torch.tensor([(root + i * step) ** 7 for i in range(n + 1)], dtype=torch.float64)


def neighbours(n: int, i: Tensor) -> tuple[Tensor, Tensor]:
    """sigma_s and sigma_r of interval i, the last level being data."""
    sigmas = levels(n)
    sigmas[-1] = 0
    return sigmas[i], sigmas[i + 1]


def masses(n: int, mean: float = -1.1, std: float = 2.0) -> Tensor:
    """Probability of each interval under the discretised log-normal."""
    cdf = torch.from_numpy(scipy.stats.norm.cdf((levels(n).log().numpy() - mean) / std))
    return -cdf.diff() / (cdf[0] - cdf[-1])
