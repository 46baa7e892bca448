"""Consistency trajectory models: a long jump agrees with the teacher's steps followed by a shorter jump.

    loss = | X'_{t,1}( X_{s,t}(x_s) ) - X'_{t,1}( X_{u,t}(x_u) ) |^2,   s < u <= t,   x_u by h teacher steps from x_s

X is the network and X' its slow copy, frozen. The first term's gradient passes through X' to X_{s,t}; the second term is
cut, and takes X_{u,t} from the network itself. Both ends are compared at data, where the paper measures LPIPS; that
shares ImageNet features with FID and is left out, as is the adversarial term. The times are levels of EDM's grid of n,
the last taken for data: h in 1..n-1 with probability proportional to h, one for the whole batch; s uniform on what h
leaves; t uniform from u on. So a step takes 2 (2n-1) / 3 teacher calls on average, 23 for the paper's n = 18.

    denoising = (1/sigma^2 + 1/sigma_d^2) | D - x_1 |^2,   D the data predicted by v_{s,s}(x_s)

keeps the diagonal, at noise levels of which half are EDM's log-normal and half lie on the grid's curve, uniform over its
noisier part. With W = alpha beta' - alpha' beta the error of D is alpha / W that of the velocity, so this is the velocity
loss times ((s_0 alpha)^2 + (sigma_d beta)^2) / (W s_0 sigma_d)^2, EDM's weight, which is finite at both ends; on
the linear clock D = x + (1-s) v and W = 1. The paper scales it by |grad CTM| / |grad denoising| at the last layer of
the network, of the whole batch: the loop does that (`Stage.balanced`).

With X_{s,t}(x) = x + (t-s) v the paper's (sigma_t / sigma_s) x + (1 - sigma_t / sigma_s) g is the same map on the linear
clock. The solver steps in this clock, not in sigma. Sampling is the paper's gamma = 0: maps are composed.

Reference: Kim et al., "Consistency Trajectory Models" (arXiv 2310.02279), eqs. 6, 9 and 10.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.flow_matching import velocity_loss
from methods.knobs import Decay, Levels, NotNegative, Part, Positive
from methods.times import karras_sigmas, normal_quantile, to_data
from methods.tools import Mask, Solver, Velocity, conditioned, constant, jump, squared, step


@dataclass(frozen=True)
class CTM(Method):
    """n, sigma_min, sigma_max, rho: EDM's grid. target_ema: decay of X', 0 for the network itself, frozen.

    balance: scale the denoising loss to the other by their gradients; else by `denoising` (0 leaves it out).
    mean, std: of ln sigma in its log-normal half; reach: the part of the grid's curve, from sigma_max on, of the other
    half. sigma_data: sigma_d. initialise: the student starts from the teacher's weights, as the authors'.
    """

    n: Levels = 18
    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0
    teacher_solver: Solver = Solver.HEUN
    target_ema: Decay = 0.999
    balance: bool = True
    denoising: NotNegative = 1.0
    mean: float = -1.2
    std: Positive = 1.2
    reach: Part = 0.7
    sigma_data: Positive = 0.5
    initialise: bool = True
    paper: ClassVar[str] = "Kim et al. 2023, arXiv 2310.02279"

    def __post_init__(self) -> None:
        if not self.sigma_min < self.sigma_max:
            raise ValueError(f"method.sigma_min={self.sigma_min} must be below method.sigma_max={self.sigma_max}")
        if self.balance and self.denoising != 1:
            raise ValueError(f"method.denoising={self.denoising} is a fixed weight, and method.balance=true sets its own; set "
                             "method.balance=false (with method.denoising=0 the term is left out)")

    @property
    def needs(self) -> Needs:
        calls = self.teacher_solver.order * (2 * self.n - 1) / 3
        return Needs(teacher=True, target_ema=self.target_ema or None, cost=3 + 0.3 * calls, precision="tf32",
                     truth="B, C in its denoising term")

    def stages(self, images: int) -> Sequence[Stage]:
        return [
            Stage("train", images, balanced={"denoising": "net"} if self.balance else {},
                  prepare=start_from_teacher if self.initialise else None)
        ]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        return self.terms(models, batch, context, *self.ends(models, batch, context))

    def ends(self, models: Models, batch: Batch, context: Context) -> tuple[Tensor, Tensor]:
        """Where the longer jump and the shorter one come to at data, shape of x_1."""
        path, x_1 = self.interpolant, batch.x_1
        times = constant(type(self).times, self, like=x_1)
        h = self.substeps(context.draws.common("substeps"))
        first, last = self.levels(*context.uniform_pair("times"), h)
        s, u, t = times[first], times[first + h], times[last]
        one = torch.ones_like(s)
        x_s = path.point(path.base_scale * context.noise(x_1), x_1, s)

        dropout = context.draws.dropout("student")  # all passes of this loss share their mask
        v = conditioned(models["net"], batch.condition, dropout)
        finish = frozen((context.target or models)["net"], batch.condition, dropout)
        estimate = jump(finish, jump(v, x_s, s, t), t, one)
        with torch.no_grad():
            x_u = x_s
            for k in range(h):
                x_u = step(self.teacher_solver, lambda x, t: context.teach(x, t, batch.condition), x_u, times[first + k],
                           times[first + k + 1])
            target = jump(finish, jump(v, x_u, u, t), t, one)
        return estimate, target

    def terms(self, models: Models, batch: Batch, context: Context, estimate: Tensor, target: Tensor) -> dict[str, Loss]:
        """The losses by name."""
        matched = squared(estimate - target)
        if not self.balance and self.denoising == 0:
            return {"net": Loss(matched)}

        denoised = self.denoise(models["net"], batch, context)
        if self.balance:
            return {"net": Loss(matched, {"matched": matched.detach()}),
                    "denoising": Loss(denoised, {"denoised": denoised.detach()})}
        parts = {"matched": matched.detach(), "denoised": denoised.detach()}
        return {"net": Loss(matched + self.denoising * denoised, parts)}

    def denoise(self, net: nn.Module, batch: Batch, context: Context) -> Tensor:
        """The denoising loss per sample, on noise of its own."""
        path, x_1 = self.interpolant, batch.x_1
        log_normal = context.split(0.5)[0]
        t = path.time_of_sigma(self.noise_levels(context.draws.uniform("denoising"), log_normal))
        x_0 = path.base_scale * context.draws.normal("denoising", *x_1.shape[1:])
        v = conditioned(net, batch.condition, context.draws.dropout("denoising"))
        return self.weight(t) * velocity_loss(v, path, x_0, x_1, t)

    def weight(self, t: Tensor) -> Tensor:
        """EDM's weight of the denoiser's error, as that of the velocity's."""
        path, s_0, s_d = self.interpolant, self.interpolant.base_scale, self.sigma_data
        a, b = path.alpha(t), path.beta(t)
        turn = a * path.d_beta(t) - path.d_alpha(t) * b
        return ((s_0 * a).square() + (s_d * b).square()) / (turn * s_0 * s_d).square()

    def noise_levels(self, u: Tensor, log_normal: Tensor) -> Tensor:
        """sigma (B,) of the denoising loss from uniforms: log-normal at the positions given, else on the grid's curve."""
        high, low = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        curve: Tensor = (high + self.reach * u * (low - high)) ** self.rho
        return curve.index_copy(0, log_normal, torch.exp(self.mean + self.std * normal_quantile(u[log_normal])))

    def times(self) -> Tensor:
        """The n times of the grid, from the noisiest to data, float64."""
        return self.interpolant.time_of_sigma(to_data(karras_sigmas(self.n, self.sigma_min, self.sigma_max, self.rho)))

    def substeps(self, u: float) -> int:
        """h in 1..n-1 from one uniform number: P(h) = h / (1 + ... + n-1)."""
        left = u * self.n * (self.n - 1) / 2
        for h in range(1, self.n - 1):
            left -= h
            if left < 0:
                return h
        return self.n - 1

    def levels(self, a: Tensor, b: Tensor, h: int) -> tuple[Tensor, Tensor]:
        """Indices of s, uniform on 0..n-1-h, and of t, uniform from that of u = s + h to n-1, from uniforms."""
        first = (a * (self.n - h)).long()
        return first, first + h + (b * (self.n - h - first)).long()

    def grid(self, steps: int) -> Tensor:
        """EDM-spaced noise levels from sigma_max, then data."""
        return self.interpolant.time_of_sigma(to_data(karras_sigmas(steps + 1, self.sigma_min, self.sigma_max, self.rho)))


def frozen(net: nn.Module, condition: Tensor | None, dropout: Mask | None) -> Velocity:
    """The network as a function (x, s, t) through which a gradient reaches x and no parameter."""
    weights = {name: p.detach() for name, p in net.named_parameters()}

    def v(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        out: Tensor = functional_call(net, weights, (x, s, t), {"condition": condition, "dropout": dropout})
        return out

    return v
