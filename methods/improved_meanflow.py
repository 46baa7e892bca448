"""Improved MeanFlow: the Eulerian identity along the network's own velocity, which is learned beside the map.

    v_{s,t}(I_s) = sg[ dI_s/ds + (t-s) d/ds v_{s,t}(I_s) ],   d/ds along (v_{s,s}(I_s), 1, 0)
    loss = A(| v_{s,t}(I_s) - target |^2) + w A(| v_{s,s}(I_s) - dI_s/ds |^2),   A(S) = S / sg[(S + c)^p]

MeanFlow takes the derivative along dI_s/ds, so that its target is noisy twice; here the tangent is a function of the point
and what is left at the exact map is dI_s/ds - b_s. It is a stop-gradient fixed point as MeanFlow's. With the tangent
dI_s/ds and w = 0 it is MeanFlow, to the last digits.

The paper's clock has noise at t=1: the mean of its logit-normal law changes sign here; half of the batch lies on the
diagonal, at the noisier of its two times. Its second output for the velocity is here the network itself at s = t, so that
all methods keep one network. With classes, `scale` guides: dI_s/ds + (1-1/w) sg[ v_{s,s}(I_s) - v_{s,s}(I_s | null) ] stands
for dI_s/ds. The paper's drawn interval of guided times is left out.

Reference: Geng et al., "Improved Mean Flows: On the Challenges of Fastforward Generative Models" (arXiv 2512.02012).
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

import torch

from methods.base import Batch, Context, Loss, Models, Needs
from methods.guided import GuidedMethod
from methods.knobs import NotNegative, Positive, Share
from methods.times import LogitNormal, TimeLaw, ordered
from methods.tools import Derivative, adaptive, conditioned, mean_velocity, squared


class Tangent(Enum):
    """Along which velocity the map is differentiated."""

    OWN = "own"  # the network's at s = t
    CONDITIONAL = "conditional"  # the sample's, as MeanFlow


@dataclass(frozen=True)
class ImprovedMeanFlow(GuidedMethod):
    """eta: share of the batch at s = t. velocity: w, 0 is without that term. power, floor: p and c of the adaptive weight.

    derivative: how d/ds is taken.
    """

    eta: Share = 0.5
    tangent: Tangent = Tangent.OWN
    velocity: NotNegative = 1.0
    power: NotNegative = 1.0
    floor: Positive = 0.01
    time_law: TimeLaw = field(default_factory=lambda: LogitNormal(0.4, 1.0))
    derivative: Derivative = Derivative.SPLIT
    paper: ClassVar[str] = "Geng et al. 2025, arXiv 2512.02012"

    @property
    def needs(self) -> Needs:
        return self.asking(Needs(cost=3.0, truth="C at power=0"))

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        u, u_2 = context.uniform_pair("times")
        s, t = ordered(self.time_law(u), self.time_law(u_2))
        t = t.index_copy(0, (on := context.split(self.eta)[0]), s[on])
        guide = self.guide(models["net"], batch, context)
        v = conditioned(models["net"], guide.told, context.draws.dropout("student"))
        x_s, speed = path.point(x_0, x_1, s), path.velocity(x_0, x_1, s)
        own = speed
        if self.velocity > 0 or self.tangent is Tangent.OWN or self.guided:
            with torch.set_grad_enabled(self.velocity > 0):
                own = v(x_s, s, s)
            speed = guide.velocity(x_s, s, speed, own)
        tangent = own.detach() if self.tangent is Tangent.OWN else speed
        value, target = mean_velocity(v, x_s, s, t, speed, tangent, self.derivative)
        raw, instant = squared(value - target), squared(own - speed)
        loss = adaptive(raw, self.power, self.floor)
        if self.velocity > 0:
            loss = loss + self.velocity * adaptive(instant, self.power, self.floor)
        return {"net": Loss(loss, {"raw": raw.detach(), "velocity": instant.detach()})}
