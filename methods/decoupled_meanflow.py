"""Decoupled MeanFlow: a velocity model turned into a flow map, by telling its first part s and its last part t.

    v_{s,t}(x) = decoder( encoder(x, s), t ),    so that v_{s,s} is the velocity model that it starts from, bit for bit

    r_d = v_{d,d}(I_d) - dI_d/dd                                      flow matching
    r   = v_{s,t}(I'_s) - sg[ dI'_s/ds + (t-s) d/ds v_{s,t}(I'_s) ]   MeanFlow, d/ds along (dI'_s/ds, 1, 0)

    loss = 1/2 c(r_d; w_{d,d}) + 1/2 c(r; w_{s,t}),     c(r; w) = log( <r^2> e^{-w} + floor ) + w

on two independent draws of noise and times (I and I') for each x_1; <r^2> is the mean over a sample's entries, and w is
learned. In w alone c always falls with w, the slower the smaller e^{-w} floor is beside the rest: the logarithm of <r^2> is
where it goes. A logarithm of a random residual asks for another average than its mean, as MeanFlow's weight does;
cauchy=false takes <r^2> itself.

Of the paper is what is above for its transformer, 20 of 28 blocks for s; that a U-Net's way down and bottom see s and its way
up sees t is ours. Its clock has noise at t=1: the means of its logit-normal laws change sign here. Guidance is left out.

Reference: Lee, Yu & Shin, "Decoupled MeanFlow: Turning Flow Models into Flow Maps for Accelerated Sampling"
(arXiv 2510.24474).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.knobs import Positive
from methods.times import LogitNormal, TimeLaw, ordered
from methods.tools import Derivative, align, conditioned, derivative, mean_square


@dataclass(frozen=True)
class DecoupledMeanFlow(Method):
    """velocity_law: of d; first_law, second_law: of s and t, which are put in order. floor: in the logarithm. cauchy: c, else
    <r^2>. initialise: start as the teacher, which is not asked for anything else. derivative: how d/ds is taken."""

    velocity_law: TimeLaw = field(default_factory=LogitNormal)
    first_law: TimeLaw = field(default_factory=lambda: LogitNormal(-0.4, 1.0))
    second_law: TimeLaw = field(default_factory=lambda: LogitNormal(1.2, 1.0))
    floor: Positive = 0.01
    cauchy: bool = True
    initialise: bool = True
    derivative: Derivative = Derivative.SPLIT
    paper: ClassVar[str] = "Lee et al. 2025, arXiv 2510.24474"

    @property
    def needs(self) -> Needs:
        return Needs(teacher=self.initialise, cost=3.0, truth="C at cauchy=false")

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        models = {"net": self.parametrise(backbone.decoupled())}
        return models | {"weight": backbone.weight()} if self.cauchy else models

    def stages(self, images: int) -> Sequence[Stage]:
        roles = ("net", "weight") if self.cauchy else ("net",)
        return [Stage("train", images, {"net": roles}, prepare=start_from_teacher if self.initialise else None)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1, draws = self.interpolant, batch.x_1, context.draws
        d = self.velocity_law(draws.uniform("velocity"))
        x_0 = path.base_scale * draws.normal("velocity x_0", *x_1.shape[1:])
        v = conditioned(models["net"], batch.condition, draws.dropout("velocity"))
        diagonal = mean_square(v(path.point(x_0, x_1, d), d, d) - path.velocity(x_0, x_1, d))

        u, u_2 = context.uniform_pair("times")
        s, t = ordered(self.first_law(u), self.second_law(u_2))
        x_0 = path.base_scale * context.noise(x_1)
        v = conditioned(models["net"], batch.condition, draws.dropout("student"))
        speed = path.velocity(x_0, x_1, s)
        value, dv = derivative(v, path.point(x_0, x_1, s), s, t, dx=speed, ds=1.0, how=self.derivative)
        raw = mean_square(value - (speed + align(t - s, x_1) * dv).detach())

        parts = {"velocity": diagonal.detach(), "raw": raw.detach()}
        return {"net": Loss((self.weigh(models, diagonal, d, d) + self.weigh(models, raw, s, t)) / 2, parts)}

    def weigh(self, models: Models, raw: Tensor, s: Tensor, t: Tensor) -> Tensor:
        """c of <r^2>."""
        if not self.cauchy:
            return raw
        w: Tensor = models["weight"](s, t)
        return torch.log(raw * torch.exp(-w) + self.floor) + w
