"""Consistency: the map to data gives the same answer at two neighbouring points of a trajectory.

    loss = w(s, r) d( X_{s,1}(x_s), sg[ X_{r,1}(x_r) ] ),   s < r <= 1

What differs is where x_r comes from (the same noise and data: training; a teacher's solver step: distillation), the law
of the pair (s, r) with its weight (methods/pairs.py), the distance d and whether a slow copy gives the target:

    CD    a solver's step    fixed grid                      |.|^2    constant decay, by default no copy
    CT    same noise         growing grid                    |.|^2    decay grows with the grid
    ICT   same noise         doubling grid, log-normal       norm     no copy
    ECT   same noise         continuous, log-normal          norm     no copy

With X_{s,1}(x) = x + (1-s) v the boundary X_{1,1} = id is exact, so the target at r = 1 is x_r itself and EDM's cut at
sigma_min is not needed.

Reference: Song et al., "Consistency Models" (arXiv 2303.01469), Algorithms 2 and 3; Song & Dhariwal, "Improved
Techniques for Training Consistency Models" (arXiv 2310.14189); Geng et al., "Consistency Models Made Easy" (ECT, arXiv
2406.14548). LPIPS, the distance of the first's best figures, shares ImageNet features with FID and is left out.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from math import sqrt
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.knobs import Decay, Inner, Noisiest, NotNegative, Share
from methods.pairs import DoublingPairs, EasyPairs, GrowingPairs, KarrasPairs, Pairs
from methods.times import karras_sigmas, to_data
from methods.tools import Mask, Solver, conditioned, jump, squared, step


class Distance(Enum):
    """SQUARED |a-b|^2; NORM sqrt(|a-b|^2 + c^2) - c on the whole sample (pseudo-Huber, not per pixel)."""

    SQUARED = "squared"
    NORM = "norm"

    def of(self, raw: Tensor, c: float) -> Tensor:
        """The distance (B,) from raw = |a-b|^2 (B,)."""
        return raw if self is Distance.SQUARED else torch.sqrt(raw + c**2) - c


@dataclass(frozen=True)
class Consistency(Method):
    """sigma_max: the noise level from which sampling starts. pairs: the law of (s, r).

    c: the pseudo-Huber constant of Distance.NORM; None is the rule .00054 sqrt(entries of a sample) (arXiv 2310.14189).
    """

    sigma_max: Noisiest = 80.0
    c: NotNegative | None = 1e-6
    pairs: Pairs = field(default_factory=KarrasPairs)
    distance: Distance = Distance.SQUARED
    two_step_sigma: ClassVar[float | None] = 0.821  # of iCT's and ECT's code; CM's own is searched for each data set

    @abstractmethod
    def partner(
        self, batch: Batch, context: Context, x_0: Tensor, x_s: Tensor, s: Tensor, r: Tensor
    ) -> Tensor:
        """x_r, the neighbour of x_s further towards data."""

    def led(self, models: Models, batch: Batch, context: Context, x_0: Tensor, s: Tensor) -> Batch:
        """The batch whose x_1 the points of the pairs lie on the way to: as a rule the data."""
        return batch

    def pair(self, context: Context) -> tuple[Tensor, Tensor, Tensor]:
        """s, r and w of this step, each (B,)."""
        return self.pairs(context.draws.uniform("times"), context.progress, self.interpolant)

    def target(
        self, models: Models, context: Context, x_r: Tensor, r: Tensor, condition: Tensor | None, dropout: Mask | None
    ) -> Tensor:
        """X_{r,1}(x_r) of the network that teaches, shape of x_r."""
        slow = models if context.target is None else context.target
        return jump(conditioned(slow["net"], condition, dropout), x_r, r, torch.ones_like(r))

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        s, r, w = self.pair(context)
        batch = self.led(models, batch, context, x_0, s)
        x_s = path.point(x_0, batch.x_1, s)
        dropout = context.draws.dropout("student")  # the two passes share their mask
        with torch.no_grad():
            x_r = self.partner(batch, context, x_0, x_s, s, r)
            target = self.target(models, context, x_r, r, batch.condition, dropout)
        end = jump(conditioned(models["net"], batch.condition, dropout), x_s, s, torch.ones_like(s))
        raw = squared(end - target)
        c = 0.00054 * sqrt(x_1[0].numel()) if self.c is None else self.c
        return {"net": Loss(w * self.distance.of(raw, c), {"raw": raw.detach()})}

    def grid(self, steps: int) -> Tensor:
        """EDM-spaced noise levels from sigma_max, then data."""
        return self.interpolant.time_of_sigma(to_data(karras_sigmas(steps + 1, sigma_max=self.sigma_max)))


@dataclass(frozen=True)
class CD(Consistency):
    """Consistency distillation: x_r by one step of the teacher's ODE. target_ema: decay of the slow target, 0 for none.

    initialise: the student starts from the teacher's weights, as the authors'. Their CIFAR-10 configuration uses no slow
    target (ImageNet's: .95). The solver steps in this clock, not in sigma; on the linear clock Euler's step is the same
    in both, Heun's of the same order.
    """

    solver: Solver = Solver.HEUN
    target_ema: Decay = 0.0
    initialise: bool = True
    paper: ClassVar[str] = "Song et al. 2023, arXiv 2303.01469"

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.initialise else None)]

    @property
    def needs(self) -> Needs:
        return Needs(True, target_ema=self.target_ema or None, reaches="data", rule="renoise", cost=2.0, truth="B")

    def partner(
        self, batch: Batch, context: Context, x_0: Tensor, x_s: Tensor, s: Tensor, r: Tensor
    ) -> Tensor:
        return step(self.solver, lambda x, t: context.teach(x, t, batch.condition), x_s, s, r)


@dataclass(frozen=True)
class ConsistencyTraining(Consistency):
    """What trainings from data share: x_r has the noise and the data of x_s.

    generated: share of the batch whose pairs lead to the network's own sample in place of the data (methods/gaf.py).
    """

    generated: Share = 0.0

    @property
    def needs(self) -> Needs:
        return Needs(reaches="data", rule="renoise", cost=1.4 + self.generated / 3, truth=self.holds("C at distance=squared"))

    def holds(self, truth: str) -> str:
        """`Needs.truth`, with what generated samples ask for beside it."""
        return f"{truth}, at generated=0" if self.generated else truth

    def led(self, models: Models, batch: Batch, context: Context, x_0: Tensor, s: Tensor) -> Batch:
        if not self.generated:
            return batch
        on = context.split(self.generated)[0]
        labels = None if batch.condition is None else batch.condition[on]
        x_s, slow = self.interpolant.point(x_0[on], batch.x_1[on], s[on]), context.target or models
        with torch.no_grad():
            made = jump(conditioned(slow["net"], labels), x_s, s[on], torch.ones_like(s[on]))
        return replace(batch, x_1=batch.x_1.index_copy(0, on, made))

    def partner(
        self, batch: Batch, context: Context, x_0: Tensor, x_s: Tensor, s: Tensor, r: Tensor
    ) -> Tensor:
        return self.interpolant.point(x_0, batch.x_1, r)


@dataclass(frozen=True)
class CT(ConsistencyTraining):
    """Consistency training of the original paper, in its squared-distance form.

    The slow target decays by mu = mu_0^(s_0 / n) per step, n the number of intervals at that moment and s_0 =
    pairs.start. The paper writes N = n + 1 in the exponent; its code uses n, and so does this.
    """

    pairs: GrowingPairs = field(default_factory=GrowingPairs)
    mu_0: Inner = 0.9
    paper: ClassVar[str] = "Song et al. 2023, arXiv 2303.01469"

    @property
    def needs(self) -> Needs:
        return replace(super().needs, target_ema=self.target_decay(0.0), truth=self.holds("C up to its grid"))

    def target_decay(self, progress: float) -> float:
        return float(self.mu_0 ** (self.pairs.start / self.pairs.intervals(progress)))


@dataclass(frozen=True)
class ICT(ConsistencyTraining):
    """Improved consistency training: no slow target, a robust distance, small intervals weighed up."""

    c: NotNegative | None = None
    pairs: Pairs = field(default_factory=DoublingPairs)
    distance: Distance = Distance.NORM
    paper: ClassVar[str] = "Song & Dhariwal 2023, arXiv 2310.14189"


@dataclass(frozen=True)
class ECT(ConsistencyTraining):
    """Consistency training, easy version: starts as denoising and tightens; no teacher, no slow target.

    pretrained: start from the weights of a diffusion model, the teacher, as the authors do; else from scratch, on the budget
    of all others.
    """

    pairs: Pairs = field(default_factory=EasyPairs)
    distance: Distance = Distance.NORM
    pretrained: bool = False
    paper: ClassVar[str] = "Geng et al. 2024, arXiv 2406.14548"

    @property
    def needs(self) -> Needs:
        return replace(super().needs, teacher=self.pretrained)

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.pretrained else None)]
