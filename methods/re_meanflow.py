"""MeanFlow on reflow pairs: the identity of MeanFlow along the straight line between a noise and its teacher's sample.

    loss = S / sg[(S + c)^p],   S = mean over entries of ( v_{s,t}(I_s) - sg[ w + (t-s) d/ds v_{s,t}(I_s) ] )^2,   w = x^ - x_0

x^ is what the teacher's solver makes of x_0 (methods/reflow.py); everything else is methods/meanflow.py. Lines of such
pairs hardly cross, so w is nearly a function of I_s, and the target is far less random than with data of its own. Where
no two lines cross the loss is zero at the exact map of the pairs, v_{s,t}(I_s) = w.

Times, in the paper's clock tau = 1 - s: tau U-shaped (a = 4) and at most 80/81, the gap t - s = min(1 - s, sigmoid(N(mean,
std^2))), and t = 1 where s < .2 and t > .6: long gaps that end just short of data had a large variance. Its two stages
with guidance in the target (w = 2.5, then none) are one here, without labels, and pairs that lie far apart are kept.

Reference: Zhang et al., "Flow Straighter and Faster" (Re-MeanFlow, arXiv 2511.23342).
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Needs, Stage, start_from_teacher
from methods.knobs import NotNegative, Positive, Share
from methods.meanflow import Eulerian
from methods.reflow import OnPairs
from methods.times import LogitNormal, TimeLaw, UShaped
from methods.tools import mean_square

LEAST = 1 / 81
"""Of s: the noise level 80."""
EARLY, NEARLY = 0.2, 0.6
"""A gap from before the one to after the other goes to data."""


@dataclass(frozen=True)
class ReMeanFlow(Eulerian, OnPairs):
    """time_law: of s. gap_law: of t - s, before it is cut at data. floor: c, beside a mean over entries."""

    eta: Share = 0.75
    power: NotNegative = 0.5
    floor: Positive = 1e-2
    time_law: TimeLaw = field(default_factory=UShaped)
    gap_law: TimeLaw = field(default_factory=lambda: LogitNormal(-0.8, 1.0))
    paper: ClassVar[str] = "Zhang et al. 2025, arXiv 2511.23342"

    @property
    def needs(self) -> Needs:
        truth = "C at power=0 for the flow of its pairs, B where their lines do not cross"
        return replace(super().needs, teacher=True, trajectories=self.paths, truth=truth)

    def stages(self, images: int) -> list[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.initialise else None)]

    def ends(self, batch: Batch, context: Context) -> tuple[Tensor, Tensor, Tensor | None]:
        return *self.pair(batch), None

    def times(self, context: Context) -> tuple[Tensor, Tensor]:
        u, u_2 = context.uniform_pair("times")
        s = self.time_law(u).clamp(min=LEAST)
        t = (s + self.gap_law(u_2)).clamp(max=1.0)
        return s, torch.where((s < EARLY) & (t > NEARLY), torch.ones_like(t), t)

    def size(self, r: Tensor) -> Tensor:
        return mean_square(r)
