"""The Fréchet distance at infinitely many samples: its bias falls as 1/n, so a line in 1/n has the limit as intercept.

Reference: Chong and Forsyth (arXiv 1911.07023), section 4, with random instead of quasi-random noise. Only the samples'
number is extrapolated, not the reference's. The intercept is an estimate and may come out below zero.
"""

import numpy as np
import torch
from torch import Tensor

from bench.metrics.frechet import Gaussian

POINTS = 15


def smallest(count: int, width: int) -> int | None:
    """The fewest samples on the line, or None where `count` samples do not carry it: the bias is 1/n well above `width`."""
    first = max(count // 10, 2 * width)
    return first if count >= 2 * first else None


def frechet_infinity(features: Tensor, reference: Gaussian, first: int, seed: int = 0) -> float:
    """Of features (n, d): POINTS subsets of sizes `first` to n, evenly spaced, drawn from a fixed seed."""
    n, random = len(features), np.random.RandomState(seed)
    if not 2 <= first < n:
        raise ValueError(f"a line from {first} to {n} samples is none")
    sizes = np.linspace(first, n, POINTS).round().astype(int)
    drawn = torch.cat([torch.from_numpy(random.choice(n, k, replace=False)) for k in sizes]).to(features.device)
    found = [Gaussian.of_samples(features[part]).distance(reference) for part in torch.split(drawn, sizes.tolist())]
    return float(np.polyfit(1 / sizes, found, 1)[1])
