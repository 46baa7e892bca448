"""Align Your Flow: continuous-time distillation of the whole flow map, by a tangent on v_{s,t} = (X_{s,t}(x) - x) / (t-s).

    EMD   g = b_s(I_s) - v_{s,t} + r (t-s) d/ds v_{s,t},   d/ds along the teacher's trajectory (b_s, 1, 0)
    LMD   g = b_t(X_{s,t}(I_s)) - v_{s,t} - r (t-s) d/dt v_{s,t}
    loss = | v_{s,t}(I_s) - sg( v_{s,t}(I_s) + g / (|g| + c) ) |^2

At r = 1 these are d/ds X_{s,t} along the trajectory and b_t(X) - d/dt X_{s,t}: the flow map identities in Eulerian and
Lagrangian form, everything detached but v_{s,t} itself. The paper states gradients, sign <X, sg[dX/ds]> and its like,
with a weight w' left open; X moves by (t-s) times what v does, and w' = 1 / |t-s| gives the loss above, which at s = t
is flow matching to the teacher's velocity. r ends at .99: what remains pulls by a hundredth towards g at r = 0 (for EMD
towards v_{s,t} = b_s, straight paths), so at the exact map g is (1-r) (b_s - v_{s,t}) and not zero.

The interval t - s is logit-normal(mean, std) and s uniform on what it leaves: turning the paper's clock around changes
neither. Autoguidance replaces b by lam b + (1-lam) b_weak, lam ~ U[guidance_low, guidance_high]. In the paper U[1, 3]
and an input of the network, so that the user picks lam; the networks here have no such input and would learn the map of
the mean lam, another target than all other methods', so it is off (lam = 1). The paper's adversarial finetuning and its
stochastic sampling are left out.

Reference: Sabour, Fidler, Kreis, "Align Your Flow" (arXiv 2506.14603), Sections 3.2-3.4.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.knobs import NotNegative, Positive, Share
from methods.times import LogitNormal, strip
from methods.tools import Derivative, Velocity, align, check, conditioned, derivative, normalised, pull, squared, warm_up

Field = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class AYF(Method):
    """mean, std: of logit(t - s). warmup: share of the budget over which r rises to warmup_end.

    mean and std are those of reproductions and the warm-up's share is sCM's: neither was checked against the paper.
    normalise, c: divide g by |g| + c. initialise: the student starts as its teacher, as the authors'.
    guidance_low, guidance_high: bounds of lam; above 1 they push the teacher away from a weaker one.
    """

    mean: float = -0.8
    std: Positive = 1.0
    warmup: Share = 0.025
    warmup_end: Share = 0.99
    normalise: bool = True
    c: Positive = 0.1
    guidance_low: NotNegative = 1.0
    guidance_high: NotNegative = 1.0
    initialise: bool = True
    paper: ClassVar[str] = "Sabour et al. 2025, arXiv 2506.14603"

    def __post_init__(self) -> None:
        check(self.warmup, self.c)
        if not 0 <= self.warmup_end <= 1:
            raise ValueError(f"method.warmup_end is where r ends and must lie in [0, 1], got {self.warmup_end}")
        if self.guidance_low > self.guidance_high:
            raise ValueError(f"method.guidance_low={self.guidance_low} must not exceed "
                             f"method.guidance_high={self.guidance_high}; equal bounds fix lam")

    @property
    def guided(self) -> bool:
        """Whether lam can be other than 1, which takes a weak teacher."""
        return (self.guidance_low, self.guidance_high) != (1.0, 1.0)

    @property
    def needs(self) -> Needs:
        """Under guidance the map that is learned is another one, and its truth is that one's."""
        truth = "A at warmup_end=1, after its warm-up"
        return Needs(teacher=True, weak_teacher=self.guided, cost=2.6 if self.guided else 2.3, truth=truth)

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.initialise else None)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        u, w = context.uniform_pair("times")
        s, t = strip(u, LogitNormal(self.mean, self.std)(w), 1.0)
        x = path.point(path.base_scale * context.noise(x_1), x_1, s)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        r = warm_up(context.progress, self.warmup, self.warmup_end)
        value, g = self.tangent(v, x, s, t, self.teacher(batch, context), r)
        step = normalised(g, self.c) if self.normalise else g
        return {"net": Loss(pull(value, step), {"tangent": squared(g)})}

    def teacher(self, batch: Batch, context: Context) -> Field:
        """b(x, t), guided where that is on; lam is one number per sample."""
        if not self.guided:
            return lambda x, t: context.teach(x, t, batch.condition)
        lam = self.guidance_low + (self.guidance_high - self.guidance_low) * context.draws.uniform("guidance")

        def b(x: Tensor, t: Tensor) -> Tensor:
            weak = context.teach_weakly(x, t, batch.condition)
            return weak + align(lam, x) * (context.teach(x, t, batch.condition) - weak)

        return b

    @abstractmethod
    def tangent(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Field, r: float | Tensor) -> tuple[Tensor, Tensor]:
        """v_{s,t}(x), with gradient, and g, without, both of the shape of x; s <= t."""


@dataclass(frozen=True)
class AYFEMD(AYF):
    """Eulerian map distillation: the start of the interval moves along the teacher's trajectory."""

    def tangent(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Field, r: float | Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            velocity = b(x, s)
        value, dv = derivative(v, x, s, t, dx=velocity, ds=1.0, how=Derivative.SPLIT)
        return value, velocity - value.detach() + r * align(t - s, x) * dv


@dataclass(frozen=True)
class AYFLMD(AYF):
    """Lagrangian map distillation: the end of the interval moves, and the teacher is asked where the student lands."""

    def tangent(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Field, r: float | Tensor) -> tuple[Tensor, Tensor]:
        value, dv = derivative(v, x, s, t, dt=1.0, how=Derivative.SPLIT)
        gap, speed = align(t - s, x), value.detach()
        with torch.no_grad():
            velocity = b(x + gap * speed, t)
        return value, velocity - speed - r * gap * dv
