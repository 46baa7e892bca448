"""Transition models: MeanFlow by central differences of the network, with a share of jumps that end at data.

    v_{s,t}(I_s) = sg[ dI_s/ds + (t-s) ( v_{s+h,t}(I_{s+h}) - v_{s-h,t}(I_{s-h}) ) / 2h ],   on one sample's way
    loss = w S / sg[(S + c)^p],   S the mean over a sample's elements,   w = ( 1 + tan(1-s) - tan(1-t) )^-1/2

so that no derivative is asked of a network, and long jumps count less. Two times are logit-normal and put in order; half of
the batch is then at s = t, the noisier of the two, and a tenth at t = 1 (each of the others with the probability that makes
it a tenth: the paper takes the last rows of its batch). On a way that is no straight line the differences follow its tangent.

It is a stop-gradient fixed point as MeanFlow's, up to h^2. The paper's clock has noise at t=1: the mean of its logit-normal law
changes sign here, its times in w are 1-s and 1-t. What else it trains (a second loss on features, guidance) is left out.

Reference: Wang et al., "Transition Models: Rethinking the Generative Learning Objective" (arXiv 2509.04394).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.knobs import NotNegative, Positive, Share
from methods.times import LogitNormal, TimeLaw, ordered
from methods.tools import Derivative, adaptive, conditioned, mean_square, mean_velocity


@dataclass(frozen=True)
class Transition(Method):
    """eta, to_data: shares of the batch at s = t and at t = 1. power, floor: p and c of the adaptive weight.

    derivative: how d/ds is taken.
    """

    eta: Share = 0.5
    to_data: Share = 0.1
    power: NotNegative = 1.0
    floor: Positive = 1e-5
    time_law: TimeLaw = field(default_factory=lambda: LogitNormal(0.4, 1.0))
    derivative: Derivative = Derivative.FINITE
    paper: ClassVar[str] = "Wang et al. 2025, arXiv 2509.04394"

    def __post_init__(self) -> None:
        if self.eta + self.to_data > 1:
            both = f"method.eta={self.eta} and method.to_data={self.to_data}"
            raise ValueError(f"{both} are shares of one batch, together at most 1")

    @property
    def needs(self) -> Needs:
        return Needs(cost=1.7, truth="C at power=0")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        s, t = self.times(context)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        x_s, speed = path.point(x_0, x_1, s), path.velocity(x_0, x_1, s)
        value, target = mean_velocity(v, x_s, s, t, speed, speed, self.derivative)
        raw = mean_square(value - target)
        weight = (1 + (torch.tan(1 - s) - torch.tan(1 - t))).rsqrt()
        return {"net": Loss(weight * adaptive(raw, self.power, self.floor), {"raw": raw.detach()})}

    def times(self, context: Context) -> tuple[Tensor, Tensor]:
        """s <= t (B,)."""
        u, u_2 = context.uniform_pair("times")
        s, t = ordered(self.time_law(u), self.time_law(u_2))
        if self.to_data > 0:
            t = torch.where(context.draws.uniform("data") * (1 - self.eta) < self.to_data, 1.0, t)
        return s, t.index_copy(0, (on := context.split(self.eta)[0]), s[on])
