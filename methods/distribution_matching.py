"""Distribution matching: a generator of one step, moved by the difference of two denoisers on its own noised samples.

    x_g = X_{s,1}(x_s),  x_s = alpha(s) x_0,      I_t = alpha(t) x_0' + beta(t) x_g,
    f_real, f_fake = the data that the frozen teacher, and a further network, predict from (I_t, t)

    dmd2     g = (f_fake - f_real) / <|x_g - f_real|>,    loss = <|x_g - sg[x_g - g]|^2> / 2
    sid      r = f_real - f_fake,    loss = sum r (f_real - x_g - alpha r) / sg<|x_g - f_real|>

<.> is the mean over a sample's entries. dmd2 takes the gradient of the Kullback-Leibler divergence between the laws of I_t and
cuts at both denoisers; sid takes Fisher's and lets the gradient through both of their inputs, with alpha in place of 1/2.
The further network follows the generator: it is a velocity network trained on x_g as EDM trains on data,

    fake     |v_{t,t}(I_t) - dI_t/dt|^2 / b(t)^2      at noise levels and of x_0'' of its own

with b of methods/tools/preconditioning.py, and f = (alpha v - alpha' x) / (alpha beta' - alpha' beta) of both. Where the law
of x_g is that of the data f_fake = f_real, and all gradients vanish: the flow map is one of many such generators.
dmd2 moves its generator in every fifth step, sid in each. Noise levels are on EDM's grid, taken continuously; a paper's
index counts from the small side, a share here from the noisy one.

critic > 0 adds the loss of a critic that sees I_t of x_g beside noised data. The papers' critics are heads on a large network's
features; this one is light and on the samples, so its weight is ours, and dmd2 has none by default. sid and dmd2
without it see no data. Ours too: one optimizer for all, no factor before sid's loss, and the fake's pass without dropout.

References: Yin et al., "Improved Distribution Matching Distillation" (arXiv 2405.14867); Zhou et al., "Score identity
Distillation" (arXiv 2404.04057), and "Adversarial Score identity Distillation" (arXiv 2410.14919).
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Draws, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.edm import LogNormal
from methods.flow_matching import velocity_loss
from methods.knobs import LEAST_SIGMA, Count, NotNegative, Part, Positive, Rest
from methods.tools import align, coefficients, conditioned, deceived, jump, mean_square, squared, told_apart

NOISIEST, RHO = 80.0, 7.0
"""Of EDM's grid."""
LEAST = 1e-5
"""Of the mean distance that a loss is divided by."""


class Levels(Protocol):
    """A law of noise levels."""

    def __call__(self, u: Tensor) -> Tensor:
        """Uniforms (B,) -> noise levels (B,)."""
        ...


@dataclass(frozen=True)
class Curve:
    """Uniform along EDM's grid, from the share `noisy` of it to the share `clean`: 0 is its noisiest end, 1 its least noise."""

    noisy: Rest = 0.0
    clean: Part = 1.0

    def __post_init__(self) -> None:
        if not self.noisy < self.clean:
            raise ValueError(f"noisy={self.noisy} must be below clean={self.clean}")

    def __call__(self, u: Tensor) -> Tensor:
        high, low = NOISIEST ** (1 / RHO), LEAST_SIGMA ** (1 / RHO)
        level: Tensor = (high + (self.noisy + (self.clean - self.noisy) * u) * (low - high)) ** RHO
        return level


@dataclass(frozen=True)
class DMD2(Method):
    """sigma_init: of s, where the generator starts. every: steps to one of the generator. levels, fake_levels: the laws of t.

    sigma_data: standard deviation of the data. critic: weight of the loss against a critic, 0 for none. initialise: generator
    and fake start from the teacher's weights, as the authors'.
    """

    sigma_init: Positive = 80.0
    every: Count = 5
    levels: Levels = field(default_factory=lambda: Curve(0.02, 0.98))
    fake_levels: Levels = field(default_factory=Curve)
    sigma_data: Positive = 0.5
    critic: NotNegative = 0.0
    initialise: bool = True
    through: ClassVar[bool] = False  # whether the gradient passes through the denoisers
    paper: ClassVar[str] = "Yin et al. 2024, arXiv 2405.14867"

    @property
    def needs(self) -> Needs:
        moved = 4 + 2 * self.through  # a gradient to the generator, and through what its samples pass
        return Needs(teacher=True, reaches="data", rule="renoise", cost=(4 + moved / self.every) / 3,
                     truth="A where its fake velocity is exact, C in that one")

    @property
    def league(self) -> str:
        return "perceptual" if self.critic else "extra networks"

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        nets = {"net": backbone.net(), "fake": backbone.net()}
        return {**nets, "critic": backbone.critic()} if self.critic else nets

    def stages(self, images: int) -> Sequence[Stage]:
        names = ["net", "fake", "critic"] if self.critic else ["net", "fake"]
        prepare = partial(start_from_teacher, roles=("net", "fake")) if self.initialise else None
        return [Stage("train", images, {name: (name,) for name in names}, prepare, every={"net": self.every})]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        moves, draws, x_1 = "net" in context.stage.trained, context.draws, batch.x_1
        with nullcontext() if moves else torch.no_grad():
            x_g = self.generated(models["net"], batch, context)
        found = {"fake": Loss(self.followed(models["fake"], x_g.detach(), batch, context))}

        t = self.interpolant.time_of_sigma(self.levels(draws.uniform("levels")))
        x_t = self.noised(x_g, t, draws, "renoise") if moves or self.critic else x_g
        if moves:
            found["net"] = self.matched(models, x_g, x_t, t, batch, context)
        if self.critic:
            critic, data = conditioned(models["critic"], batch.condition), self.noised(x_1, t, draws, "noise of data")
            found["critic"] = Loss(told_apart(critic, data, x_t.detach(), t))
        return found

    def generated(self, net: nn.Module, batch: Batch, context: Context) -> Tensor:
        """x_g."""
        path, s = self.interpolant, batch.x_1.new_full((len(batch.x_1),), self.sigma_init)
        s, v = path.time_of_sigma(s), conditioned(net, batch.condition, context.draws.dropout("student"))
        x_s = align(path.alpha(s), batch.x_1) * path.base_scale * context.noise(batch.x_1)
        return jump(v, x_s, s, torch.ones_like(s))

    def noised(self, x: Tensor, t: Tensor, draws: Draws, purpose: str) -> Tensor:
        """I_t of x and noise of its own."""
        return self.interpolant.point(self.interpolant.base_scale * draws.normal(purpose, *x.shape[1:]), x, t)

    def followed(self, net: nn.Module, x_g: Tensor, batch: Batch, context: Context) -> Tensor:
        """The fake network's loss (B,)."""
        path, draws = self.interpolant, context.draws
        t = path.time_of_sigma(self.fake_levels(draws.uniform("fake levels")))
        x_0 = path.base_scale * draws.normal("fake", *x_g.shape[1:])
        _, _, out = coefficients(path, self.sigma_data, t)
        return velocity_loss(conditioned(net, batch.condition), path, x_0, x_g, t) / out.square()

    def matched(self, models: Models, x_g: Tensor, x_t: Tensor, t: Tensor, batch: Batch, context: Context) -> Loss:
        """The generator's."""
        with nullcontext() if self.through else torch.no_grad():
            real = self.data(context.teach(x_t, t, batch.condition), x_t, t)
            fake = self.data(conditioned(models["fake"], batch.condition)(x_t, t, t), x_t, t)
        distance = (x_g - real).detach().abs().flatten(1).mean(1).clamp(min=LEAST)
        loss = self.compared(x_g, real, fake, distance)
        if self.critic:
            loss = loss + self.critic * deceived(conditioned(models["critic"], batch.condition), x_t, t)
        return Loss(loss, {"apart": squared(real - fake).detach()})

    def data(self, v: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """What a velocity at (x, t) predicts of the data."""
        path = self.interpolant
        alpha, beta, d_alpha, d_beta = (align(c(t), x) for c in (path.alpha, path.beta, path.d_alpha, path.d_beta))
        return (alpha * v - d_alpha * x) / (alpha * d_beta - d_alpha * beta)

    def compared(self, x_g: Tensor, real: Tensor, fake: Tensor, distance: Tensor) -> Tensor:
        """The loss (B,) of x_g by two denoisers."""
        gradient = (fake - real) / align(distance, x_g)
        return mean_square(x_g - (x_g - gradient).detach()) / 2

    def grid(self, steps: int) -> Tensor:
        """From s to data."""
        sigma = torch.tensor(self.sigma_init, dtype=torch.float64)
        return torch.linspace(float(self.interpolant.time_of_sigma(sigma)), 1, steps + 1, dtype=torch.float64)

    def supports(self, steps: int) -> bool:
        return steps == 1


@dataclass(frozen=True)
class SiD(DMD2):
    """alpha: how much of the distance of both denoisers is subtracted; the rest as in DMD2, at its paper's values."""

    sigma_init: Positive = 2.5
    every: Count = 1
    levels: Levels = field(default_factory=lambda: Curve(0.2, 1.0))
    fake_levels: Levels = field(default_factory=LogNormal)
    alpha: NotNegative = 1.2
    through: ClassVar[bool] = True
    paper: ClassVar[str] = "Zhou et al. 2024, arXiv 2404.04057"

    def compared(self, x_g: Tensor, real: Tensor, fake: Tensor, distance: Tensor) -> Tensor:
        r = real - fake
        return (r * (real - x_g - self.alpha * r)).flatten(1).sum(1) / distance


@dataclass(frozen=True)
class SiDA(SiD):
    """SiD that plays against a critic."""

    critic: NotNegative = 1.0
    paper: ClassVar[str] = "Zhou et al. 2024, arXiv 2410.14919"
