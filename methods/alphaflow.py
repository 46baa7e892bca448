"""alpha-Flow: from regressing jumps on the sample's velocity to MeanFlow, by a step alpha (t-s) that shrinks in training.

    r = v_{s,t}(I_s) - sg[ alpha dI_s/ds + (1-alpha) v_{m,t}(I_s + (m-s) dI_s/ds) ],   m = s + alpha (t-s)
    loss = w S / sg[(S + c)^p],   S = |r|^2 the mean over a sample's elements,   w = alpha

At alpha = 1 the second call is not made and the minimiser is b_s, whatever t is; at 0 r / alpha has become MeanFlow's
residual, which is then taken by a derivative, with w = 1; between them it is alpha times SoFlow's quotient, in another weight
and on another schedule. A share of the batch is at s = t, where the target is dI_s/ds and w = 1. The targets of 0 < alpha < 1
are clipped entry by entry.

    alpha = 1 / (1 + exp(gamma (p - 1/2))),   p the way from `fall_start` to `fall_end`; within `snap` of 0 and 1 it is that

so the result depends on the declared budget. The fixed point is biased at order alpha^2, and exact (as MeanFlow's) once alpha
is 0. The paper's clock has noise at t=1: the mean of its logit-normal law changes sign here. Its guidance is left out.

Reference: Zhang et al., "AlphaFlow: Understanding and Improving MeanFlow Models" (arXiv 2510.20771).
"""

from dataclasses import dataclass, field
from math import exp
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.knobs import Edge, NotNegative, Positive, Share
from methods.times import LogitNormal, TimeLaw, ordered
from methods.tools import Velocity, adaptive, align, conditioned, mean_square, mean_velocity


@dataclass(frozen=True)
class AlphaFlow(Method):
    """eta: share of the batch at s = t. power, floor: p and c of the adaptive weight. clip: largest entry of a target, if any.

    gamma, fall_start, fall_end, snap: of alpha's schedule.
    """

    eta: Share = 0.25
    power: NotNegative = 1.0
    floor: Positive = 1e-3
    clip: Positive | None = 4.0
    time_law: TimeLaw = field(default_factory=lambda: LogitNormal(0.4, 1.0))
    gamma: Positive = 25.0
    fall_start: Share = 0.0
    fall_end: Share = 1.0
    snap: Edge = 0.005
    paper: ClassVar[str] = "Zhang et al. 2025, arXiv 2510.20771"

    def __post_init__(self) -> None:
        if not self.fall_start < self.fall_end:
            both = f"method.fall_start={self.fall_start} must be below method.fall_end={self.fall_end}"
            raise ValueError(f"{both}: alpha falls between them")

    @property
    def needs(self) -> Needs:
        return Needs(cost=1.4, truth="C at power=0, at the end of its schedule")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1, labels = self.interpolant, batch.x_1, batch.condition
        x_0 = path.base_scale * context.noise(x_1)
        first, second = (self.time_law(u) for u in context.uniform_pair("times"))
        s, t = ordered(first, second)
        on, off = context.split(self.eta)
        s, t = s.index_copy(0, on, first[on]), t.index_copy(0, on, first[on])
        x_s, speed = path.point(x_0, x_1, s), path.velocity(x_0, x_1, s)
        v = conditioned(models["net"], labels, context.draws.dropout("student"))
        alpha = self.alpha(context.progress)
        if alpha == 0:
            value, target = mean_velocity(v, x_s, s, t, speed, speed)
        else:
            value, target = v(x_s, s, t), speed
        if 0 < alpha < 1:
            masked = conditioned(models["net"], None if labels is None else labels[off], context.draws.dropout("student", off))
            target = speed.index_copy(0, off, self.target(masked, x_s[off], s[off], t[off], speed[off], alpha))
        raw = mean_square(value - target)
        weight = torch.ones_like(raw).index_fill(0, off, alpha or 1.0)
        return {"net": Loss(weight * adaptive(raw, self.power, self.floor), {"raw": raw.detach()})}

    def target(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, speed: Tensor, alpha: float) -> Tensor:
        """What v_{s,t} is held to by a step along the speed and a jump from there, shape of x."""
        gap = alpha * (t - s)
        with torch.no_grad():
            target = alpha * speed + (1 - alpha) * v(x + align(gap, x) * speed, s + gap, t)
            return target if self.clip is None else target.clamp(-self.clip, self.clip)

    def alpha(self, progress: float | Tensor) -> float:
        """After so much of the training. Raises TypeError where the progress is on a device."""
        if isinstance(progress, Tensor):
            raise TypeError("alpha chooses between a second call and a derivative: it is decided on the host")
        p = (progress - self.fall_start) / (self.fall_end - self.fall_start)
        alpha = 1 / (1 + exp(self.gamma * (p - 0.5))) if 0 <= p <= 1 else float(p < 0)
        return 0.0 if alpha < self.snap else 1.0 if alpha > 1 - self.snap else alpha
