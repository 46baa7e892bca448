"""Consistency mid-training: first the end of a teacher's solved path from every point on it, then easy consistency training.

    first stage    loss = | X_{t_i,1}(x_i) - x_end |^2,   x_1 ... x_n, x_end one stored path of the teacher, i uniform
    second stage   ECT at one small gap, 1 - sigma_r / sigma_s = (1 + k sigmoid(-b sigma_s)) / q, from the first's weights

The paths' points are even in ln sigma from sigma_max to sigma_min, which is taken for data: the grid of the paper's solver.
At the exact map the first stage is zero up to the solver's error, sample by sample; the second holds what ECT does.

The authors solve new paths in every step, by a multistep solver (DPM-Solver++, 16 steps), and take all points of a path at
once, 8 paths to a batch of 128. Here the paths are stored (needs.trajectories) and solved by a one-step solver, and
each sample takes one point of one path: as many rows, with the same mean. Their distance in the first stage is LPIPS, which
shares features with the metric; this is the squared one that their code offers beside it.

Reference: Hu et al., "CMT: Mid-Training for Efficient Learning of Consistency, Mean Flow, and Flow Map Models"
(arXiv 2509.24526).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Models, Needs, Stage, Trajectories, start_from_teacher
from methods.consistency import ECT
from methods.knobs import Count, Inner, Positive
from methods.pairs import EasyPairs
from methods.times import to_data
from methods.tools import Solver, conditioned, constant, jump, squared


@dataclass(frozen=True)
class CMT(ECT):
    """first_share: share of the images of mid-training. points: of a path. trajectories: paths that are stored.

    teacher_substeps: steps of the solver from point to point. pretrained: mid-training starts from the teacher's weights.
    """

    pairs: EasyPairs = field(default_factory=lambda: EasyPairs(q=4096.0, doublings=1))
    pretrained: bool = True
    first_share: Inner = 0.75
    points: Count = 16
    sigma_min: Positive = 0.002
    trajectories: Count = 16384
    teacher_solver: Solver = Solver.HEUN
    teacher_substeps: Count = 1
    paper: ClassVar[str] = "Hu et al. 2025, arXiv 2509.24526"

    def __post_init__(self) -> None:
        if not self.sigma_min < self.sigma_max:
            raise ValueError(f"method.sigma_min={self.sigma_min} must be below method.sigma_max={self.sigma_max}")

    @property
    def needs(self) -> Needs:
        easy, k = super().needs, self.teacher_substeps
        kept = tuple(1 + k * i for i in range(self.points + 1))
        paths = Trajectories(self.trajectories, self.teacher_solver, (0.0, *self.levels(k).tolist()), kept)
        return replace(easy, teacher=True, trajectories=paths, cost=self.first_share + (1 - self.first_share) * easy.cost,
                       precision="float32", truth=f"B in the first stage, {easy.truth} in the second")

    def stages(self, images: int) -> Sequence[Stage]:
        first = round(images * self.first_share)
        return [
            Stage("mid-training", first, prepare=start_from_teacher if self.pretrained else None, options={"paths": True}),
            Stage("consistency", images - first, prepare=start_from_teacher, options={"paths": False}),
        ]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        if not context.stage.options["paths"]:
            return super().losses(models, batch, context)
        paths = batch.solved()
        i = (context.draws.uniform("point") * self.points).long()
        x = paths[torch.arange(len(i), device=i.device), i + 1]
        s = constant(type(self).levels, self, like=x)[i]
        v = conditioned(models["net"], None, context.draws.dropout("student"))  # the paths have no labels
        return {"net": Loss(squared(jump(v, x, s, torch.ones_like(s)) - paths[:, -1]))}

    def levels(self, parts: int = 1) -> Tensor:
        """The times of a path's points, of the ends of equal parts of what lies between, and of data; float64."""
        sigmas = torch.linspace(log(self.sigma_max), log(self.sigma_min), self.points * parts + 1, dtype=torch.float64).exp()
        return self.interpolant.time_of_sigma(to_data(sigmas))
