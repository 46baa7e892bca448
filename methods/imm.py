"""Inductive moment matching: the samples that two times push to s must have the same distribution.

A group of M samples shares s < r < t (in the paper's clock, noise at 1; here tau > rho > sigma towards data):

    y = X_{t,s}(x_t),   y~ = sg[ X_{r,s}(x_r) ],   x_r by DDIM from (x_t, x_1), that is, on the same noise and data
    loss = w(s, t) [ mean k(y, y') + mean k(y~, y~') - 2 mean k(y, y~) ]   over all M x M pairs, the diagonal included
    k(a, b) = exp( -max(|a-b|, eps) / (D s_0 |t-s|) )                      the Laplace kernel of the paper
    w = 1/2 sigmoid(b - lambda_t) (-d lambda / dt) a_t^p / (a_t^2 + b_t^2),   lambda = log SNR

s_0 |t-s| is the paper's c_out for the flow parameterisation X = x + (t-s) v, which is the one used here. Training stops
short of both ends by `edge`; sampling runs from 0 to 1 all the same. One particle and
the energy kernel -|a-b|^2 give twice the squared consistency loss (the paper's Lemma 2).

Reference: Zhou, Ermon, Song, "Inductive Moment Matching" (arXiv 2503.07565), eqs. 9-13 and Appendix C.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.knobs import Count, Edge, NotNegative, Positive, Whole
from methods.tools import conditioned, jump


class Kernel(Enum):
    """LAPLACE as in the paper; ENERGY -|a-b|^2 sees means only and reduces to consistency."""

    LAPLACE = "laplace"
    ENERGY = "energy"


@dataclass(frozen=True)
class IMM(Method):
    """particles: M (below 4 collapses, says the paper). edge: times stay this far from both ends.

    gap: r lies (eta_max - eta_min) / 2^gap below t in eta = noise / data. b, power: the weight's constants.
    """

    particles: Count = 4
    edge: Edge = 0.006
    gap: Whole = 15
    b: float = 5.0
    power: NotNegative = 1.0
    kernel: Kernel = Kernel.LAPLACE
    eps: Positive = 1e-8
    paper: ClassVar[str] = "Zhou et al. 2025, arXiv 2503.07565"
    version: ClassVar[int] = 2  # 2: the second time in float64
    two_step_sigma: ClassVar[float | None] = 0.7  # its eta = 1.4, in units of noise of standard deviation .5

    @property
    def needs(self) -> Needs:
        return Needs(group=self.particles, cost=1.5, precision="tf32", truth="C at kernel=energy")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        # tau: the noisier time of the paper's t; end: its s; rho: its r. All rise towards data in this clock.
        tau = self.edge + (1 - 2 * self.edge) * context.grouped_uniform("t", self.particles)
        end = tau + (1 - self.edge - tau) * context.grouped_uniform("s", self.particles)
        rho = torch.minimum(end, self.closer(tau))
        dropout = context.draws.dropout("student")
        v = conditioned(models["net"], batch.condition, dropout)
        y = jump(v, path.point(x_0, x_1, tau), tau, end)
        with torch.no_grad():
            y_sg = jump(v, path.point(x_0, x_1, rho), rho, end)
        # A gap of exactly 0 (a uniform number may be 0) would make the kernel's gradient 0 * inf.
        scale = y.shape[1:].numel() * path.base_scale * (end - tau).clamp(min=self.eps)
        groups, scale = [self._groups(z) for z in (y, y_sg)], self._groups(scale)[:, :1, None]
        loss = (
            self._mean(groups[0], groups[0], scale)
            + self._mean(groups[1], groups[1], scale)
            - 2 * self._mean(groups[0], groups[1], scale)
        )
        per_sample = self.weight(tau) * loss.repeat_interleave(self.particles)
        return {"net": Loss(per_sample)}

    def closer(self, tau: Tensor) -> Tensor:
        """The time whose eta = noise / data is smaller than tau's by (eta_max - eta_min) / 2^gap.

        In float64: where eta is large, float32 knows it to a fraction of a percent of the gap, and not the same fraction for
        a row that a vector instruction takes and for one that is left over.
        """
        fine = tau.double()
        noisiest, cleanest = (self._eta(torch.full_like(fine, end)) for end in (self.edge, 1 - self.edge))
        eta = self._eta(fine) - (noisiest - cleanest) / 2**self.gap
        return self.interpolant.time_of_sigma(self.interpolant.base_scale * eta.clamp(min=0)).to(tau.dtype)

    def _eta(self, t: Tensor) -> Tensor:
        return self.interpolant.alpha(t) / self.interpolant.beta(t)

    def weight(self, tau: Tensor) -> Tensor:
        """w as a function of the noisier time."""
        a, b = self.interpolant.beta(tau), self.interpolant.alpha(tau)
        log_snr = 2 * torch.log(a / b)
        d_log_snr = 2 * (self.interpolant.d_beta(tau) / a - self.interpolant.d_alpha(tau) / b)
        return 0.5 * torch.sigmoid(self.b - log_snr) * d_log_snr * a**self.power / (a**2 + b**2)

    def _groups(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.particles, *x.flatten(1).shape[1:]) if x.ndim > 1 else x.reshape(-1, self.particles)

    def _mean(self, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
        """Mean kernel over all pairs of each group: (G, M, D), (G, M, D), (G, 1, 1) -> (G,)."""
        a, b = a.flatten(2), b.flatten(2)
        squares = (a[:, :, None] - b[:, None]).square().sum(-1)
        if self.kernel is Kernel.ENERGY:
            return -squares.mean((1, 2))
        distance = torch.sqrt(squares.clamp(min=self.eps**2))
        return torch.exp(-distance / scale).mean((1, 2))
