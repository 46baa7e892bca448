"""Time laws: pure maps from uniform numbers to times on the clock t=0 noise, t=1 data.

A law takes independent uniforms in [0, 1) and returns times, so that the same uniforms give the same times on every
machine, rank and micro-batch.
"""

from dataclasses import dataclass
from enum import Enum
from math import sinh
from typing import Protocol

import torch
from torch import Tensor

from methods.knobs import LEAST_SIGMA, Positive, Share
from methods.tools import warm_up

FIRST_REACH = 0.05
"""Where a curriculum begins."""


class TimeLaw(Protocol):
    """One time per uniform number."""

    def __call__(self, u: Tensor) -> Tensor:
        """u in [0, 1) -> t in [0, 1], same shape."""
        ...


def normal_quantile(u: Tensor) -> Tensor:
    """Standard normal numbers from uniforms; finite for every float u in [0, 1)."""
    eps = torch.finfo(u.dtype).eps
    z: Tensor = torch.special.ndtri(u.clamp(eps / 2, 1 - eps))
    return z


@dataclass(frozen=True)
class Uniform:
    """t ~ U[low, high]."""

    low: Share = 0.0
    high: Share = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low={self.low} must be below high={self.high}")

    def __call__(self, u: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * u


@dataclass(frozen=True)
class LogitNormal:
    """logit(t) ~ N(mean, std^2). A paper whose clock has noise at t=1 states -mean."""

    mean: float = 0.0
    std: Positive = 1.0

    def __call__(self, u: Tensor) -> Tensor:
        return torch.sigmoid(self.mean + self.std * normal_quantile(u))

    def share_below(self, t: Tensor) -> Tensor:
        """Its inverse: the probability of a time below t, t in [0, 1]."""
        share: Tensor = torch.special.ndtr((torch.logit(t) - self.mean) / self.std)
        return share


@dataclass(frozen=True)
class UShaped:
    """Density proportional to exp(a t) + exp(a (1-t)): both ends more often, alike on either clock (arXiv 2405.20320)."""

    a: Positive = 4.0

    def __call__(self, u: Tensor) -> Tensor:
        return (0.5 + torch.asinh((2 * u - 1) * sinh(self.a / 2)) / self.a).clamp(0, 1)


def ordered(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """s <= t: two independent uniforms give the uniform law on the upper triangle."""
    return torch.minimum(first, second), torch.maximum(first, second)


def strip(u: Tensor, w: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """0 <= s <= t <= 1 from uniforms: t - s is uniform in [0, reach), and s in [0, 1 - (t - s))."""
    gap = reach * w
    s = u * (1 - gap)
    return s, s + gap


class Curriculum(Enum):
    """Which pairs of times come first: all (NONE), those both near noise (BOX), or those near each other (DIAGONAL)."""

    NONE = "none"
    BOX = "box"
    DIAGONAL = "diagonal"

    def pair(self, u: Tensor, w: Tensor, progress: float | Tensor, share: float) -> tuple[Tensor, Tensor]:
        """s and t in either order, from uniforms; over `share` of the training their reach widens from FIRST_REACH to 1.

        BOX: both uniform on [0, reach]. DIAGONAL: t uniform, s uniform on the part of [t - reach, t + reach] within [0, 1].
        At reach 1 both are uniform on the square, as they are without a curriculum.
        """
        if self is Curriculum.NONE:
            return u, w
        reach = FIRST_REACH + (1 - FIRST_REACH) * warm_up(progress, share)
        if self is Curriculum.BOX:
            return reach * u, reach * w
        low, high = (w - reach).clamp(min=0.0), (w + reach).clamp(max=1.0)
        return low + (high - low) * u, w


def karras_sigmas(n: int, sigma_min: float = LEAST_SIGMA, sigma_max: float = 80.0, rho: float = 7.0) -> Tensor:
    """The EDM grid of n noise levels, falling from sigma_max to sigma_min, float64 (arXiv 2206.00364, eq. 5)."""
    ramp = torch.linspace(0, 1, n, dtype=torch.float64) if n > 1 else torch.zeros(1, dtype=torch.float64)
    sigmas: Tensor = (sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    return sigmas


def to_data(sigmas: Tensor) -> Tensor:
    """The same falling noise levels with data (0) in place of the last."""
    return torch.cat([sigmas[:-1], torch.zeros_like(sigmas[:1])])
