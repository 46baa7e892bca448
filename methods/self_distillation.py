"""Self-distillation: learn the velocity on the diagonal and the flow map off it, each teaching the other.

    L_b  = | v_{t,t}(I_t) - dI_t/dt |^2                                   on a share eta of the batch (the diagonal)
    L_D  = | r |^2                                                        on the rest, s < t uniform on the triangle
    LSD  r = d_t X_{s,t}(I_s) - sg[ v_{t,t}(X_{s,t}(I_s)) ]               Lagrangian
    ESD  r = d_s X_{s,t}(I_s) + sg[ grad X_{s,t}(I_s) v_{s,s}(I_s) ]      Eulerian
    PSD  r = v_{s,t}(I_s) - sg[ (1-g) v_{s,u}(I_s) + g v_{u,t}(X_{s,u}(I_s)) ],  u = g s + (1-g) t    semigroup
    both terms weighted as  e^{-w_{s,t}} |r|^2 + w_{s,t}  with a learned w

The batch mean runs over both parts (the authors' code: eta L_b + (1-eta) L_D; their Algorithm 1 adds the two means).
With classes, `scale` guides the velocity of the diagonal, and the map with it (methods/guided.py).
Dropout acts in the diagonal term only, as in the code. v is continuous in (s, t), which the semigroup needs.

Reference: Boffi, Albergo, Vanden-Eijnden (arXiv 2505.18825), eqs. 8-10, 19, 22, 94 and Algorithms 2-4.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Models, Needs, Stage
from methods.guided import GuidedMethod
from methods.knobs import Share
from methods.times import ordered
from methods.tools import (
    Derivative,
    Guide,
    Velocity,
    align,
    conditioned,
    derivative,
    eulerian,
    lagrangian,
    squared,
    warm_up,
)


class StopGradient(Enum):
    """Where the gradient is cut. Every placement has the same stationary map; they differ in noise and stability."""

    NONE = "none"  # nowhere: the plain residual
    CONVEX = "convex"  # at the own velocity and its argument: quadratic in the map that is learned
    FULL = "full"  # ESD only: at the whole product grad X . v
    DETACHED = "detached"  # everywhere but at v_{s,t}: a no-gradient JVP suffices (LSD', ESD')


@dataclass(frozen=True)
class SelfDistillation(GuidedMethod):
    """What the four objectives share.

    eta: share of the batch on the diagonal. learned_weight: train w_{s,t} (the paper's checkerboard fixes w = 0).
    anneal: share of training over which |t-s| widens linearly from 0 to 1; 0 is off, as in the paper's runs.
    """

    eta: Share = 0.75
    learned_weight: bool = True
    anneal: Share = 0.0
    stop_gradient: StopGradient = StopGradient.CONVEX
    relative_cost: ClassVar[float] = 2.0
    placements: ClassVar[tuple[StopGradient, ...]] = tuple(StopGradient)
    paper: ClassVar[str] = "Boffi et al. 2025, arXiv 2505.18825"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stop_gradient not in self.placements:
            valid = ", ".join(p.value for p in self.placements)
            raise ValueError(f"method.stop_gradient={self.stop_gradient.value} means nothing here. Valid: {valid}")

    @property
    def needs(self) -> Needs:
        return self.asking(Needs(cost=self.relative_cost, truth="A off the diagonal, C on it"), self.eta)

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        models = super().build(backbone)
        return models | {"weight": backbone.weight()} if self.learned_weight else models

    def stages(self, images: int) -> Sequence[Stage]:
        roles = ("net", "weight") if self.learned_weight else ("net",)
        return [Stage("train", images, {"net": roles})]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        s, t = ordered(*context.uniform_pair("times"))
        if self.anneal > 0:
            t = torch.minimum(t, s + warm_up(context.progress, self.anneal))
        on, off = context.split(self.eta)
        # Where a sample is on the diagonal its time is uniform: an own number, since max(u, u') is not.
        d = context.draws.uniform("diagonal")[on]
        guide = self.guide(models["net"], batch, context)
        own = guide.at(on)
        v = conditioned(models["net"], own.told, context.draws.dropout("student", on))
        diagonal = self.diagonal(v, x_0[on], x_1[on], d, own, context)
        v = conditioned(models["net"], guide.at(off).told)
        s, t = s[off], t[off]
        distilled = squared(self.residual(v, path.point(x_0[off], x_1[off], s), s, t, context))
        raw = torch.cat([diagonal, distilled])
        parts = {"velocity": diagonal.detach(), "distillation": distilled.detach()}
        if not self.learned_weight:
            return {"net": Loss(raw, parts)}
        w = models["weight"](torch.cat([d, s]), torch.cat([d, t]))
        return {"net": Loss(torch.exp(-w) * raw + w, parts)}

    def diagonal(
        self, v: Velocity, x_0: Tensor, x_1: Tensor, t: Tensor, guide: Guide, context: Context
    ) -> Tensor:
        """The term at s = t, (B,)."""
        x = self.interpolant.point(x_0, x_1, t)
        own = v(x, t, t)
        return squared(own - guide.velocity(x, t, self.interpolant.velocity(x_0, x_1, t), own))

    @abstractmethod
    def residual(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, context: Context) -> Tensor:
        """r at x = I_s for s <= t, shape of x."""


@dataclass(frozen=True)
class LSD(SelfDistillation):
    """Lagrangian self-distillation."""

    placements: ClassVar[tuple[StopGradient, ...]] = (StopGradient.NONE, StopGradient.CONVEX, StopGradient.DETACHED)

    def residual(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, context: Context) -> Tensor:
        if self.stop_gradient is StopGradient.DETACHED:
            value, dv = derivative(v, x, s, t, dt=1.0, how=Derivative.SPLIT)
            with torch.no_grad():
                gap = align(t - s, x)
                target = v(x + gap * value, t, t) - gap * dv
            return value - target
        end, speed = lagrangian(v, x, s, t)
        if self.stop_gradient is StopGradient.NONE:
            return speed - v(end, t, t)
        with torch.no_grad():
            velocity = v(end, t, t)
        return speed - velocity


@dataclass(frozen=True)
class ESD(SelfDistillation):
    """Eulerian self-distillation."""

    stop_gradient: StopGradient = StopGradient.FULL
    relative_cost: ClassVar[float] = 2.4

    def residual(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, context: Context) -> Tensor:
        gap = align(t - s, x)
        with torch.set_grad_enabled(self.stop_gradient is StopGradient.NONE):
            b = v(x, s, s)
        if self.stop_gradient is not StopGradient.DETACHED:
            return eulerian(v, x, s, t, b, cut=self.stop_gradient is StopGradient.FULL)
        value, dv = derivative(v, x, s, t, dx=b, ds=1.0, how=Derivative.SPLIT)
        return b + gap * dv - value


@dataclass(frozen=True)
class PSD(SelfDistillation):
    """Progressive self-distillation: PSD-M halves the interval (gamma 1/2), PSD-U cuts it at a uniform gamma."""

    uniform: bool = False
    relative_cost: ClassVar[float] = 1.5
    placements: ClassVar[tuple[StopGradient, ...]] = (StopGradient.NONE, StopGradient.CONVEX)

    def residual(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, context: Context) -> Tensor:
        if self.uniform:
            gamma = context.draws.uniform("gamma")[context.split(self.eta)[1]]
        else:
            gamma = torch.full_like(s, 0.5)
        with torch.set_grad_enabled(self.stop_gradient is StopGradient.NONE):
            u = gamma * s + (1 - gamma) * t
            first = v(x, s, u)
            g = align(gamma, x)
            target = (1 - g) * first + g * v(x + align(u - s, x) * first, u, t)
        return v(x, s, t) - target

