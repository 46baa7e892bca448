"""TRACT, transitive closure distillation: one step of the teacher, and from there the student's own slow copy to the end.

    loss = w(s) | v_{s,e}(x_s) - sg[ (X°_{m,e}(X'_{s,m}(x_s)) - x_s) / (e - s) ] |^2

In a round the student's N steps are each `shrink` of its teacher's. s is any point of the fine grid, m the next, e the end
of the student's step that holds s; where m = e the slow copy has nothing left to do. X' is the teacher of
methods/progressive.py: in the first round a DDIM (Euler) step of the velocity, later the student of the round before. The
slow copy X° hands the end back from point to point, so a round may shrink the steps by far more than two, and few rounds
do: 1024 steps to 32 to 1 by the defaults; start=1 shrink=40 is the paper's round from EDM's 40 steps.

With shrink=2, once the slow copy is the teacher on the second half, the target of the first is progressive distillation's.

Differs from the paper: its authors' code clips predicted data to [-1, 1] in every step and computes in float64.

Reference: Berthelot et al., "TRACT: Denoising Diffusion Models with Transitive Closure Time-Distillation" (arXiv 2303.04248).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from methods.base import Batch, Context, Loss, Models, Needs
from methods.knobs import Count, Inner, Levels, Positive
from methods.progressive import Progressive, Weighting
from methods.tools import align, conditioned, constant, jump, squared


@dataclass(frozen=True)
class Tract(Progressive):
    """start: steps of the first student, a power of shrink. shrink: of the teacher's steps in one of the student's.

    target_ema: decay per step of the slow copy.
    """

    start: Count = 32
    shrink: Levels = 32
    last_rounds_weight: Positive = 1.0
    target_ema: Inner = 0.5
    paper: ClassVar[str] = "Berthelot et al. 2023, arXiv 2303.04248"

    def __post_init__(self) -> None:
        if self.rounds[-1] != 1 or self.rounds[0] != self.ratio ** (len(self.rounds) - 1):
            raise ValueError(f"method.start={self.start} is divided by method.shrink={self.shrink} until 1 is left and must be "
                             "a power of it")

    @property
    def ratio(self) -> int:
        return self.shrink

    @property
    def needs(self) -> Needs:
        return replace(super().needs, target_ema=self.target_ema, precision="float32")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1, n = self.interpolant, batch.x_1, context.stage.options["steps"]
        times = constant(type(self).times, self, n * self.shrink, like=x_1)
        step = (context.draws.uniform("times") * n).long() * self.shrink
        i = step + (context.draws.uniform("point") * self.shrink).long()
        s, m, e = times[i], times[i + 1], times[step + self.shrink]
        x = path.point(path.base_scale * context.noise(x_1), x_1, s)
        slow = conditioned((context.target or models)["net"], batch.condition)
        with torch.no_grad():
            if context.stage.options["first"]:
                x_m = x + align(m - s, x) * context.teach(x, s, batch.condition)
            else:
                x_m = jump(conditioned(models["teacher"], batch.condition), x, s, m)
            end = jump(slow, x_m, m, e)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        raw = squared(v(x, s, e) - (end - x) / align(e - s, x))
        truncated = self.weighting is Weighting.TRUNCATED_SNR
        weight = torch.maximum(path.alpha(s), path.beta(s)).square() if truncated else 1.0
        return {"net": Loss(weight * raw, {"raw": raw.detach()})}
