"""Reflow: flow matching on pairs of a noise and what a flow makes of it, so that its paths become straight lines.

    x^ = X'_{0,1}(x_0) by a solver,   loss = d( v_{t,t}(I_t), dI_t/dt ),   I_t between x_0 and x^,   t ~ law

In the first round X' is the teacher's flow, its pairs stored (needs.trajectories); in a later one that of the student of the
round before, frozen, from new noise in every step. Each round transports with no more cost and straighter: along a
straight path one Euler step is the map. A last stage may learn one step alone: the same loss at t = 0, on pairs of the
last round's student. Samples are Euler steps.

The flow that is learned is that of the pairs: where no two lines cross, as those of a Gaussian, the loss is zero at v(I_t) =
x^ - x_0; elsewhere its gradient vanishes in expectation at the mean velocity of the lines. It is straight on the linear
path alone.

The defaults are Liu et al.'s first reflow. Those of Lee et al. (2-RF++): method.time_law={target:"methods.times:UShaped"}
method.distance=norm, whose constant is .00054 times the number of entries; their weights, 1 - t of their clock here and
1/t on an LPIPS term beside it, and a factor 1/D are left out: LPIPS shares features with the metric, and without it the
former weight would leave the noise untrained. The authors solve with an adaptive RK45, Lee et al. by 18 steps of Heun's on
EDM's grid; here those steps are even in the path's angle. A million pairs are theirs.

Reference: Liu, Gong & Liu, "Flow Straight and Fast" (arXiv 2209.03003); Lee, Lin & Fanti, "Improving the Training of
Rectified Flows" (arXiv 2405.20320).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Method, Models, Needs, Stage, Trajectories, start_from_teacher
from methods.consistency import Distance
from methods.flow_matching import velocity_loss
from methods.knobs import Count, Decay, NotNegative
from methods.times import TimeLaw, Uniform
from methods.tools import Interpolant, Solver, conditioned, jump, solve


@dataclass(frozen=True)
class OnPairs(Method):
    """trajectories: pairs that are stored. teacher_solver, teacher_steps: of their paths.

    initialise: the student starts from the teacher's weights.
    """

    trajectories: Count = 16384
    teacher_solver: Solver = Solver.HEUN
    teacher_steps: Count = 18
    initialise: bool = True

    @property
    def paths(self) -> Trajectories:
        """For `Needs.trajectories`: of each path only its two ends."""
        return Trajectories(self.trajectories, self.teacher_solver, even(self.interpolant, self.teacher_steps),
                            (self.teacher_steps,))

    def pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """x_0 and x^ of a stored pair; they have no labels. Raises ValueError without any."""
        paths = batch.solved()
        return paths[:, 0], paths[:, -1]


@dataclass(frozen=True)
class Reflow(OnPairs):
    """rounds: of reflow. round_steps: of the same solver, for a pair of a later round.

    distilled: share of the images of a last stage that learns one step alone, on pairs of the last round; 0: none.
    c: the pseudo-Huber constant of Distance.NORM; None is .00054 times the entries of a sample.
    """

    rounds: Count = 1
    round_steps: Count = 8
    distilled: Decay = 0.0
    time_law: TimeLaw = field(default_factory=Uniform)
    distance: Distance = Distance.SQUARED
    c: NotNegative | None = None
    paper: ClassVar[str] = "Liu et al. 2022, arXiv 2209.03003"

    @property
    def needs(self) -> Needs:
        fresh = self.distilled + (1 - self.distilled) * (self.rounds - 1) / self.rounds
        return Needs(True, trajectories=self.paths, cost=1 + fresh * self.round_steps * self.teacher_solver.order / 3,
                     truth="C for the flow of its pairs, B where their lines do not cross")

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        roles = ["net", "teacher"] if self.rounds > 1 or self.distilled else ["net"]
        return {role: backbone.net() for role in roles}

    def stages(self, images: int) -> Sequence[Stage]:
        parts = [(f"round {k + 1}", (1 - self.distilled) / self.rounds) for k in range(self.rounds)]
        parts += [("one step", self.distilled)] if self.distilled else []
        ends = [round(images * sum(share for _, share in parts[: k + 1])) for k in range(len(parts))]
        first = start_from_teacher if self.initialise else None
        return [
            Stage(name, end - begin, prepare=first if k == 0 else self.hand_on,
                  options={"stored": k == 0, "step": name == "one step"})
            for k, ((name, _), begin, end) in enumerate(zip(parts, [0, *ends[:-1]], ends, strict=True))
        ]

    def hand_on(self, models: Models, previous: Models) -> None:
        """The student of the round before is the teacher of the next, which starts from it."""
        for role in ("net", "teacher"):
            models[role].load_state_dict(previous["net"].state_dict())

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        stage = context.stage.options
        x_0, x_1 = self.pair(batch) if stage["stored"] else self.solved(models, batch, context)
        u = context.draws.uniform("times")
        t = torch.zeros_like(u) if stage["step"] else self.time_law(u)
        v = conditioned(models["net"], None, context.draws.dropout("student"))
        raw = velocity_loss(v, self.interpolant, x_0, x_1, t)
        c = 0.00054 * x_1[0].numel() if self.c is None else self.c
        return {"net": Loss(self.distance.of(raw, c), {"raw": raw.detach()})}

    def solved(self, models: Models, batch: Batch, context: Context) -> tuple[Tensor, Tensor]:
        """A new pair of the frozen student."""
        x_0 = self.interpolant.base_scale * context.noise(batch.x_1)
        frozen, times = conditioned(models["teacher"]), even(self.interpolant, self.round_steps)
        with torch.no_grad():
            ends = solve(self.teacher_solver, lambda x, t: frozen(x, t, t), x_0, times, (self.round_steps,))
        return x_0, ends[:, -1]

    def supports(self, steps: int) -> bool:
        return steps == 1 if self.distilled else steps >= 1

    def jump(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """An Euler step."""
        v = conditioned(models["net"], condition)
        return jump(lambda x, s, t: v(x, s, s), x, s, t)


def even(path: Interpolant, steps: int) -> tuple[float, ...]:
    """Times whose steps are even in the path's angle."""
    return tuple(path.time_of(torch.linspace(0, torch.pi / 2, steps + 1, dtype=torch.float64)).tolist())
