"""Truncated consistency models: a second training that sees large noise only, above a frozen first network.

    first stage    ECT (the authors' code cuts its log-normal law to [.002, 80]; here it is whole)
    second stage   w(s, r) d( X_{s,1}(x_s), sg[ X°_{r,1}(x_r) ] ),   sigma_s >= sigma',
                   X° = the network itself while sigma_r >= sigma', else the first stage's, frozen

The second stage starts from the first and keeps its last ratio sigma_r / sigma_s. A fixed share of the batch sits at
sigma_s = sigma', where the frozen network gives the boundary condition; with means over each part,

    loss = mean over the rest + boundary_weight * mean over the boundary.

ln sigma_s of the rest is Student's t, truncated: with df near 0 almost uniform in asinh((ln sigma - mean) / (scale
sqrt(df))), crowded at sigma' and heavy towards sigma_max. At the exact map the second stage holds what ECT does, in
expectation and up to the gap, provided that the first network is exact: an error of the first below sigma' is inherited.

Reference: Lee et al., "Truncated Consistency Models" (arXiv 2410.14895), Section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import asinh, log, sqrt
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Context, Models, Needs, Stage
from methods.consistency import ECT
from methods.knobs import Count, Inner, NotNegative, Positive, Share
from methods.pairs import EasyPairs
from methods.tools import Mask, align, conditioned, constant, everywhere, jump


@dataclass(frozen=True)
class LimitedPairs(EasyPairs):
    """ECT's, with d_a = max(q^-(a+1), 1 - limit)."""

    doublings: Count = 10
    limit: Share = 0.999

    def step(self, a: int) -> float:
        return max(super().step(a), 1 - self.limit)


@dataclass(frozen=True)
class TruncatedStudent:
    """sigma = exp(mean + scale T) in [low, high], T Student's t with df degrees of freedom.

    With T = sqrt(df) sinh(y) the density of y is proportional to cosh(y)^-df, smooth and bounded, so a table of its
    integral inverts to 1e-7.
    """

    mean: float = 0.0
    scale: Positive = 0.2
    df: Positive = 0.01
    low: Positive = 1.0
    high: Positive = 80.0

    def __call__(self, u: Tensor) -> Tensor:
        """Noise levels from uniforms in [0, 1), same shape."""
        y, mass = constant(TruncatedStudent.table, self, like=u, dtype=torch.float64)
        at = u.double() * mass[-1]
        i = torch.searchsorted(mass[1:-1], at, right=True)
        inside = (at - mass[i]) / (mass[i + 1] - mass[i])
        student = sqrt(self.df) * torch.sinh(y[i] + inside * (y[i + 1] - y[i]))
        return torch.exp(self.mean + self.scale * student).clamp(self.low, self.high).to(u.dtype)

    def table(self) -> Tensor:
        """y and the integral of its density up to there, (2, points), float64."""
        low, high = (asinh((log(end) - self.mean) / (self.scale * sqrt(self.df))) for end in (self.low, self.high))
        y = torch.linspace(low, high, 2**13 + 1, dtype=torch.float64)
        mass = torch.cumulative_trapezoid(torch.cosh(y) ** -self.df, y)
        return torch.stack([y, torch.cat([torch.zeros_like(mass[:1]), mass])])


@dataclass(frozen=True)
class TCM(ECT):
    """boundary: sigma'. first_share: share of the images of the first stage (the paper trains both long).

    mean, scale, df: of the second stage's law. boundary_share: share of the batch at the boundary.
    """

    c: NotNegative | None = 1e-8
    pairs: EasyPairs = field(default_factory=LimitedPairs)
    boundary: Positive = 1.0
    first_share: Inner = 0.5
    mean: float = 0.0
    scale: Positive = 0.2
    df: Positive = 0.01
    boundary_share: Inner = 0.25
    boundary_weight: NotNegative = 0.1
    paper: ClassVar[str] = "Lee et al. 2024, arXiv 2410.14895"

    def __post_init__(self) -> None:
        if not self.boundary < self.sigma_max:
            raise ValueError(f"method.boundary={self.boundary} must be below method.sigma_max={self.sigma_max}")

    @property
    def needs(self) -> Needs:
        cost = 1.4 * self.first_share + 1.7 * (1 - self.first_share)
        return replace(super().needs, cost=cost, precision="float32")

    @cached_property
    def law(self) -> TruncatedStudent:
        """The second stage's law of sigma_s away from the boundary."""
        return TruncatedStudent(self.mean, self.scale, self.df, self.boundary, self.sigma_max)

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        return {"net": backbone.net(), "first": backbone.net()}

    def sampled(self, models: Models) -> list[str]:
        return ["net", "first"]

    def stages(self, images: int) -> Sequence[Stage]:
        first = round(images * self.first_share)
        return [
            replace(*super().stages(first), name="first", options={"truncated": False}),
            Stage("truncated", images - first, prepare=self.prepare, options={"truncated": True}),
        ]

    def prepare(self, models: Models, previous: Models) -> None:
        """The first stage's network is frozen, and the second starts from it."""
        for role in ("net", "first"):
            models[role].load_state_dict(previous["net"].state_dict())

    def pair(self, context: Context) -> tuple[Tensor, Tensor, Tensor]:
        u, path = context.draws.uniform("times"), self.interpolant
        if not context.stage.options["truncated"]:
            return self.pairs(u, context.progress / self.first_share, path)
        on = context.split(self.boundary_share)[0]
        sigma = self.law(u).index_fill(0, on, self.boundary)
        s, r, w = self.pairs.paired(sigma, self.pairs.doublings - 1, path)
        share = torch.full_like(w, 1 / (1 - self.boundary_share))
        return s, r, w * share.index_fill(0, on, self.boundary_weight / self.boundary_share)

    def target(
        self, models: Models, context: Context, x_r: Tensor, r: Tensor, condition: Tensor | None, dropout: Mask | None
    ) -> Tensor:
        own = super().target(models, context, x_r, r, condition, dropout)
        if not context.stage.options["truncated"]:
            return own
        frozen = jump(conditioned(models["first"], condition, dropout), x_r, r, torch.ones_like(r))
        return torch.where(align(self._below(r), x_r), frozen, own)

    def jump(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """`jump_together`: all samples must share s and t."""
        return self.jump_together(models, x, s[0].cpu(), t[0].cpu(), condition)

    def jump_together(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """The first network's map from noise levels below the boundary."""
        role = "first" if self._below(s).item() else "net"
        return jump(conditioned(models[role], condition), x, everywhere(s, x), everywhere(t, x))

    def _below(self, t: Tensor) -> Tensor:
        """Whether the noise level at t is below the boundary, bool of its shape."""
        return t > self.interpolant.time_of_sigma(torch.full_like(t, self.boundary))
