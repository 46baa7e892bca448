"""MeanFlow: the Eulerian identity with the conditional velocity in place of the marginal one.

    v_{s,t}(I_s) = sg[ dI_s/ds + (t-s) d/ds v_{s,t}(I_s) ],   d/ds along (dI_s/ds, 1, 0)
    loss = S / sg[(S + c)^p],   S = | v_{s,t}(I_s) - target |^2

At s = t it is flow matching, so it needs no separate diagonal term; a share of the batch is put there all the same.
Its conditional velocity makes the loss at the true map positive: the map is a stop-gradient fixed point, not a minimum.
With classes, omega and kappa put guidance of the scale omega / (1 - kappa) into the velocity that is regressed on
(methods/tools/guidance.py), which is then the direction of d/ds too: samples are guided without a further call.
The paper's clock has noise at t=1: its logit-normal means change sign here. Its CIFAR-10 setting is the default
(both times logit-normal(-2, 2) in its clock, sorted; a quarter on the diagonal; p = .75, c = 1e-3).

Reference: Geng et al., "Mean Flows for One-step Generative Modeling" (arXiv 2505.13447), eqs. 6-11 and 22; of
guidance section 4.2.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.knobs import Decay, NotNegative, Positive, Share
from methods.times import LogitNormal, TimeLaw, ordered
from methods.tools import Derivative, adaptive, align, conditioned, derivative, guided_velocity, squared


@dataclass(frozen=True)
class Eulerian(Method):
    """eta: share of the batch at s = t; power, floor: p and c of the adaptive weight; derivative: how d/ds is taken."""

    eta: Share = 0.25
    power: NotNegative = 0.75
    floor: Positive = 1e-3
    time_law: TimeLaw = field(default_factory=lambda: LogitNormal(2.0, 2.0))
    derivative: Derivative = Derivative.SPLIT

    @property
    def needs(self) -> Needs:
        return Needs(cost=2.0, truth="C at power=0")

    def ends(self, batch: Batch, context: Context) -> tuple[Tensor, Tensor, Tensor | None]:
        """x_0 and x_1 of a sample, and what the network is told of it."""
        return self.interpolant.base_scale * context.noise(batch.x_1), batch.x_1, batch.condition

    def times(self, context: Context) -> tuple[Tensor, Tensor]:
        """s <= t off the diagonal, (B,) each."""
        u, u_2 = context.uniform_pair("times")
        return ordered(self.time_law(u), self.time_law(u_2))

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, (x_0, x_1, condition) = self.interpolant, self.ends(batch, context)
        s, t = self.times(context)
        # The paper's diagonal samples keep the time nearer to noise: s, in this clock.
        t = t.index_copy(0, (on := context.split(self.eta)[0]), s[on])
        v = conditioned(models["net"], condition, context.draws.dropout("student"))
        x_s = path.point(x_0, x_1, s)
        speed = self.velocity(models, batch, context, x_s, s, path.velocity(x_0, x_1, s))
        value, dv = derivative(v, x_s, s, t, dx=speed, ds=1.0, how=self.derivative)
        target = (speed + align(t - s, x_1) * dv).detach()
        raw = self.size(value - target)
        return {"net": Loss(self.adapt(models, raw, s, t), {"raw": raw.detach()})}

    def velocity(self, models: Models, batch: Batch, context: Context, x_s: Tensor, s: Tensor, speed: Tensor) -> Tensor:
        """What stands for dI_s/ds = `speed`, shape of x_s."""
        return speed

    def size(self, r: Tensor) -> Tensor:
        """S, (B,)."""
        return squared(r)

    def adapt(self, models: Models, raw: Tensor, s: Tensor, t: Tensor) -> Tensor:
        """S / sg[(S + c)^p]."""
        return adaptive(raw, self.power, self.floor)


@dataclass(frozen=True)
class MeanFlow(Eulerian):
    """omega, kappa: guidance in the target, of class-conditional runs."""

    omega: Positive = 1.0
    kappa: Decay = 0.0
    paper: ClassVar[str] = "Geng et al. 2025, arXiv 2505.13447"

    @property
    def needs(self) -> Needs:
        return replace(super().needs, cost=2.7, labels=True) if self.guided else super().needs

    @property
    def guided(self) -> bool:
        """Whether its targets are."""
        return (self.omega, self.kappa) != (1, 0)

    def velocity(self, models: Models, batch: Batch, context: Context, x_s: Tensor, s: Tensor, speed: Tensor) -> Tensor:
        if self.guided:
            speed = guided_velocity(models["net"], batch.guidable(), x_s, s, speed, self.omega, self.kappa)
        return speed
