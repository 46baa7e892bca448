"""SoFlow: the Eulerian identity by a difference quotient between two starting times on one sample's straight way.

    q = ( X_{s,t}(x_s) - sg[ X_{l,t}(x_l) ] ) / (l - s),   x_l = x_s + (l-s) dI_s/ds,   s < l <= t
    loss = w |q|^2 / 2,   w = sg[ (|q|^2 + eps)^-p ],   |.|^2 the mean over a sample's elements

The gradient enters through v_{s,t} alone, as d(loss) = w q . dv: the factor (t-s) / (l-s) that X_{s,t} would bring is
left out, as the paper does by writing the loss as v . sg[w q]. Both have one gradient; this one's value means something.
With v for the network,

    q = v_{s,t}(x_s) - dI_s/ds - (t-l) ( v_{l,t}(x_l) - v_{s,t}(x_s) ) / (l-s)

which is MeanFlow's residual with a forward difference in place of the derivative along the way, and is computed so. At
l = t nothing is differenced and v_{s,t} regresses on dI_s/ds. l - s = r (t-s), and r falls exponentially with progress
(so the result depends on the declared budget). As MeanFlow, it is a stop-gradient fixed point with a positive loss; here
the fixed point is biased at first order in r.

The paper's clock has noise at t=1: means of its logit-normal laws change sign, its t is our s and its s our t. Its
CIFAR-10 setting is the default, and has no velocity term: all samples are consistency's. `velocity_share` > 0 puts that
share on the diagonal (the paper's ImageNet setting: .75). Two steps re-noise at equally spaced times, as the paper's;
the map itself reaches any t. Its other parametrisation (trigonometric) is not offered.

Reference: "SoFlow: Solution Flow Models for One-Step Generative Modeling" (arXiv 2512.15657).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs
from methods.knobs import Inner, NotNegative, Part, Positive, Share
from methods.times import LogitNormal, TimeLaw
from methods.tools import align, conditioned, mean_square


@dataclass(frozen=True)
class SoFlow(Method):
    """power, floor: p and eps of the weight. start_law, end_law: of s and t. r_init, r_end: r at the two ends of training.

    min_gap: the least l - s, and the least t - s. velocity_share: share of the batch at s = t, with times of start_law.
    """

    power: NotNegative = 0.75
    floor: Positive = 1e-3
    start_law: TimeLaw = field(default_factory=lambda: LogitNormal(0.9, 1.6))
    end_law: TimeLaw = field(default_factory=lambda: LogitNormal(4.0, 1.6))
    r_init: Part = 1.0
    r_end: Part = 1 / 3200
    min_gap: Inner = 1e-4
    velocity_share: Share = 0.0
    paper: ClassVar[str] = "Luo et al. 2025, arXiv 2512.15657"

    def __post_init__(self) -> None:
        if not 0 <= self.velocity_share <= 1:
            raise ValueError(f"method.velocity_share must lie in [0, 1], got {self.velocity_share}")
        for key, r in (("r_init", self.r_init), ("r_end", self.r_end)):
            if not 0 < r <= 1:
                raise ValueError(f"method.{key} is the share (l-s) / (t-s) and must lie in (0, 1], got {r}")
        if not 0 < self.min_gap < 1:
            raise ValueError(f"method.min_gap must lie in (0, 1), got {self.min_gap}: l - s divides")

    @property
    def needs(self) -> Needs:
        return Needs(rule="renoise", cost=1.4, precision="tf32", truth="C at power=0")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1, labels = self.interpolant, batch.x_1, batch.condition
        x_0 = path.base_scale * context.noise(x_1)
        s, l, t = self.times(*context.uniform_pair("times"), context.progress)
        on, off = context.split(self.velocity_share)

        x_0_off, x_1_off, s_off, l, t = x_0[off], x_1[off], s[off], l[off], t[off]
        v = conditioned(models["net"], None if labels is None else labels[off], context.draws.dropout("student", off))
        x_s, speed = path.point(x_0_off, x_1_off, s_off), path.velocity(x_0_off, x_1_off, s_off)
        value = v(x_s, s_off, t)
        with torch.no_grad():
            later = v(x_s + align(l - s_off, x_1) * speed, l, t)  # with the mask of the pass above
            quotient = value - speed - align((t - l) / (l - s_off), x_1) * (later - value)
            target = value - quotient
        raw = mean_square(value - target)
        losses, parts = [self.adapt(raw) / 2], {"raw": raw.detach()}

        if len(on):
            v = conditioned(models["net"], None if labels is None else labels[on], context.draws.dropout("velocity", on))
            d = s[on]
            raw = mean_square(v(path.point(x_0[on], x_1[on], d), d, d) - path.velocity(x_0[on], x_1[on], d))
            losses.append(self.adapt(raw))
            parts["velocity"] = raw.detach()
        return {"net": Loss(torch.cat(losses), parts)}

    def times(self, u: Tensor, u_2: Tensor, progress: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """s < l <= t from uniforms; t is moved away from an s that is later, as in the paper."""
        s = self.start_law(u).clamp(max=1 - self.min_gap)
        t = torch.maximum(self.end_law(u_2), s + self.min_gap).clamp(max=1)
        r = self.r_init * (self.r_end / self.r_init) ** progress
        return s, torch.minimum(torch.maximum(s + r * (t - s), s + self.min_gap), t), t

    def adapt(self, raw: Tensor) -> Tensor:
        """w |q|^2 of |q|^2."""
        with torch.no_grad():
            weight = (raw + self.floor).pow(-self.power)
        return weight * raw
