"""Curvature: flow matching from noise that an encoder chooses for each sample, so that the paths between them bend least.

    x_0 = mu(x_1) + sd(x_1) eps,   eps ~ N(0, I)
    loss = | v_{t,t}(I_t) - dI_t/dt |^2 + beta KL( N(mu, sd^2) || N(0, I) )

Both networks are trained on both terms. At the best v the first is the mean variance of dI_t/dt at I_t: what Euler steps
suffer from, and on the linear path zero where the flow is straight, as of a Gaussian and noise in the same order. The second
holds the noise of all samples together near the base, from which samples begin: the encoder is dropped then. Both are sums
over a sample's entries, the second in units of the base scale. At mu = 0 and sd = 1, where the encoder begins, it is flow
matching.

What it gains in few steps it may lose in many: of a Gaussian, at any beta, the encoder's noise of all samples together is
narrower than the base, in first order of 1 / beta, so that samples from the base are too wide. It is no velocity model to
learn from either: its points between noise and data are not those of I_t with independent noise, at which students ask.

The authors' encoder is a small network of twice the channels, told t = 1 of their clock. Here it is a second network of the
backbone, asked twice: at s = t = 1 it says mu, at s = t = 0 the logarithm of sd^2. Its two passes are billed at full size,
which theirs would not be. It has no dropout.

Reference: Lee, Kim & Ye, "Minimizing Trajectory Curvature of ODE-based Generative Models" (arXiv 2301.12003), Section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Models, Needs, Stage
from methods.flow_matching import FlowMatching, velocity_loss
from methods.knobs import NotNegative
from methods.tools import conditioned


@dataclass(frozen=True)
class Curvature(FlowMatching):
    """beta: weight of the divergence from the base. solver: of sampling; time_law: of the training times."""

    beta: NotNegative = 20.0
    velocity_model: ClassVar[bool] = False
    paper: ClassVar[str] = "Lee et al. 2023, arXiv 2301.12003"

    @property
    def needs(self) -> Needs:
        return Needs(cost=3.0, truth="C for the velocity of its coupling")

    @property
    def league(self) -> str:
        return "extra networks"

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        return {"net": backbone.net(), "encoder": backbone.net()}

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, {"net": ("net", "encoder")})]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        encoder, zeros = conditioned(models["encoder"], batch.condition), x_1.new_zeros(len(x_1))
        mean, log_variance = (encoder(x_1, t, t) for t in (zeros + 1, zeros))
        x_0 = path.base_scale * (mean + torch.exp(log_variance / 2) * context.noise(x_1))

        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        velocity = velocity_loss(v, path, x_0, x_1, self.time_law(context.draws.uniform("t")))
        apart = divergence(mean, log_variance)
        parts = {"velocity": velocity.detach(), "divergence": apart.detach()}
        return {"net": Loss(velocity + self.beta * apart, parts)}


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL( N(mean, variance) || N(0, I) ) per sample, (B, ...) -> (B,)."""
    each = mean.square() + torch.expm1(log_variance) - log_variance
    return each.flatten(1).sum(1) / 2
