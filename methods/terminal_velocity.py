"""Terminal velocity matching: where a jump ends it moves with the velocity there, by the slow copy's own diagonal.

    | d_t X_{s,t}(I_s) - sg[ v'_{t,t}(X_{s,t}(I_s)) ] |^2  +  | v_{u,u}(I_u) - dI_u/du |^2,   v' an EMA of v

where |.|^2 is the mean over a sample's elements. This is LSD with a slow copy in place of the current network, without a
learned weight, both terms on every sample, and a time law of its own: the gap t - s is logit-normal, t likewise but given
that it exceeds the gap, u as t without that. As in LSD the gradient runs through the time derivative, a backward pass through
a forward-mode one. Of the gaps one in 700 exceeds .9, so that a jump of the whole way is learned late.

The paper's clock has noise at t=1: the means of t and u change sign here, that of the gap does not. With classes, `scale`
guides: the second target is w dI_u/du + (1-w) v'_{u,u}(I_u | null), and both terms are weighed by 1/w^2. Its law of w is ours
(methods/guided.py), and v is not multiplied by w as the paper's.

Reference: Zhou et al., "Terminal Velocity Matching" (arXiv 2511.19797).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Models, Needs
from methods.guided import GuidedMethod
from methods.knobs import Decay
from methods.times import LogitNormal, TimeLaw
from methods.tools import conditioned, lagrangian, mean_square


@dataclass(frozen=True)
class TerminalVelocity(GuidedMethod):
    """target_ema: decay of v'. gap_law: of t - s. time_law: of u, and of t where that exceeds the gap."""

    target_ema: Decay = 0.99
    gap_law: TimeLaw = field(default_factory=lambda: LogitNormal(-0.8, 1.0))
    time_law: LogitNormal = field(default_factory=lambda: LogitNormal(0.4, 1.0))
    paper: ClassVar[str] = "Zhou et al. 2025, arXiv 2511.19797"

    @property
    def needs(self) -> Needs:
        return self.asking(Needs(target_ema=self.target_ema, cost=3.3, truth="A off the diagonal, C on it"))

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        s, t = self.times(*context.uniform_pair("times"))
        u = self.time_law(context.draws.uniform("diagonal"))
        guide = self.guide((context.target or models)["net"], batch, context)
        v = conditioned(models["net"], guide.told, context.draws.dropout("student"))
        slow = conditioned(guide.net, guide.told)
        end, speed = lagrangian(v, path.point(x_0, x_1, s), s, t)
        with torch.no_grad():
            velocity = slow(end, t, t)
        terminal = mean_square(speed - velocity)
        x_u = path.point(x_0, x_1, u)
        instant = mean_square(v(x_u, u, u) - guide.velocity(x_u, u, path.velocity(x_0, x_1, u)))
        return {"net": Loss(guide.weighed(terminal + instant), {"terminal": terminal.detach(), "velocity": instant.detach()})}

    def times(self, u: Tensor, u_2: Tensor) -> tuple[Tensor, Tensor]:
        """s <= t from uniforms."""
        gap = self.gap_law(u)
        below = self.time_law.share_below(gap)
        t = torch.maximum(self.time_law(below + (1 - below) * u_2), gap)
        return t - gap, t
