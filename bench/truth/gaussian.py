"""A Gaussian target N(m, C): velocity and flow map in closed form, without divisions by t - s.

Per eigen-direction of C with eigenvalue c^2 and sig(t)^2 = s_0^2 (1-t)^2 + t^2 c^2:

    X_{s,t}(x) = t m + sig(t) / sig(s) (x - s m)
    v_{s,t}(x) = m + q / sig(s) (x - s m),   q = (sig(t) - sig(s)) / (t - s)
               = ((s+t)(s_0^2 + c^2) - 2 s_0^2) / (sig(s) + sig(t))
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bench.truth.base import Truth
from methods.tools import align


@dataclass(frozen=True)
class Gaussian(Truth):
    """N(mean, covariance) in any dimension; the map is exact, `steps` is ignored.

    Raises ValueError if the covariance is not a positive definite matrix of the mean's size.
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    base_scale: float = 1.0
    steps: int = 1

    def __post_init__(self) -> None:
        c = np.asarray(self.covariance, dtype=float)
        if c.shape != (len(self.mean),) * 2 or not np.allclose(c, c.T) or np.linalg.eigvalsh(c).min() <= 0:
            raise ValueError(f"covariance must be positive definite of size {len(self.mean)}, got {c.tolist()}")

    @cached_property
    def _eigen(self) -> tuple[Tensor, Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(torch.tensor(self.covariance, dtype=torch.float64))
        return torch.tensor(self.mean, dtype=torch.float64), values, vectors

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        return self.average_velocity(x, t, t)

    def average_velocity(self, x: Tensor, s: Tensor, t: Tensor, steps: int | None = None) -> Tensor:
        m, c2, q = (a.to(x.device) for a in self._eigen)
        y, s, t = x.double(), align(s.double(), x), align(t.double(), x)
        s02 = self.base_scale**2
        sig_s, sig_t = self._sig(s, c2), self._sig(t, c2)
        rate = ((s + t) * (s02 + c2) - 2 * s02) / ((sig_s + sig_t) * sig_s)
        return (m + (rate * ((y - s * m) @ q)) @ q.T).to(x.dtype)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        m, c2, q = (a.to(generator.device) for a in self._eigen)
        z = torch.randn((n, len(m)), generator=generator, device=generator.device, dtype=torch.float64)
        return m + (z * c2.sqrt()) @ q.T

    def cell_probabilities(self, edges: Tensor) -> Tensor:
        """Quadrature over x (16 Gauss-Legendre nodes per cell) of the exact conditional probability in y."""
        (m_x, m_y), c = self.mean, self.covariance
        edges = edges.double()
        nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(16))
        half = edges.diff() / 2
        x = (edges[:-1] + half)[:, None] + half[:, None] * nodes  # (k, 16)
        density = torch.exp(-((x - m_x) ** 2) / (2 * c[0][0])) / (2 * torch.pi * c[0][0]) ** 0.5
        centre = m_y + c[0][1] / c[0][0] * (x - m_x)
        scale = (c[1][1] - c[0][1] ** 2 / c[0][0]) ** 0.5
        in_y = torch.special.ndtr((edges - centre[..., None]) / scale).diff(dim=-1)  # (k, 16, k)
        cells: Tensor = ((density * weights * half[:, None])[..., None] * in_y).sum(1)
        return cells

    def _sig(self, t: Tensor, c2: Tensor) -> Tensor:
        return torch.sqrt(self.base_scale**2 * (1 - t) ** 2 + t**2 * c2)
