"""EDM: denoising at log-normal noise levels with preconditioning, sampled by Heun's method on the Karras grid.

    loss = lambda(sigma) | D(x_1 + sigma n; sigma) - x_1 |^2,   ln sigma ~ N(mean, std^2),
    lambda = (sigma^2 + sd^2) / (sigma sd)^2 = 1 / c_out^2

It is flow matching at other times and with another weight: D - x_1 is proportional to v - dI/dt, and with the velocity
v = a x + b F of methods/tools/preconditioning.py

    loss = | v_{t,t}(I_t) - dI_t/dt |^2 / b(t)^2,   sigma(t) = sigma,

in which nothing is singular. The sampler steps in sigma, dy/dsigma = (y - D) / sigma with y = x / beta, and its last step,
to data, is Euler's: N Heun steps cost 2N - 1 network calls. Euler's step in sigma moves x along the straight line of
the predicted ends, x_t = alpha(t) x_0 + beta(t) D, on every interpolant.

Reference: Karras, Aittala, Aila & Laine, "Elucidating the design space of diffusion-based generative models"
(arXiv 2206.00364), eqs. 5 and 8, Algorithm 1 and Table 1.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.flow_matching import velocity_loss
from methods.knobs import Positive
from methods.times import karras_sigmas, normal_quantile
from methods.tools import Preconditioned, Solver, Velocity, align, coefficients, conditioned, everywhere, step


@dataclass(frozen=True)
class LogNormal:
    """ln sigma ~ N(mean, std^2)."""

    mean: float = -1.2
    std: Positive = 1.2

    def __call__(self, u: Tensor) -> Tensor:
        """Uniforms (B,) -> noise levels (B,)."""
        return torch.exp(self.mean + self.std * normal_quantile(u))


@dataclass(frozen=True)
class EDM(Method):
    """levels: the law of the training noise. sigma_data: standard deviation of the data. noise_times: networks are told
    ln(sigma) / 4, as the paper's are, kept between sigma_min and sigma_max, and not the time. The rest is the sampler's.

    Raises ValueError unless 0 < sigma_min < sigma_max and sigma_data > 0.
    """

    solver: Solver = Solver.HEUN
    levels: LogNormal = field(default_factory=LogNormal)
    sigma_data: Positive = 0.5
    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0
    noise_times: bool = False
    velocity_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Karras et al. 2022, arXiv 2206.00364"

    def __post_init__(self) -> None:
        if not self.sigma_data > 0:
            raise ValueError(f"method.sigma_data is a standard deviation and must be positive, got {self.sigma_data}")
        if not 0 < self.sigma_min < self.sigma_max:
            raise ValueError(f"method.sigma_min={self.sigma_min} must lie between 0 and method.sigma_max={self.sigma_max}")

    @property
    def needs(self) -> Needs:
        return Needs(truth="C")

    def parametrise(self, net: nn.Module) -> nn.Module:
        levels = (self.sigma_min, self.sigma_max) if self.noise_times else None
        return Preconditioned(net, self.interpolant, self.sigma_data, levels)

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path = self.interpolant
        x_0 = path.base_scale * context.noise(batch.x_1)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        t = path.time_of_sigma(self.levels(context.draws.uniform("sigma")))
        raw = velocity_loss(v, path, x_0, batch.x_1, t)
        _, _, out = coefficients(path, self.sigma_data, t)
        return {"net": Loss(raw / out.square(), {"velocity": raw.detach()})}

    def jump(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """One step of the solver in sigma; Euler's where the step ends at data or begins at infinite sigma (s = 0)."""
        return self._moved(models, x, s, t, _finite(s, t), condition)

    def jump_together(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        return self._moved(models, x, everywhere(s, x), everywhere(t, x), _finite(s, t), condition)

    def grid(self, steps: int) -> Tensor:
        """The Karras grid of `steps` noise levels from sigma_max to sigma_min, then data."""
        sigmas = karras_sigmas(steps, self.sigma_min, self.sigma_max, self.rho)
        return self.interpolant.time_of_sigma(torch.cat([sigmas, sigmas.new_zeros(1)]))

    def _moved(self, models: Models, x: Tensor, s: Tensor, t: Tensor, finite: Tensor, condition: Tensor | None) -> Tensor:
        """finite: of each sample (B,), or () of all of them."""
        v = conditioned(models["net"], condition)
        if self.solver is Solver.EULER or not finite.any():
            return self._euler(v, x, s, t)
        if finite.all():
            return self._step(v, x, s, t)
        return torch.where(align(finite, x), self._step(v, x, s, t), self._euler(v, x, s, t))

    def _euler(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        """alpha(t) x_0 + beta(t) x_1 with the ends that x and v predict at s; on the linear clock x + (t-s) v."""
        path = self.interpolant
        alpha, beta, d_alpha, d_beta = path.alpha(s), path.beta(s), path.d_alpha(s), path.d_beta(s)
        turn = alpha * d_beta - d_alpha * beta
        along_x = (path.alpha(t) * d_beta - path.beta(t) * d_alpha) / turn
        along_v = (path.beta(t) * alpha - path.alpha(t) * beta) / turn
        return align(along_x, x) * x + align(along_v, x) * v(x, s, s)

    def _step(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        """The solver's step of y = x / beta from sigma(s) to sigma(t), carried back to x."""
        path = self.interpolant

        def noise(y: Tensor, sigma: Tensor) -> Tensor:
            """(y - D) / sigma, which is the predicted x_0 / s_0: finite at sigma = 0."""
            u = path.time_of_sigma(sigma)
            alpha, beta, d_alpha, d_beta = (align(c(u), y) for c in (path.alpha, path.beta, path.d_alpha, path.d_beta))
            x_0 = beta * (d_beta * y - v(beta * y, u, u)) / (alpha * d_beta - d_alpha * beta)
            return x_0 / path.base_scale

        y = x / align(path.beta(s), x)
        moved = step(self.solver, noise, y, path.sigma(s), path.sigma(t)) - y
        return align(path.beta(t) / path.beta(s), x) * x + align(path.beta(t), x) * moved


def _finite(s: Tensor, t: Tensor) -> Tensor:
    """Whether the noise level is finite at s and not zero at t."""
    return (s > 0) & (t < 1)
