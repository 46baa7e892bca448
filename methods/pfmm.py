"""Progressive flow map matching: a student's jump is two of its teacher's, and the reach doubles from stage to stage.

    loss = | v_{s,t}(I_s) - sg[ (X'_{m,t}(X'_{s,m}(I_s)) - I_s) / (t - s) ] |^2,   m = (s+t)/2,   t - s <= reach

In the first stage X' is an Euler step of the teacher's velocity, later the student of the stage before, valid to half
the reach. (s, t) is continuous, unlike progressive distillation's grid: the gap is uniform up to the reach and s on
what it leaves, which weighs the rare long jumps of the triangle more. (The paper leaves the weight w_{s,t} open.)
Dividing by t - s is the preconditioning that the self-distillation paper applies to the semigroup loss (eq. 22); it
drops a factor (t-s)^2 from the original. The quotient is computed as what it is, the mean of the two jumps' velocities:
the difference of two close points would leave rounding alone at small t - s, and 0/0 where that rounds to zero.

Reference: Boffi, Albergo, Vanden-Eijnden (arXiv 2406.07507), Section 3.4; (arXiv 2505.18825), Appendix B.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from methods.base import Backbone, Batch, Context, Loss, Method, Models, Needs, Stage
from methods.knobs import Whole
from methods.times import strip
from methods.tools import Velocity, align, conditioned, squared


@dataclass(frozen=True)
class PFMM(Method):
    """doublings: stages after the first; the first reaches 2^-doublings, the last 1."""

    doublings: Whole = 5
    paper: ClassVar[str] = "Boffi et al. 2024, arXiv 2406.07507"

    @property
    def needs(self) -> Needs:
        return Needs(teacher=True, cost=1.8, truth="A from the second stage on, B in the first")

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        return {"net": backbone.net(), "teacher": backbone.net()}

    def stages(self, images: int) -> Sequence[Stage]:
        n = self.doublings + 1
        ends = [round(images * (k + 1) / n) for k in range(n)]
        return [
            Stage(f"reach 1/{2 ** (self.doublings - k)}", end - begin, prepare=self.prepare,
                  options={"reach": 2.0 ** (k - self.doublings), "first": k == 0})
            for k, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
        ]

    def prepare(self, models: Models, previous: Models) -> None:
        """The student starts as its teacher."""
        for role in ("net", "teacher"):
            models[role].load_state_dict(previous["net"].state_dict())

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        s, t = strip(*context.uniform_pair("times"), context.stage.options["reach"])
        m = (s + t) / 2
        x = path.point(path.base_scale * context.noise(x_1), x_1, s)
        teacher = self.teacher(models, batch, context)
        with torch.no_grad():
            first = teacher(x, s, m)
            second = teacher(x + align(m - s, x) * first, m, t)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        return {"net": Loss(squared(v(x, s, t) - (first + second) / 2))}

    def teacher(self, models: Models, batch: Batch, context: Context) -> Velocity:
        """v' of the teacher's jump X'_{s,t}(x) = x + (t-s) v'_{s,t}(x); that of an Euler step does not depend on t."""
        if context.stage.options["first"]:
            return lambda x, s, t: context.teach(x, s, batch.condition)
        return conditioned(models["teacher"], batch.condition)
