"""Shortcut models: flow matching at the smallest step, and a jump of d taught by two of d/2 by the slow copy.

    smallest   | v_{t,t+d_0}(I_t) - dI_t/dt |^2,   d_0 = 2^-levels (the paper's 1/128)
    bootstrap  | v_{t,t+d}(I_t) - sg[ (b_1 + b_2) / 2 ] |^2,   b_1 = v'_{t,t+d/2}(I_t),   b_2 = v'_{t+d/2,t+d}(I_t + d/2 b_1)

d is 1, 1/2, ..., 2 d_0 in equal shares and t a multiple of d; in the first term t is a multiple of d_0. v' is an EMA of the
network. An eighth of the batch is bootstrapped. This is PSD-M on a dyadic grid, up to d_0 in place of the diagonal: the
velocity stands for the map at d_0, an error of order d_0. The authors' clipping of samples to [-4, 4] is left out, and
so is their weight decay, which the common recipe sets.

Reference: Frans et al., "One Step Diffusion via Shortcut Models" (arXiv 2410.12557), eqs. 4-5 and Algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.knobs import Count, Decay, Share
from methods.tools import align, conditioned, squared


@dataclass(frozen=True)
class Shortcut(Method):
    """bootstrap: share of the batch on d > d_0. levels: log2 of the finest grid. target_ema: decay of v'."""

    bootstrap: Share = 0.125
    levels: Count = 7
    target_ema: Decay = 0.999
    paper: ClassVar[str] = "Frans et al. 2024, arXiv 2410.12557"

    @property
    def needs(self) -> Needs:
        return Needs(target_ema=self.target_ema, reaches="grid", cost=1.3,
                     truth="A where bootstrapped, C up to its smallest step elsewhere")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1, n = self.interpolant, batch.x_1, 2**self.levels
        x_0 = path.base_scale * context.noise(x_1)
        on, off = context.split(self.bootstrap)
        u, which = context.uniform_pair("times")
        labels = batch.condition
        v = conditioned(models["net"], None if labels is None else labels[off], context.draws.dropout("student", off))
        t = (u[off] * n).floor() / n
        speed = path.velocity(x_0[off], x_1[off], t)
        matched = squared(v(path.point(x_0[off], x_1[off], t), t, t + 1 / n) - speed)

        v = conditioned(models["net"], None if labels is None else labels[on], context.draws.dropout("bootstrap", on))
        slow = conditioned((context.target or models)["net"], None if labels is None else labels[on])
        d = torch.exp2(-(which[on] * self.levels).floor())
        t = (u[on] / d).floor() * d
        x = path.point(x_0[on], x_1[on], t)
        with torch.no_grad():
            first = slow(x, t, t + d / 2)
            second = slow(x + align(d / 2, x) * first, t + d / 2, t + d)
        taught = squared(v(x, t, t + d) - (first + second) / 2)
        parts = {"velocity": matched.detach(), "bootstrap": taught.detach()}
        return {"net": Loss(torch.cat([matched, taught]), parts)}

    def supports(self, steps: int) -> bool:
        return 1 <= steps <= 2**self.levels and steps & (steps - 1) == 0
