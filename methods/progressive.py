"""Progressive distillation: each round's student takes in one step what its teacher takes in two.

    loss = w(s) | v_{s,t}(x_s) - sg[ (X'_{m,t}(X'_{s,m}(x_s)) - x_s) / (t - s) ] |^2,   m halfway between s and t

s runs over the left ends of the round's N intervals. In the first round X' is a DDIM (Euler) step of the teacher, later
the student of the round before; the student starts as its teacher. The weight is the paper's truncated SNR,
max(x-error, noise-error) = max(alpha, beta)^2 |dv|^2 up to a constant. The last students of each grid are kept: a
sample with N steps comes from the round that was trained for N, as in the paper's tables.

The paper halves 8192 -> 1 on a cosine schedule in 13 rounds; `start` is the student's count in the first round.

Differs from the paper: its authors' code passes the live weights from round to round and clips predicted data when it
samples; here averages are passed and nothing is clipped.

Reference: Salimans & Ho (arXiv 2202.00512), Algorithm 2 and eqs. 9-11.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from math import log
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Method, Models, Needs, Stage
from methods.knobs import Count, Positive
from methods.tools import align, conditioned, constant, everywhere, jump, squared


class Weighting(Enum):
    """TRUNCATED_SNR as in the paper; VELOCITY weighs all times alike."""

    TRUNCATED_SNR = "truncated_snr"
    VELOCITY = "velocity"


class Spacing(Enum):
    """How the grid's steps lie in time: equal in the path's angle (the paper's cosine schedule) or in t."""

    COSINE = "cosine"
    UNIFORM = "uniform"


@dataclass(frozen=True)
class Progressive(Method):
    """start: steps of the first student (a power of two). keep: largest step count whose student is kept.

    last_rounds_weight: images of each of the last two rounds relative to the others (the paper: 100k updates, else 50k).
    """

    start: Count = 4096
    keep: Count = 16
    last_rounds_weight: Positive = 2.0
    weighting: Weighting = Weighting.TRUNCATED_SNR
    spacing: Spacing = Spacing.COSINE
    paper: ClassVar[str] = "Salimans & Ho 2022, arXiv 2202.00512"

    def __post_init__(self) -> None:
        if self.start & (self.start - 1):
            raise ValueError(f"method.start={self.start} is halved until 1 is left and must be a power of two")

    @property
    def ratio(self) -> int:
        """Steps of a teacher in one of its student's."""
        return 2

    @property
    def rounds(self) -> list[int]:
        """The students' steps, round by round, down to 1."""
        return [self.start // self.ratio**k for k in range(round(log(self.start, self.ratio)) + 1)]

    @property
    def needs(self) -> Needs:
        return Needs(teacher=True, reaches="grid", cost=1.7, truth="A from the second round on, B in the first")

    @property
    def kept(self) -> list[int]:
        """Step counts above 1 that have a student of their own; the 1-step student is "net" itself."""
        return [n for n in self.rounds[:-1] if n <= self.keep]

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        roles = ["net", "teacher", *(f"student_{n}" for n in self.kept)]
        return {role: backbone.net() for role in roles}

    def sampled(self, models: Models) -> list[str]:
        return [role for role in models if role != "teacher"]

    def stages(self, images: int) -> Sequence[Stage]:
        share = [self.last_rounds_weight if n <= 2 else 1.0 for n in self.rounds]
        ends = [round(images * sum(share[: k + 1]) / sum(share)) for k in range(len(share))]
        starts = [0, *ends[:-1]]
        return [
            Stage(f"{n} steps", end - begin, prepare=partial(self.prepare, n), options={"steps": n, "first": n == self.start})
            for n, begin, end in zip(self.rounds, starts, ends, strict=True)
        ]

    def prepare(self, n: int, models: Models, previous: Models) -> None:
        """The student of n steps starts as its teacher; a finished student that will be sampled from is kept."""
        state = previous["net"].state_dict()
        for role in ("net", "teacher", f"student_{self.ratio * n}"):
            if role in models:
                models[role].load_state_dict(state)

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        path, x_1, n = self.interpolant, batch.x_1, context.stage.options["steps"]
        times = constant(type(self).times, self, 2 * n, like=x_1)
        i = (context.draws.uniform("times") * n).long()
        s, m, t = times[2 * i], times[2 * i + 1], times[2 * i + 2]
        x = path.point(path.base_scale * context.noise(x_1), x_1, s)
        with torch.no_grad():
            if context.stage.options["first"]:
                half = x + align(m - s, x) * context.teach(x, s, batch.condition)
                end = half + align(t - m, x) * context.teach(half, m, batch.condition)
            else:
                teacher = conditioned(models["teacher"], batch.condition)
                end = jump(teacher, jump(teacher, x, s, m), m, t)
        v = conditioned(models["net"], batch.condition, context.draws.dropout("student"))
        raw = squared(v(x, s, t) - (end - x) / align(t - s, x))
        truncated = self.weighting is Weighting.TRUNCATED_SNR
        weight = torch.maximum(path.alpha(s), path.beta(s)).square() if truncated else 1.0
        return {"net": Loss(weight * raw, {"raw": raw.detach()})}

    def jump(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """`jump_together`: all samples must share s and t."""
        return self.jump_together(models, x, s[0].cpu(), t[0].cpu(), condition)

    def jump_together(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """One step of the round whose intervals are as long as [s, t].

        Raises ValueError for a length that no kept student has.
        """
        position = self.interpolant.theta if self.spacing is Spacing.COSINE else torch.clone
        length = (position(t) - position(s)).item() * (2 / torch.pi if self.spacing is Spacing.COSINE else 1)
        steps = round(1 / length) if length > 0 else 1
        if not self.supports(steps):
            raise ValueError(f"progressive distillation kept students of {', '.join(map(str, sorted([1, *self.kept])))} steps, "
                             f"and a jump of 1/{steps} of the way is asked for; method.keep says which are kept")
        role = f"student_{steps}"
        v = conditioned(models[role if role in models else "net"], condition)
        return jump(v, x, everywhere(s, x), everywhere(t, x))

    def grid(self, steps: int) -> Tensor:
        return self.times(steps)

    def supports(self, steps: int) -> bool:
        return steps == 1 or steps in self.kept

    def times(self, n: int) -> Tensor:
        """The n + 1 times of the round's grid, float64."""
        u = torch.linspace(0, 1, n + 1, dtype=torch.float64)
        return self.interpolant.time_of(torch.pi / 2 * u) if self.spacing is Spacing.COSINE else u
