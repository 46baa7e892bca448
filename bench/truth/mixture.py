"""A mixture of isotropic Gaussians with weights w_k, means mu_k and standard deviations sigma_k.

    b_t(x) = sum_k r_k [ mu_k + (t sigma_k^2 - s_0^2 (1-t)) / v_k (x - t mu_k) ],   v_k = s_0^2 (1-t)^2 + t^2 sigma_k^2
    r = softmax_k( log w_k - d/2 log v_k - |x - t mu_k|^2 / (2 v_k) )

The log v_k term matters as soon as the components differ in width. The flow map is solved (see `bench.truth.base`).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bench.truth.base import Truth
from methods.tools import softmax


@dataclass(frozen=True)
class Mixture(Truth):
    """weights (any positive scale), means and sigmas, one per component. Raises ValueError if they do not fit."""

    means: tuple[tuple[float, ...], ...]
    sigmas: tuple[float, ...]
    weights: tuple[float, ...]
    base_scale: float = 1.0
    steps: int = 200

    def __post_init__(self) -> None:
        if not len(self.means) == len(self.sigmas) == len(self.weights) >= 1:
            raise ValueError("a mixture needs one mean, one sigma and one weight per component")
        if min(self.sigmas) <= 0 or min(self.weights) <= 0:
            raise ValueError("the sigmas and weights of a mixture must be positive")

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        w = torch.tensor(self.weights, dtype=torch.float64)
        mu, sigma = (torch.tensor(a, dtype=torch.float64) for a in (self.means, self.sigmas))
        return mu, sigma, w / w.sum()

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        mu, sigma, w = (a.to(x.device) for a in self._parts)
        y, t = x.double(), t.double()[:, None]
        s02 = self.base_scale**2
        v = s02 * (1 - t) ** 2 + t**2 * sigma**2  # (B, K)
        distance = y.square().sum(1, keepdim=True) - 2 * t * (y @ mu.T) + t**2 * mu.square().sum(1)
        r = softmax(w.log() - y.shape[1] / 2 * v.log() - distance / (2 * v), dim=1)
        slope = r * (t * sigma**2 - s02 * (1 - t)) / v
        return ((r - t * slope) @ mu + slope.sum(1, keepdim=True) * y).to(x.dtype)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        mu, sigma, w = (a.to(generator.device) for a in self._parts)
        k = torch.multinomial(w, n, replacement=True, generator=generator)
        z = torch.randn((n, mu.shape[1]), generator=generator, device=generator.device, dtype=torch.float64)
        return mu[k] + sigma[k, None] * z

    def cell_probabilities(self, edges: Tensor) -> Tensor:
        mu, sigma, w = self._parts
        z = (edges.double() - mu[..., None]) / sigma[:, None, None]  # (K, 2, k+1)
        # Differences of the smaller tail: exact to rounding far out on either side.
        p = torch.where(z[..., 1:] > 0, -torch.special.ndtr(-z).diff(dim=-1), torch.special.ndtr(z).diff(dim=-1))
        return torch.einsum("k,ki,kj->ij", w, p[:, 0], p[:, 1])
