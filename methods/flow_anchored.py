"""Flow-anchored consistency: the map to data by MeanFlow's identity along a teacher's way, held by the velocity beside it.

    g = v_{s,1}(I_s) - ( b + (1-s) d/ds v_{s,1}(I_s) ),   d/ds along (b, 1),   b = b_s(I_s) of the teacher
    consistency   cos(pi s / 2) A(S),   S the mean square of (1 - s^r) clamp(g),   A(S) = S / sg[(S + c)^p]
    anchor        mean square of v_{s,s}(I_s) - b,   and k ( 1 - the cosine between both, over channels, mean over places )

g is detached but for its first term, and clamped entry by entry. Near data, where the target is least sure, it counts little.
The authors' network is told by a second time which of the two it gives; here they are v_{s,1} and v_{s,s} of the one network.
The student starts from the teacher's weights. Several steps re-noise at equally spaced times.

The paper's clock is this one: s = 1 - (2/pi) atan(sigma), ln sigma ~ N(mean, std^2). The teacher is not guided here. What it
offers without a teacher (the sample's velocity for b) is left out: clamp and cosine would then move the fixed point.

Reference: Peng et al., "FACM: Flow-Anchored Consistency Models" (arXiv 2507.03738).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.knobs import NotNegative, Positive
from methods.times import normal_quantile
from methods.tools import Derivative, adaptive, align, conditioned, mean_square, mean_velocity, pull


@dataclass(frozen=True)
class FlowAnchored(Method):
    """mean, std: of ln sigma. power, floor: p and c of the adaptive weight. clamp: largest entry of g. relax: r. cosine: k.

    derivative: how d/ds is taken. initialise: start from the teacher's weights.
    """

    mean: float = -0.8
    std: Positive = 1.6
    power: NotNegative = 0.5
    floor: Positive = 1e-3
    clamp: Positive = 1.0
    relax: Positive = 0.5
    cosine: NotNegative = 1.0
    derivative: Derivative = Derivative.SPLIT
    initialise: bool = True
    paper: ClassVar[str] = "Peng et al. 2025, arXiv 2507.03738"

    @property
    def needs(self) -> Needs:
        return Needs(teacher=True, reaches="data", rule="renoise", cost=3.3, truth="A")

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.initialise else None)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        s = self.times(context.draws.uniform("times"))
        x_s = path.point(path.base_scale * context.noise(x_1), x_1, s)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        b = context.teach(x_s, s, batch.condition)
        value, target = mean_velocity(v, x_s, s, torch.ones_like(s), b, b, self.derivative)
        g = (target - value.detach()).clamp(-self.clamp, self.clamp)
        raw = pull(value, align(1 - s**self.relax, x_1) * g) / x_1[0].numel()
        own = v(x_s, s, s)
        anchor = mean_square(own - b)
        turned = 1 - torch.cosine_similarity(own, b, dim=1).reshape(len(s), -1).mean(1)
        loss = torch.cos(torch.pi / 2 * s) * adaptive(raw, self.power, self.floor) + anchor + self.cosine * turned
        return {"net": Loss(loss, {"consistency": raw.detach(), "anchor": anchor.detach()})}

    def times(self, u: Tensor) -> Tensor:
        """s (B,) from uniforms."""
        return 1 - 2 / torch.pi * torch.atan(torch.exp(self.mean + self.std * normal_quantile(u)))
