"""ESC: MeanFlow with a target that is less random, jumps to data first, and a learned weight.

    b^(I_s) = sum_j w_j (alpha' x_0^j + beta' x_1^j),   x_0^j = (I_s - beta x_1^j) / alpha,   w = softmax_j -|x_0^j|^2 / 2 s_0^2

over the samples j of a group, its own among them, stands for dI_s/ds in the target of MeanFlow and in the direction of its
d/ds, in each row with probability `plug_in`. It is the mean velocity at I_s if the group were all data. Its own sample makes
it more than that: which of the group I_s was made of has the probabilities w, so that b^ is E[dI_s/ds | I_s, the group], whose
mean at I_s is b_s for groups of any size. What falls as they grow is how far it scatters; one sample alone has dI_s/ds.

    t := 1 with probability 2/pi arccos(progress / curriculum), off the diagonal; later never
    loss = e^{-w_{s,t}} S / sg[(S + c)^p] + w_{s,t},    w learned

At p = 1 the quotient is nearly 1 whatever S is, and w nearly 0: the learned weight matters for a smaller p. The authors' code
takes S^2 for S, which at p = 1 is twice the gradient where S is not small. It averages over what one device holds of the
batch, of one class in some of its runs; here a group is of neighbouring rows, so that a slice of the batch has the losses of
the whole, and in it only those count that are told the same class. The paper's clock has noise at t=1: the mean of its
logit-normal law changes sign here. Its settings for its smaller network are the defaults, without their guidance.

Reference: Lin et al., "On the Design of One-step Diffusion via Shortcutting Flow Paths" (arXiv 2512.11831).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import pi
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Models, Needs, Stage
from methods.knobs import Count, NotNegative, Share
from methods.meanflow import MeanFlow
from methods.times import LogitNormal, TimeLaw
from methods.tools import Interpolant, align, warm_up


@dataclass(frozen=True)
class ESC(MeanFlow):
    """plug_in: probability of b^. group: samples that it is taken over. curriculum: share of the budget in which jumps to data
    come first. learned_weight: train w; the rest as in MeanFlow."""

    eta: Share = 0.75
    power: NotNegative = 1.0
    time_law: TimeLaw = field(default_factory=lambda: LogitNormal(0.4, 1.0))
    plug_in: Share = 0.5
    group: Count = 8
    curriculum: Share = 0.033
    learned_weight: bool = True
    paper: ClassVar[str] = "Lin et al. 2025, arXiv 2512.11831"

    @property
    def needs(self) -> Needs:
        return replace(super().needs, group=self.group if self.plug_in else 1)

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        models = super().build(backbone)
        return models | {"weight": backbone.weight()} if self.learned_weight else models

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, {"net": ("net", "weight") if self.learned_weight else ("net",)})]

    def times(self, context: Context) -> tuple[Tensor, Tensor]:
        s, t = super().times(context)
        # u < 2/pi arccos(r), for an r that is a number or, in a compiled step, a tensor.
        ends = torch.cos(pi / 2 * context.draws.uniform("ends")) > warm_up(context.progress, self.curriculum)
        return s, torch.where(ends, torch.ones_like(t), t)

    def velocity(self, models: Models, batch: Batch, context: Context, x_s: Tensor, s: Tensor, speed: Tensor) -> Tensor:
        if self.plug_in:
            chosen = align(context.draws.uniform("plug-in") < self.plug_in, x_s)
            inferred = plugged_in(self.interpolant, x_s, batch.x_1, s, speed, self.group, batch.condition)
            speed = torch.where(chosen, inferred, speed)
        return super().velocity(models, batch, context, x_s, s, speed)

    def adapt(self, models: Models, raw: Tensor, s: Tensor, t: Tensor) -> Tensor:
        loss = super().adapt(models, raw, s, t)
        if not self.learned_weight:
            return loss
        w: Tensor = models["weight"](s, t)
        return torch.exp(-w) * loss + w


def plugged_in(
    path: Interpolant, x_s: Tensor, x_1: Tensor, s: Tensor, speed: Tensor, group: int, told: Tensor | None = None
) -> Tensor:
    """b^ at x_s = I_s, shape of x_s, of groups of neighbouring rows; speed = dI_s/ds of each row, told (B,) or (B, K): classes.

    At a given I_s a velocity is linear in x_1, so b^ is `speed` moved by the mean difference of x_1^j from the row's own. Where
    that alone has weight, near data, the difference is 0 and not a quotient of small numbers.
    """
    alpha, beta = path.alpha(s).clamp(min=torch.finfo(s.dtype).eps), path.beta(s)
    own = x_1.reshape(-1, group, x_1[0].numel())
    x_0 = ((x_s - align(beta, x_1) * x_1) / align(alpha, x_1)).reshape(own.shape)
    apart = own[:, None] - own[:, :, None]  # (groups, row, j, entries)
    ratio = (beta / alpha).reshape(-1, group, 1, 1)
    fits = -(x_0[:, :, None] - ratio * apart).square().sum(-1) / (2 * path.base_scale**2)
    if told is not None:
        same = told.reshape(len(own), group, -1)
        fits = fits.masked_fill((same[:, :, None] != same[:, None]).any(-1), float("-inf"))
    moved: Tensor = (torch.softmax(fits, -1)[..., None] * apart).sum(2).reshape(x_1.shape)
    inferred: Tensor = speed + align(path.d_beta(s) - path.d_alpha(s) * beta / alpha, x_1) * moved
    return inferred
