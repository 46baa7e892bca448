"""SplitMeanFlow: a jump is two jumps that meet anywhere between, and at s = t the network is the teacher.

    | v_{t,t}(I_t) - b_t(I_t) |^2                                                        on a share eta of the batch
    | v_{s,t}(I_s) - sg[ (1-g) v_{s,u}(I_s) + g v_{u,t}(X_{s,u}(I_s)) ] |^2,  u = g s + (1-g) t      on the rest, g uniform

b is a frozen teacher's velocity; with `scale` it is guided (methods/guided.py), and the teacher itself is asked for no class.
Off the diagonal this is PSD-U (self_distillation.py) to the last digit: interval splitting consistency is its semigroup term
with the paper's lambda for 1 - g. It has no learned weight, its student starts from the teacher's weights, and s and t are
uniform.

Reference: Guo et al., "SplitMeanFlow: Interval Splitting Consistency in Few-Step Generative Modeling" (arXiv 2507.16884).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from methods.base import Context, Needs, Stage, share_teacher, start_from_teacher
from methods.knobs import Share
from methods.self_distillation import PSD
from methods.tools import Guide, Velocity, align, led, squared


@dataclass(frozen=True)
class SplitMeanFlow(PSD):
    """initialise: the student starts from the teacher's weights. The others are those of progressive self-distillation."""

    eta: Share = 0.5
    learned_weight: bool = False
    uniform: bool = True
    initialise: bool = True
    relative_cost: ClassVar[float] = 1.6
    paper: ClassVar[str] = "Guo et al. 2025, arXiv 2507.16884"

    @property
    def needs(self) -> Needs:
        return self.asking(Needs(teacher=True, cost=self.relative_cost, truth="A"), self.eta)

    def stages(self, images: int) -> Sequence[Stage]:
        (stage,) = super().stages(images)
        start = share_teacher if self.needs.scale else start_from_teacher  # the scale is an input that its teacher has not
        return [replace(stage, prepare=start if self.initialise else None)]

    def diagonal(
        self, v: Velocity, x_0: Tensor, x_1: Tensor, t: Tensor, guide: Guide, context: Context
    ) -> Tensor:
        x = self.interpolant.point(x_0, x_1, t)
        b = context.teach(x, t, guide.of_class)
        if guide.w is not None and guide.has is not None:
            b = led(b, b, context.teach(x, t, guide.of_none), guide.has, align(guide.w, x), 0.0)
        return squared(v(x, t, t) - b)
