"""Stochastic interpolants I_t = alpha(t) x_0 + beta(t) x_1 on one clock: t=0 is noise, t=1 is data.

    alpha(0) = beta(1) = 1,   alpha(1) = beta(0) = 0,   x_0 ~ N(0, base_scale^2 I),   x_1 ~ data

Every interpolant draws the same rays in the (alpha, beta) plane at another speed and radius. Writing
(alpha, beta) = r (cos theta, sin theta) makes all conversions between clocks exact and free of divisions by zero.

Reference: Albergo, Boffi, Vanden-Eijnden, "Stochastic Interpolants" (arXiv 2303.08797).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from methods.tools.shapes import align


@dataclass(frozen=True)
class Interpolant(ABC):
    """A pair of schedules; `base_scale` is the standard deviation s_0 of x_0 (positive)."""

    base_scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.base_scale > 0:
            raise ValueError(f"interpolant.base_scale must be positive, got {self.base_scale}")

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Coefficient of the noise x_0."""

    @abstractmethod
    def beta(self, t: Tensor) -> Tensor:
        """Coefficient of the data x_1."""

    @abstractmethod
    def d_alpha(self, t: Tensor) -> Tensor:
        """Time derivative of alpha."""

    @abstractmethod
    def d_beta(self, t: Tensor) -> Tensor:
        """Time derivative of beta."""

    @abstractmethod
    def time_of(self, theta: Tensor) -> Tensor:
        """The time t in [0, 1] at which atan2(beta, alpha) = theta, theta in [0, pi/2]."""

    def point(self, x_0: Tensor, x_1: Tensor, t: Tensor) -> Tensor:
        """I_t, shape of x_1; t has shape (B,)."""
        return align(self.alpha(t), x_1) * x_0 + align(self.beta(t), x_1) * x_1

    def velocity(self, x_0: Tensor, x_1: Tensor, t: Tensor) -> Tensor:
        """dI_t/dt of one sample pair (the conditional velocity), shape of x_1."""
        return align(self.d_alpha(t), x_1) * x_0 + align(self.d_beta(t), x_1) * x_1

    def theta(self, t: Tensor) -> Tensor:
        """The angle of (alpha, beta): 0 at noise, pi/2 at data. It is the clock that all interpolants share."""
        return torch.atan2(self.beta(t), self.alpha(t))

    def radius(self, t: Tensor) -> Tensor:
        """sqrt(alpha^2 + beta^2)."""
        return torch.hypot(self.alpha(t), self.beta(t))

    def sigma(self, t: Tensor) -> Tensor:
        """EDM's noise level: x_t / beta(t) = x_1 + sigma * N(0, I). Infinite at t=0, zero at t=1."""
        return self.base_scale * self.alpha(t) / self.beta(t)

    def time_of_sigma(self, sigma: Tensor) -> Tensor:
        """Inverse of `sigma`, for sigma >= 0."""
        return self.time_of(torch.atan2(torch.full_like(sigma, self.base_scale), sigma))


@dataclass(frozen=True)
class Linear(Interpolant):
    """alpha = 1 - t, beta = t (rectified flow, flow matching, flow map matching)."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    def beta(self, t: Tensor) -> Tensor:
        return t

    def d_alpha(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t)

    def d_beta(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def time_of(self, theta: Tensor) -> Tensor:
        return torch.sin(theta) / (torch.sin(theta) + torch.cos(theta))


@dataclass(frozen=True)
class Trigonometric(Interpolant):
    """alpha = cos(pi t / 2), beta = sin(pi t / 2) (TrigFlow's clock run from noise to data, scaled to [0, 1])."""

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(pi / 2 * t)

    def beta(self, t: Tensor) -> Tensor:
        return torch.sin(pi / 2 * t)

    def d_alpha(self, t: Tensor) -> Tensor:
        return -pi / 2 * torch.sin(pi / 2 * t)

    def d_beta(self, t: Tensor) -> Tensor:
        return pi / 2 * torch.cos(pi / 2 * t)

    def time_of(self, theta: Tensor) -> Tensor:
        return 2 / pi * theta


def convert_point(x: Tensor, t: Tensor, source: Interpolant, target: Interpolant) -> tuple[Tensor, Tensor]:
    """Carry a point of one clock's marginal at t to the other's: (x', t') with x' = lambda x.

    Both interpolants must share the base scale. t' is where beta'/alpha' = beta/alpha, lambda = r'(t') / r(t).
    """
    _same_base(source, target)
    t_new = target.time_of(source.theta(t))
    return align(target.radius(t_new) / source.radius(t), x) * x, t_new


def convert_velocity(b: Tensor, x: Tensor, t: Tensor, source: Interpolant, target: Interpolant) -> Tensor:
    """The velocity at the converted point: b'(x', t') = (d lambda / dt') x + lambda (dt / dt') b(x, t)."""
    _same_base(source, target)
    t_new = target.time_of(source.theta(t))
    r, r_new = source.radius(t), target.radius(t_new)
    dt = _angular_speed(target, t_new) / _angular_speed(source, t)
    d_lambda = _radial_speed(target, t_new) / r - r_new / r**2 * _radial_speed(source, t) * dt
    return align(d_lambda, x) * x + align(r_new / r * dt, x) * b


def _angular_speed(path: Interpolant, t: Tensor) -> Tensor:
    return (path.d_beta(t) * path.alpha(t) - path.beta(t) * path.d_alpha(t)) / path.radius(t) ** 2


def _radial_speed(path: Interpolant, t: Tensor) -> Tensor:
    return (path.alpha(t) * path.d_alpha(t) + path.beta(t) * path.d_beta(t)) / path.radius(t)


def _same_base(source: Interpolant, target: Interpolant) -> None:
    if source.base_scale != target.base_scale:
        raise ValueError(f"interpolants of base scales {source.base_scale} and {target.base_scale} have no common ray")
