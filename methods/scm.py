"""Continuous-time consistency: along a trajectory the map to data stands still, d/da f(x_a, a) = 0.

On TrigFlow's clock, a = 0 data and a = pi/2 noise, with the base scale for the paper's sigma_d:

    x_a = cos(a) x_1 + sin(a) z,      f(x_a, a) = cos(a) x_a - sin(a) F(x_a, a)      (F is the paper's sigma_d F)
    g = -cos(a)^2 (F - dx/da) - r [ cos(a) sin(a) x_a + J ]                          = cos(a) df/da at r = 1
    loss = e^w / D | F - sg(F + g / (|g| + c)) |^2 - w,      w learned,      ln(sigma_d tan a) ~ N(mean, std^2)

J is the derivative of F along cos(a) sin(a) (dx/da, 1): with the factors inside the product stays finite at both ends.
dx/da is cos(a) z - sin(a) x_1 (training, sCT) or the teacher's velocity on this clock (distillation, sCD). sigma_d tan a
is EDM's noise level. w is asked at (s, 1), like the network.

F is read off the network so that f is the harness's map to data, X_{s,1}(x) = x + (1-s) v_{s,1}(x), on every interpolant:

    F = (cos(a) - lambda) / sin(a) x_a - (1-s) / sin(a) v_{s,1}(lambda x_a),      lambda x_a the point at s on the sweep's clock

On the linear clock this is also TrigFlow's own reading of a velocity, so a student that starts as its teacher has the
paper's F = dx/da; on the trigonometric clock it starts from the same map as every other consistency model here.

Reference: Lu & Song, "Simplifying, Stabilizing and Scaling Continuous-time Consistency Models" (arXiv 2410.11081),
Sections 3-4 and Algorithm 1.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.knobs import Noisiest, Positive, Share
from methods.times import karras_sigmas, normal_quantile, to_data
from methods.tools import (
    Interpolant,
    Trigonometric,
    Velocity,
    align,
    check,
    conditioned,
    convert_velocity,
    jvp,
    normalised,
    pull,
    squared,
    warm_up,
)


@dataclass(frozen=True)
class SCM(Method):
    """mean, std: of ln sigma. warmup: share of the budget over which r rises to 1 (the paper: 10k of 400k steps).

    normalise, c: divide g by |g| + c. learned_weight: train w. sigma_max: the noise level from which sampling starts.
    """

    mean: float = -1.0
    std: Positive = 1.4
    warmup: Share = 0.025
    normalise: bool = True
    c: Positive = 0.1
    learned_weight: bool = True
    sigma_max: Noisiest = 80.0
    paper: ClassVar[str] = "Lu & Song 2024, arXiv 2410.11081"
    two_step_sigma: ClassVar[float | None] = 0.98  # the angle 1.1 at sigma_d = .5

    def __post_init__(self) -> None:
        check(self.warmup, self.c)

    @abstractmethod
    def speed(self, batch: Batch, context: Context, z: Tensor, x: Tensor, a: Tensor) -> Tensor:
        """dx/da at x = x_a, shape of x; a (B,)."""

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        models = {"net": backbone.net()}
        return models | {"weight": backbone.weight()} if self.learned_weight else models

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, {"net": ("net", "weight") if self.learned_weight else ("net",)})]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        z = path.base_scale * context.noise(x_1)
        sigma = torch.exp(self.mean + self.std * normal_quantile(context.draws.uniform("times")))
        a = torch.atan(sigma / path.base_scale)
        x = align(torch.cos(a), x_1) * x_1 + align(torch.sin(a), x_1) * z
        F = on_trigflow(conditioned(models["net"], batch.condition, context.draws.dropout("student")), path)
        value = F(x, a)
        with torch.no_grad():
            g = self.tangent(F, value, x, a, self.speed(batch, context, z, x, a), context.progress)
            step = normalised(g, self.c) if self.normalise else g
        raw = pull(value, step)
        parts = {"tangent": squared(g), "raw": raw.detach()}
        if not self.learned_weight:
            return {"net": Loss(raw / x_1[0].numel(), parts)}
        s = path.time_of_sigma(sigma)
        w = models["weight"](s, torch.ones_like(s))
        return {"net": Loss(torch.exp(w) / x_1[0].numel() * raw - w, parts)}

    def tangent(
        self, F: Callable[[Tensor, Tensor], Tensor], value: Tensor, x: Tensor, a: Tensor, dx: Tensor,
        progress: float | Tensor,
    ) -> Tensor:
        """g where F(x, a) = value and the trajectory has the speed dx, before normalisation; shape of x."""
        cos, sin = align(torch.cos(a), x), align(torch.sin(a), x)
        J = jvp(F, (x, a), (cos * sin * dx, torch.cos(a) * torch.sin(a)))[1]
        r = warm_up(progress, self.warmup)
        return -(cos**2) * (value - dx) - r * (cos * sin * x + J)

    def grid(self, steps: int) -> Tensor:
        """EDM-spaced noise levels from sigma_max, then data (the paper states none for more than two steps)."""
        return self.interpolant.time_of_sigma(to_data(karras_sigmas(steps + 1, sigma_max=self.sigma_max)))


@dataclass(frozen=True)
class SCT(SCM):
    """Consistency training, without a teacher.

    pretrained: start from the weights of a diffusion model, the teacher, as the authors do; else from scratch, on the budget
    of all others.
    """

    pretrained: bool = False

    @property
    def needs(self) -> Needs:
        truth = "C at normalise=false, after its warm-up"
        return Needs(teacher=self.pretrained, reaches="data", rule="renoise", cost=2.0, truth=truth)

    def stages(self, images: int) -> Sequence[Stage]:
        (stage,) = super().stages(images)
        return [replace(stage, prepare=start_from_teacher if self.pretrained else None)]

    def speed(self, batch: Batch, context: Context, z: Tensor, x: Tensor, a: Tensor) -> Tensor:
        return align(torch.cos(a), x) * z - align(torch.sin(a), x) * batch.x_1


@dataclass(frozen=True)
class SCD(SCM):
    """Consistency distillation. initialise: the student starts from the teacher's weights, as the authors'."""

    initialise: bool = True

    @property
    def needs(self) -> Needs:
        return Needs(teacher=True, reaches="data", rule="renoise", cost=2.3, truth="A after its warm-up")

    def stages(self, images: int) -> Sequence[Stage]:
        (stage,) = super().stages(images)
        return [replace(stage, prepare=start_from_teacher if self.initialise else None)]

    def speed(self, batch: Batch, context: Context, z: Tensor, x: Tensor, a: Tensor) -> Tensor:
        path = self.interpolant
        x_s, s = from_trigflow(x, a, path)
        b = context.teach(x_s, s, batch.condition)
        # Trigonometric is TrigFlow's path run from noise to data on [0, 1]: a = pi/2 (1 - t).
        return -2 / torch.pi * convert_velocity(b, x_s, s, path, Trigonometric(path.base_scale))


def from_trigflow(x: Tensor, a: Tensor, path: Interpolant) -> tuple[Tensor, Tensor]:
    """The point lambda x and the time s on the clock of `path` where TrigFlow, with sigma_d its base scale, is at (x, a)."""
    s = path.time_of(torch.pi / 2 - a)
    return align(path.radius(s), x) * x, s


def on_trigflow(v: Velocity, path: Interpolant) -> Callable[[Tensor, Tensor], Tensor]:
    """F(x, a) with cos(a) x - sin(a) F = X_{s,1}(lambda x), for a > 0: affine in v_{s,1} and x."""

    def F(x: Tensor, a: Tensor) -> Tensor:
        x_s, s = from_trigflow(x, a, path)
        skip, out = (torch.cos(a) - path.radius(s)) / torch.sin(a), (1 - s) / torch.sin(a)
        return align(skip, x) * x - align(out, x) * v(x_s, s, torch.ones_like(s))

    return F
