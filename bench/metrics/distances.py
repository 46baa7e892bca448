"""Squared Euclidean distances in blocks, shared by the metrics that look at neighbours."""

import torch
from torch import Tensor

CHUNK = 1024
ROUNDING = 1e-13


def squared(a: Tensor, b: Tensor) -> Tensor:
    """(n, m) float64 of a (n, d) and b (m, d). Equal points are at 0: what rounding leaves of them is taken away."""
    a, b = a.double(), b.double()
    size = a.square().sum(1)[:, None] + b.square().sum(1)
    found = size - 2 * a @ b.T
    return torch.where(found > ROUNDING * size, found, torch.zeros_like(found))
