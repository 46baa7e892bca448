"""Flow map distillation from a known velocity b (a teacher).

    LMD   r = d_t X_{s,t}(I_s) - sg[ b_t(X_{s,t}(I_s)) ],   loss = |r|^2,   s <= t uniform on the triangle

As s -> t the residual is v_{t,t} - b_t, so no diagonal term is needed. The stop-gradient is what arXiv 2505.18825
recommends (eq. 27); without it (eq. 26, the original) the gradient also runs through the teacher's argument.

Reference: Boffi, Albergo, Vanden-Eijnden, "Flow map matching" (arXiv 2406.07507), Corollary 3.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage, conditioned, squared, start_from_teacher
from methods.flow_map import lagrangian
from methods.times import ordered


@dataclass(frozen=True)
class LMD(Method):
    """Lagrangian map distillation. stop_gradient: cut the gradient at the teacher's evaluation.

    initialise: start from the teacher's weights instead of from scratch.
    """

    stop_gradient: bool = True
    initialise: bool = False

    @property
    def needs(self) -> Needs:
        return Needs(teacher=True, cost=2.6, truth="A")

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.initialise else None)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        s, t = ordered(*context.uniform_pair("times"))
        x_s = path.point(path.base_scale * context.noise(x_1), x_1, s)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        end, speed = lagrangian(v, x_s, s, t)
        with torch.set_grad_enabled(not self.stop_gradient):
            b = context.teach(end, t, batch.condition)
        return {"net": Loss(squared(speed - b))}
