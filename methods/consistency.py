"""Consistency: the map to data gives the same answer at two neighbouring points of a trajectory.

    loss = w(s, r) d( X_{s,1}(x_s), sg[ X_{r,1}(x_r) ] ),   s < r <= 1

What differs is where x_r comes from (the same noise and data: training; a teacher's solver step: distillation), the law
of the pair (s, r), the distance d and the weight. With X_{s,1}(x) = x + (1-s) v the boundary X_{1,1} = id is exact, so
the target at r = 1 is x_r itself and EDM's cut at sigma_min is not needed. The papers state noise levels sigma; here
they become times through the interpolant (linear: t = 1 / (1 + sigma)).

Reference: Song et al., "Consistency Models" (arXiv 2303.01469), Algorithms 2 and 3; Geng et al., "Consistency Models
Made Easy" (ECT, arXiv 2406.14548). LPIPS, the distance of the former's best figures, shares ImageNet features with FID
and is left out.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from methods.base import (
    Batch,
    Context,
    Loss,
    Method,
    Models,
    Needs,
    Stage,
    conditioned,
    squared,
    start_from_teacher,
)
from methods.flow_map import jump
from methods.interpolant import Interpolant
from methods.solvers import Solver, step
from methods.times import karras_sigmas, normal_quantile


class Distance(Enum):
    """SQUARED |a-b|^2; NORM sqrt(|a-b|^2 + c^2) - c on the whole sample (pseudo-Huber, not per pixel)."""

    SQUARED = "squared"
    NORM = "norm"


class Pairs(Protocol):
    """The law of (s, r) and the weight of a pair."""

    def __call__(self, u: Tensor, progress: float, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        """Uniforms (B,) -> s, r, w, each (B,), with 0 <= s < r <= 1."""
        ...


@dataclass(frozen=True)
class EasyPairs:
    """ECT's: ln sigma ~ N(mean, std^2); sigma_r / sigma_s rises from denoising to consistency as training proceeds.

    sigma_r = max(0, sigma (1 - q^-(a+1) (1 + k sigmoid(-b sigma)))), a = 0, 1, ... in `doublings` equal parts of the
    budget (the paper: 25.6 M images, a new part every 3.2 M). w = 1 / (sigma_s - sigma_r).
    """

    mean: float = -1.1
    std: float = 2.0
    q: float = 2.0
    k: float = 8.0
    b: float = 1.0
    doublings: int = 8

    def __call__(self, u: Tensor, progress: float, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        sigma = torch.exp(self.mean + self.std * normal_quantile(u))
        a = int(progress * self.doublings)
        ratio = 1 - self.q ** -(a + 1) * (1 + self.k * torch.sigmoid(-self.b * sigma))
        sigma_r = sigma * ratio.clamp(min=0)
        return path.time_of_sigma(sigma), path.time_of_sigma(sigma_r), 1 / (sigma - sigma_r)


@dataclass(frozen=True)
class KarrasPairs:
    """Neighbours on EDM's grid of n noise levels, index uniform, w = 1. The last level is taken for data (r = 1)."""

    n: int = 18
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def __call__(self, u: Tensor, progress: float, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        sigmas = karras_sigmas(self.n, self.sigma_min, self.sigma_max, self.rho)
        sigmas[-1] = 0
        return _neighbours(path.time_of_sigma(sigmas), u)


@dataclass(frozen=True)
class UniformPairs:
    """Neighbours on n equal intervals of [0, 1], index uniform, w = 1."""

    n: int = 18

    def __call__(self, u: Tensor, progress: float, path: Interpolant) -> tuple[Tensor, Tensor, Tensor]:
        return _neighbours(torch.linspace(0, 1, self.n + 1, dtype=torch.float64), u)


def _neighbours(times: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    times = times.to(u)
    i = (u * (len(times) - 1)).long()
    return times[i], times[i + 1], torch.ones_like(u)


@dataclass(frozen=True)
class Consistency(Method):
    """sigma_max: the noise level from which sampling starts. c: the pseudo-Huber constant of Distance.NORM."""

    sigma_max: float = 80.0
    c: float = 1e-6

    @property
    @abstractmethod
    def law(self) -> tuple[Pairs, Distance]:
        """The pair law and the distance."""

    @abstractmethod
    def partner(
        self, batch: Batch, context: Context, x_0: Tensor, x_s: Tensor, s: Tensor, r: Tensor
    ) -> Tensor:
        """x_r, the neighbour of x_s further towards data."""

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        pairs, distance = self.law
        s, r, w = pairs(context.draws.uniform("times"), context.progress, path)
        x_s = path.point(x_0, x_1, s)
        one = torch.ones_like(s)
        dropout = context.draws.dropout("student")  # the two passes share their mask
        slow = models if context.target is None else context.target
        with torch.no_grad():
            x_r = self.partner(batch, context, x_0, x_s, s, r)
            target = jump(conditioned(slow["net"], batch.condition, dropout), x_r, r, one)
        raw = squared(jump(conditioned(models["net"], batch.condition, dropout), x_s, s, one) - target)
        d = raw if distance is Distance.SQUARED else torch.sqrt(raw + self.c**2) - self.c
        return {"net": Loss(w * d, {"raw": raw.detach()})}

    def grid(self, steps: int) -> Tensor:
        """EDM-spaced noise levels from sigma_max, then data. Untuned: the papers search theirs on FID."""
        sigmas = karras_sigmas(steps + 1, sigma_max=self.sigma_max)
        sigmas[-1] = 0
        return self.interpolant.time_of_sigma(sigmas)


@dataclass(frozen=True)
class ECT(Consistency):
    """Consistency training, easy version: starts as denoising and tightens; no teacher, no slow target.

    The authors start from a pretrained diffusion model; here it starts from scratch, on the budget of all others.
    """

    pairs: Pairs = field(default_factory=EasyPairs)
    distance: Distance = Distance.NORM
    paper: ClassVar[str] = "Geng et al. 2024, arXiv 2406.14548"

    @property
    def needs(self) -> Needs:
        return Needs(reaches="data", rule="renoise", cost=1.4, truth="C")

    @property
    def law(self) -> tuple[Pairs, Distance]:
        return self.pairs, self.distance

    def partner(
        self, batch: Batch, context: Context, x_0: Tensor, x_s: Tensor, s: Tensor, r: Tensor
    ) -> Tensor:
        return self.interpolant.point(x_0, batch.x_1, r)


@dataclass(frozen=True)
class CD(Consistency):
    """Consistency distillation: x_r by one step of the teacher's ODE. target_ema: decay of the slow target, 0 for none.

    initialise: the student starts from the teacher's weights, as the authors'. Their CIFAR-10 configuration uses no slow
    target. The solver steps in this clock, not in sigma; on the linear clock Euler's step is the same in both, Heun's of
    the same order.
    """

    pairs: Pairs = field(default_factory=KarrasPairs)
    distance: Distance = Distance.SQUARED
    solver: Solver = Solver.HEUN
    target_ema: float = 0.0
    initialise: bool = True
    paper: ClassVar[str] = "Song et al. 2023, arXiv 2303.01469"

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.initialise else None)]

    @property
    def needs(self) -> Needs:
        return Needs(True, target_ema=self.target_ema or None, reaches="data", rule="renoise", cost=2.0, truth="B")

    @property
    def law(self) -> tuple[Pairs, Distance]:
        return self.pairs, self.distance

    def partner(
        self, batch: Batch, context: Context, x_0: Tensor, x_s: Tensor, s: Tensor, r: Tensor
    ) -> Tensor:
        return step(self.solver, lambda x, t: context.teach(x, t, batch.condition), x_s, s, r)
