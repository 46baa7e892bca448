"""Flow matching: regress the diagonal of the flow map on the conditional velocity.

    loss = | v_{t,t}(I_t) - dI_t/dt |^2,   t ~ law,   and v_{t,t} = b_t at the minimum

It is the teacher of every distillation method and the many-step baseline. Sampling integrates dx/dt = v_{t,t}(x) with a
fixed-step solver; a step of order p costs p network calls (Heun and midpoint two, RK4 four).

Reference: Lipman et al. (arXiv 2210.02747), Liu et al. (arXiv 2209.03003), Albergo & Vanden-Eijnden (arXiv 2209.15571).
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.times import TimeLaw, Uniform
from methods.tools import Interpolant, Solver, Velocity, conditioned, squared, step


@dataclass(frozen=True)
class FlowMatching(Method):
    """`solver` is used for sampling only; `time_law` draws the training times."""

    solver: Solver = Solver.EULER
    time_law: TimeLaw = field(default_factory=Uniform)
    velocity_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Lipman et al. 2022, arXiv 2210.02747"

    @property
    def needs(self) -> Needs:
        return Needs(truth="C")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path = self.interpolant
        x_0 = path.base_scale * context.noise(batch.x_1)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        t = self.time_law(context.draws.uniform("t"))
        return {"net": Loss(velocity_loss(v, path, x_0, batch.x_1, t))}

    def jump(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        v = conditioned(models["net"], condition)
        return step(self.solver, lambda y, u: v(y, u, u), x, s, t)


def velocity_loss(v: Velocity, path: Interpolant, x_0: Tensor, x_1: Tensor, t: Tensor) -> Tensor:
    """| v_{t,t}(I_t) - dI_t/dt |^2 per sample, (B,): the diagonal term that many methods share."""
    return squared(v(path.point(x_0, x_1, t), t, t) - path.velocity(x_0, x_1, t))
