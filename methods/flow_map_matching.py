"""Flow map matching: learn the map from a known velocity b (a teacher), or directly from data.

    LMD   r = d_t X_{s,t}(I_s) - sg[ b_t(X_{s,t}(I_s)) ]                      Lagrangian, s <= t uniform on the triangle
    EMD   r = d_s X_{s,t}(I_s) + grad X_{s,t}(I_s) b_s(I_s)                   Eulerian, likewise
    FMM   | d_t X_{s,t}(X_{t,s}(I_t)) - dI_t/dt |^2 + | X_{s,t}(X_{t,s}(I_t)) - I_t |^2     direct, s and t on the whole square

As s -> t both residuals become v_{t,t} - b_t, so no diagonal term is needed. LMD's stop-gradient is what arXiv 2505.18825
recommends (eq. 27); without it (eq. 26, the original) the gradient also runs through the teacher's argument. EMD is the
original (eq. 28), which is quadratic in the map, since b is given. Its cut at grad X . b (eq. 29) is offered, but leaves no
descent: with the operators D = d_s and A = b . grad the step follows D*(D + A), which need not be positive, and
trainings on a Gaussian diverged (learning rates 5e-4 and 2e-3).
FMM needs backward maps (t < s) and cuts nothing; its second term enforces invertibility.
A curriculum (the authors' code: box or diagonal) trains on a part of the square first, and on all of it in the end. Their
diagonal one clips s to [0, 1], which leaves a mass at both ends; here s is uniform on what lies within.

Reference: Boffi, Albergo, Vanden-Eijnden, "Flow map matching" (arXiv 2406.07507), Corollary 3.7 and Propositions 3.8, 3.11.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.knobs import NotNegative, Share
from methods.times import Curriculum, ordered
from methods.tools import Velocity, conditioned, eulerian, jump, lagrangian, squared

PAPER = "Boffi et al. 2024, arXiv 2406.07507"


@dataclass(frozen=True)
class MapDistillation(Method):
    """What LMD and EMD share. stop_gradient: cut the gradient where the class says; initialise: start as the teacher.

    curriculum: which pairs of times come first; widening: share of training over which the others join them.
    """

    stop_gradient: bool = True
    initialise: bool = False
    curriculum: Curriculum = Curriculum.NONE
    widening: Share = 0.25
    paper: ClassVar[str] = PAPER

    @property
    def needs(self) -> Needs:
        return Needs(teacher=True, cost=3.2, truth="A")

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.initialise else None)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        s, t = ordered(*self.curriculum.pair(*context.uniform_pair("times"), context.progress, self.widening))
        x_s = path.point(path.base_scale * context.noise(x_1), x_1, s)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        return {"net": Loss(squared(self.residual(v, x_s, s, t, lambda x, t: context.teach(x, t, batch.condition))))}

    @abstractmethod
    def residual(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """r at x = I_s for s <= t, shape of x; b(x, t) is the teacher's velocity."""


@dataclass(frozen=True)
class LMD(MapDistillation):
    """Lagrangian map distillation; the cut is at the teacher's evaluation."""

    def residual(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        end, speed = lagrangian(v, x, s, t)
        with torch.set_grad_enabled(not self.stop_gradient):
            velocity = b(end, t)
        return speed - velocity


@dataclass(frozen=True)
class EMD(MapDistillation):
    """Eulerian map distillation; the cut is at the product grad X . b."""

    stop_gradient: bool = False

    def residual(self, v: Velocity, x: Tensor, s: Tensor, t: Tensor, b: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            velocity = b(x, s)
        return eulerian(v, x, s, t, velocity, cut=self.stop_gradient)


@dataclass(frozen=True)
class FMM(Method):
    """Direct flow map matching, both terms. inversion: weight of the second one. curriculum, widening: as MapDistillation's."""

    inversion: NotNegative = 1.0
    curriculum: Curriculum = Curriculum.NONE
    widening: Share = 0.25
    paper: ClassVar[str] = PAPER

    @property
    def needs(self) -> Needs:
        return Needs(cost=3.8, truth="C, A in its inversion term")

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        s, t = self.curriculum.pair(*context.uniform_pair("times"), context.progress, self.widening)
        x_t = path.point(x_0, x_1, t)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        end, speed = lagrangian(v, jump(v, x_t, t, s), s, t)
        matched, inverted = squared(speed - path.velocity(x_0, x_1, t)), squared(end - x_t)
        parts: dict[str, Tensor] = {"lagrangian": matched.detach(), "inversion": inverted.detach()}
        return {"net": Loss(matched + self.inversion * inverted, parts)}
