"""The checkerboard: uniform on the 8 squares of side 1/2 of a 4 x 4 board on [-1, 1]^2 where column + row is even.

With y = x_1 | I_t = x a mixture of products of truncated normals N(x/t, (s_0 (1-t)/t)^2) on the squares,

    b_t(x) = (E[x_1 | x] - x) / (1-t)

Column and row are both even or both odd, so per axis only four intervals are needed: with Z_k the normal mass of the
interval [a_k, b_k], p(even) : p(odd) = prod_axes (Z_0 + Z_2) : prod_axes (Z_1 + Z_3), and the mean on interval k is
mu + sd (phi(a_k) - phi(b_k)) / Z_k. Masses are kept as logarithms of the smaller tail, so they are never 0/0.

Reference: the board of arXiv 2505.18825, section 5.1 (per-axis standard deviation .577).
"""

from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor

from bench.truth.base import Truth

EDGES = (-1.0, -0.5, 0.0, 0.5, 1.0)
CLAMP = 1e-4  # the formula divides by t and 1-t; b is constant in t below and above


@dataclass(frozen=True)
class Checkerboard(Truth):
    """The velocity is exact on [1e-4, 1 - 1e-4] and that of the nearest time outside; the map solves this velocity."""

    base_scale: float = 1.0
    steps: int = 200

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        y, t = x.double().T, t.double().clamp(CLAMP, 1 - CLAMP)  # samples last: long contiguous rows
        log_z, mean = _truncated(y / t, self.base_scale * (1 - t) / t)
        log_z, mean = torch.unflatten(log_z, 0, (2, 2)), torch.unflatten(mean, 0, (2, 2))  # (interval, parity, axis, B)
        log_parity = torch.logsumexp(log_z, dim=0)
        means = (torch.exp(log_z - log_parity) * mean).sum(0)  # (parity, axis, B)
        x_1 = (torch.softmax(log_parity.sum(1, keepdim=True), dim=0) * means).sum(0)
        return ((x_1 - y) / (1 - t)).T.to(x.dtype)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        u = torch.rand((n, 2), generator=generator, device=generator.device, dtype=torch.float64)
        column, within_pair = (4 * u[:, 0]).floor(), 2 * u[:, 1]  # the row: one of two, then a place in it
        row = 2 * within_pair.floor() + column % 2
        return torch.stack([2 * u[:, 0] - 1, (row + within_pair % 1) / 2 - 1], dim=1)

    def density(self, x: Tensor) -> Tensor:
        """1/2 on the squares, 0 elsewhere; x (..., 2). An edge belongs to the square above it, up to rounding."""
        square = (2 * (x.double() + 1) + 1e-9).floor()
        inside = ((square >= 0) & (square < 4)).all(-1)
        return 0.5 * (inside & (square.sum(-1) % 2 == 0))

    def cell_probabilities(self, edges: Tensor) -> Tensor:
        low, high = edges.double()[:-1], edges.double()[1:]
        a, b = torch.tensor(EDGES[:-1]).double(), torch.tensor(EDGES[1:]).double()
        overlap = (torch.minimum(high[:, None], b) - torch.maximum(low[:, None], a)).clamp(min=0)  # (k, 4)
        even, odd = overlap[:, 0] + overlap[:, 2], overlap[:, 1] + overlap[:, 3]
        return (torch.outer(even, even) + torch.outer(odd, odd)) / 2


def _truncated(mu: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
    """log mass and mean of N(mu, sd^2) on each of the four intervals; mu (2, B), sd (B,) -> (4, 2, B) each."""
    edges = torch.tensor(EDGES, dtype=mu.dtype, device=mu.device)
    z = (edges[:, None, None] - mu) / sd
    a, b = z[:-1], z[1:]
    upper = a + b > 0  # mirror intervals of the upper tail into the lower one, where log_ndtr keeps its digits
    low, high = torch.where(upper, -b, a), torch.where(upper, -a, b)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    log_z = log_high + torch.log(-torch.expm1(log_low - log_high))
    log_phi = -z.square() / 2 - log(2 * pi) / 2
    return log_z, mu + sd * (torch.exp(log_phi[:-1] - log_z) - torch.exp(log_phi[1:] - log_z))
