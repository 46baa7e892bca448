"""FlowConsist: improved MeanFlow, and its one-step samples corrected by the velocity that they have themselves.

    improved MeanFlow      the Eulerian residual along the network's own velocity   (methods/improved_meanflow.py)
    fake                   |w_{t,t}(I^g_t) - dI^g_t/dt|^2,      I^g_t = alpha(t) x_0' + beta(t) x_g,   x_g = X_{0,1}(x_0)
    rectification          <|x_g - sg[x_g - g]|^2> / 2,      g = (w_{t,t} - v_{t,t})(I^g_t) / <|dI^g_t/dt - v_{t,t}(I^g_t)|>

The errors of a map that is learned from itself add up along the way. A further network w learns the velocity of what the map
makes of noise; where it differs from the network's own velocity, which data teach, that law is not the data's, and g moves
x_g towards it. On the network's diagonal and on w no gradient is taken. Where the law of x_g is the data's g = 0 in both
velocities' limits: the exact map is a fixed point, as improved MeanFlow's is.

The paper's abstract states the tangent, and that an auxiliary predictor of re-noised samples rectifies the trajectory; no
code was found. Ours is the rest: the form of g, which is dmd2's (methods/distribution_matching.py) with velocities in place of
denoisers (on any clock both are the same), uniform times, samples of one step, and the weight.

Reference: "FlowConsist" (arXiv 2602.06346), abstract.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Models, Needs, Stage
from methods.flow_matching import velocity_loss
from methods.improved_meanflow import ImprovedMeanFlow
from methods.knobs import NotNegative
from methods.tools import align, conditioned, jump, mean_square

LEAST = 1e-5
"""Of the mean distance that g is divided by."""


@dataclass(frozen=True)
class FlowConsist(ImprovedMeanFlow):
    """rectification: weight of that loss. The rest is improved MeanFlow's."""

    rectification: NotNegative = 1.0
    paper: ClassVar[str] = "2026, arXiv 2602.06346"

    @property
    def needs(self) -> Needs:
        return Needs(cost=super().needs.cost + 8 / 3, precision="tf32", truth="C at power=0")

    @property
    def league(self) -> str:
        return "extra networks"

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        return {"net": backbone.net(), "fake": backbone.net()}

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, {"net": ("net",), "fake": ("fake",)})]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, draws, x_1 = self.interpolant, context.draws, batch.x_1
        zero = torch.zeros_like(t := draws.uniform("rectified"))
        v = conditioned(models["net"], batch.condition, draws.dropout("student"))
        fake = conditioned(models["fake"], batch.condition)
        x_g = jump(v, path.base_scale * draws.normal("generated", *x_1.shape[1:]), zero, zero + 1)
        x_0, sample = path.base_scale * draws.normal("renoised", *x_1.shape[1:]), x_g.detach()
        found = {"fake": Loss(velocity_loss(fake, path, x_0, sample, t))}

        with torch.no_grad():
            x_t = path.point(x_0, sample, t)
            own, speed = v(x_t, t, t), path.velocity(x_0, sample, t)
            distance = (speed - own).abs().flatten(1).mean(1).clamp(min=LEAST)
            goal = sample - (fake(x_t, t, t) - own) / align(distance, x_g)
        rectified = mean_square(x_g - goal) / 2
        map_loss = super().losses(models, batch, context)["net"]
        return {"net": Loss(map_loss.per_sample + self.rectification * rectified,
                            {**map_loss.parts, "rectified": rectified.detach()}), **found}
