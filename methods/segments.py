"""Consistency within segments: [0, 1] is cut into N parts, and the network learns the map to the end of the part it is in.

    X_{s,e}(x) = x + (e-s) v_{s,e}(x),   e the end of the segment that holds s;   a sample is N hops

    both           X_{s,e}(I_s) against sg[ X_{r,e}(I_r) ],   s < r <= e, the same noise and data, the same dropout mask
    ConsistencyFM  1/2 |difference|^2 + alpha/2 | v_{s,e}(I_s) - sg[ v_{r,e}(I_r) ] |^2,   r = min(s + delta, e);
                   where r >= boundary the target is I_e itself, and so it is everywhere in a first stage
    MultistepCM    max(alpha, beta)^2 |difference|^2 / (e-s)^2,   r the next of n points, n growing from start to end

N = 1 is a consistency model; with N the hops tend to steps along the velocity. Against I_e the fixed point is v = b_s, flow
matching; against the own target it is the map to e, up to the gap r - s. ConsistencyFM's first stage is the former, and
above its boundary so is its second.

ConsistencyFM's clock is this one. Its authors let r pass the end of a segment, where the map is extrapolated backwards by up
to delta; here r stops there, and they draw s from 1e-3 on. MultistepCM's loss is one of predicted data, found by inverting
DDIM's step, with its weight at least 1: on every clock the weight above. It is written from memory of the paper, the
growth of n (there over the first 100,000 steps) and the segments of equal length on the cosine schedule likewise; of its two
forms this is the one that trains on data, without the teacher whose steps it corrects (aDDIM).

Reference: Yang et al., "Consistency Flow Matching" (arXiv 2407.02398), eqs. 6 and 7; Heek, Hoogeboom & Salimans,
"Multistep Consistency Models" (arXiv 2403.06807), Algorithm 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Context, Loss, Method, Models, Needs, Stage, start_from_teacher
from methods.knobs import Count, Inner, NotNegative, Share
from methods.pairs import whole
from methods.progressive import Spacing
from methods.tools import align, conditioned, jump, squared


@dataclass(frozen=True)
class Segmented(Method):
    """segments: parts of [0, 1], and steps of a sample."""

    segments: Count = 2

    def supports(self, steps: int) -> bool:
        return steps == self.segments


@dataclass(frozen=True)
class ConsistencyFM(Segmented):
    """delta: r - s. boundary: time from which on the target is the segment's end. alpha: weight of the velocities' term.

    first_share: share of the images of the first stage, which is flow matching to the segment's end.
    """

    delta: Inner = 1e-3
    boundary: Share = 0.9
    alpha: NotNegative = 1e-5
    first_share: Inner = 0.5
    paper: ClassVar[str] = "Yang et al. 2024, arXiv 2407.02398"

    @property
    def needs(self) -> Needs:
        return Needs(reaches="grid", cost=1.4 - 0.4 * self.first_share, truth="C below its boundary, up to its step")

    def stages(self, images: int) -> Sequence[Stage]:
        first = round(images * self.first_share)
        return [
            Stage("to the ends", first, options={"consistent": False}),
            Stage("consistency", images - first, prepare=start_from_teacher, options={"consistent": True}),
        ]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        s = context.draws.uniform("times")
        e = ((s * self.segments).floor() + 1) / self.segments
        x_s, x_e = path.point(x_0, x_1, s), path.point(x_0, x_1, e)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        value = v(x_s, s, e)
        end = x_s + align(e - s, x_s) * value
        if not context.stage.options["consistent"]:
            return {"net": Loss(squared(end - x_e) / 2)}
        r = torch.minimum(s + self.delta, e)
        with torch.no_grad():
            x_r = path.point(x_0, x_1, r)
            later = v(x_r, r, e)
            target = torch.where(align(r < self.boundary, x_r), x_r + align(e - r, x_r) * later, x_e)
        near, straight = squared(end - target), squared(value - later)
        inside = (s < self.boundary) & (e - s > 1.01 * self.delta)
        return {"net": Loss((near + self.alpha * inside * straight) / 2, {"velocity": straight.detach()})}


@dataclass(frozen=True)
class MultistepCM(Segmented):
    """start, end: points on [0, 1] when training begins and ends; they grow geometrically, in multiples of the segments.

    pretrained: start from the weights of a diffusion model, the teacher, as the authors do; else from scratch.
    """

    segments: Count = 8
    start: Count = 64
    end: Count = 1280
    spacing: Spacing = Spacing.COSINE
    pretrained: bool = False
    paper: ClassVar[str] = "Heek et al. 2024, arXiv 2403.06807"

    def __post_init__(self) -> None:
        if not self.segments <= self.start <= self.end:
            raise ValueError(f"method.start={self.start} must lie between method.segments={self.segments}, a point for each, "
                             f"and method.end={self.end}: the number of points grows")

    @property
    def needs(self) -> Needs:
        return Needs(teacher=self.pretrained, reaches="grid", cost=1.4, truth="C up to its grid")

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=start_from_teacher if self.pretrained else None)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1 = self.interpolant, batch.x_1
        x_0 = path.base_scale * context.noise(x_1)
        s, r, e = self.times(context.draws.uniform("times"), context.progress)
        x_s, x_r = path.point(x_0, x_1, s), path.point(x_0, x_1, r)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        with torch.no_grad():
            target = (jump(v, x_r, r, e) - x_s) / align(e - s, x_s)
        raw = squared(v(x_s, s, e) - target)
        weight = torch.maximum(path.alpha(s), path.beta(s)).square()
        return {"net": Loss(weight * raw, {"raw": raw.detach()})}

    def times(self, u: Tensor, progress: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """s, the next point r and the segment's end e, of uniforms (B,): every interval alike."""
        each = whole(self.start / self.segments * (self.end / self.start) ** progress)  # intervals of a segment
        i = (u * (each * self.segments)).long()
        ends = torch.stack([i, i + 1, (i // each + 1) * each]).double() / (each * self.segments)
        s, r, e = self.placed(ends).to(u.dtype)
        return s, r, e

    def grid(self, steps: int) -> Tensor:
        return self.placed(torch.linspace(0, 1, steps + 1, dtype=torch.float64))

    def placed(self, u: Tensor) -> Tensor:
        """The times of equal parts, float64."""
        return self.interpolant.time_of(pi / 2 * u) if self.spacing is Spacing.COSINE else u
