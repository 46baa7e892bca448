"""EDM's preconditioning on the clock t=0 noise, t=1 data, as a parametrisation of the two-time velocity.

With R^2 = s_0^2 alpha^2 + sd^2 beta^2, the variance at time t when the data have standard deviation sd,

    v_{s,t}(x) = a(s) x + b(s) F(x / R(s), s, t)
    a = (s_0^2 alpha alpha' + sd^2 beta beta') / R^2,     b = s_0 sd (alpha beta' - alpha' beta) / R

is what D(y; sigma) = c_skip y + c_out F(c_in y) becomes for y = x / beta and sigma = s_0 alpha / beta: the velocity of the
path through y - D and D. The divisions by beta (infinite sigma) and by alpha (sigma = 0) have cancelled. F sees an
input and has a target of unit variance at every time, and F = 0 is the exact velocity of N(0, sd^2 I).

The embedding of time is the network's own, of t. EDM's ln(sigma) / 4 is infinite at both ends of the clock, where students
are asked, and so is its derivative, which the objectives with a Jacobian-vector product take. t is a monotone function
of it, and both times of a flow map enter a network that starts as its teacher in the same way. A network that was trained
elsewhere knows nothing but ln(sigma) / 4: with `levels` it is told that of both times, of noise levels between these two.

Reference: Karras, Aittala, Aila & Laine (arXiv 2206.00364), Section 5 and Table 1.
"""

import torch
from torch import Tensor, nn

from methods.tools.interpolant import Interpolant
from methods.tools.network import Mask
from methods.tools.shapes import align


class Preconditioned(nn.Module):
    """net(x, s, t, condition=None, dropout=None) -> v_{s,t}(x), of a raw network F with the same arguments.

    levels: the least and the largest noise level that F is told, as ln(sigma) / 4; None: it is told the times.
    """

    def __init__(
        self, net: nn.Module, interpolant: Interpolant, sigma_data: float, levels: tuple[float, float] | None = None
    ) -> None:
        super().__init__()
        self.net, self.interpolant, self.sigma_data, self.levels = net, interpolant, sigma_data, levels

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        spread, skip, out = (align(c, x) for c in coefficients(self.interpolant, self.sigma_data, s))
        if self.levels is not None:
            s, t = (noise_time(self.interpolant, time, *self.levels) for time in (s, t))
        inner: Tensor = self.net(x / spread, s, t, condition=condition, dropout=dropout)
        return skip * x + out * inner


def noise_time(path: Interpolant, t: Tensor, least: float, largest: float) -> Tensor:
    """EDM's ln(sigma(t)) / 4, shape of t, of a time that is kept where `least` <= sigma <= `largest`: finite everywhere."""
    first, last = (path.time_of_sigma(t.new_full((), sigma)) for sigma in (largest, least))
    return torch.log(path.sigma(torch.clamp(t, first, last))) / 4


def coefficients(path: Interpolant, sigma_data: float, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """R, a and b of the module's docstring, each of the shape of t; R and b are positive on the whole of [0, 1]."""
    alpha, beta, d_alpha, d_beta = path.alpha(t), path.beta(t), path.d_alpha(t), path.d_beta(t)
    noise, data = path.base_scale**2, sigma_data**2
    variance = noise * alpha.square() + data * beta.square()
    spread = torch.sqrt(variance)
    skip = (noise * alpha * d_alpha + data * beta * d_beta) / variance
    return spread, skip, path.base_scale * sigma_data * (alpha * d_beta - d_alpha * beta) / spread
