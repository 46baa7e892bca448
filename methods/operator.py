"""Neural-operator sampling (DSNO): one noise in, the whole trajectory of a teacher's ODE out, all times in one call.

    loss = 1/T sum_k w(t_k) | x_0 + t_k v_{0,t_k}(x_0) - X_k |,     X_k = the teacher's state at t_k from x_0

X_k come from trajectories that a solver ran once (needs.trajectories); data play no part. The network sees T rows per
sample, x_0 at each of the times, and mixes them in its temporal blocks (`Backbone.operator`); a sample is the last
one: one call, T rows. The paper's clock is the cosine schedule's, on which the path's angle grows evenly: its quadratic
grid of T = 4 keeps the states i = 12, 8, 4, 0 of 1 - 2 theta / pi = (i / 16)^2. The solver's steps are even in that angle too.

The paper trains with w = clip(sqrt(SNR), 1, 1e4), which is all but the last state alone, on about a million paths of 512
DDIM (Euler) steps, each seen a hundred times. The defaults here are 32 steps of Heun's, on digits as accurate as about
400 of Euler's, on 16,384 paths. They cost what 350,000 images of flow matching do, twice the budget of the digits
sweep: raise `trajectories` with the budget. The distance of its CIFAR-10 figures, LPIPS, is left out (see
`methods.consistency`); L1 is its ImageNet one.

Reference: Zheng et al., "Fast Sampling of Diffusion Models via Operator Learning" (arXiv 2211.13449), Section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Context, Loss, Method, Models, Needs, Stage, Trajectories, share_teacher
from methods.knobs import Cap, Count
from methods.tools import Mask, Solver, align, conditioned, constant


class Distance(Enum):
    """Summed over a sample: ABSOLUTE |a-b|, SQUARED |a-b|^2."""

    ABSOLUTE = "absolute"
    SQUARED = "squared"


class Spacing(Enum):
    """How the T states lie in the angle that is left to data: QUADRATIC (1 - k/T)^2, UNIFORM 1 - k/T, k = 1 ... T."""

    QUADRATIC = "quadratic"
    UNIFORM = "uniform"


@dataclass(frozen=True)
class DSNO(Method):
    """slots: states per trajectory, T; modes: frequencies that the temporal blocks keep; weight_cap: largest w (1: none).

    teacher_steps: of the solver, a multiple of slots^2 (quadratic) or slots (uniform), so that it meets every state.
    initialise: the network starts from the teacher's weights, its temporal blocks as the identity.
    """

    slots: Count = 4
    modes: Count = 2
    spacing: Spacing = Spacing.QUADRATIC
    distance: Distance = Distance.ABSOLUTE
    weight_cap: Cap = 1e4
    initialise: bool = True
    trajectories: Count = 16384
    teacher_solver: Solver = Solver.HEUN
    teacher_steps: Count = 32
    paper: ClassVar[str] = "Zheng et al. 2022, arXiv 2211.13449"

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ValueError(f"method.slots counts states of a trajectory and must be at least 1, got {self.slots}")
        if not 1 <= self.modes <= self.slots // 2 + 1:
            raise ValueError(f"method.modes={self.modes}: {self.slots} slots have 1 to {self.slots // 2 + 1} modes")
        if self.trajectories < 1:
            raise ValueError(f"method.trajectories must be at least 1, got {self.trajectories}")
        unit = self.slots**2 if self.spacing is Spacing.QUADRATIC else self.slots
        if self.teacher_steps < 1 or self.teacher_steps % unit:
            close = max(unit, round(self.teacher_steps / unit) * unit)
            raise ValueError(f"method.teacher_steps={self.teacher_steps} must be a multiple of {unit}, to meet the states of "
                             f"method.slots={self.slots}; nearest: {close}")
        if not self.weight_cap >= 1:
            raise ValueError(f"method.weight_cap bounds a weight of at least 1, got {self.weight_cap}")

    @property
    def needs(self) -> Needs:
        paths = Trajectories(self.trajectories, self.teacher_solver, tuple(self._clock.tolist()), self._kept)
        return Needs(True, trajectories=paths, operator=True, reaches="grid", cost=4.3, precision="tf32", truth="B")

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        return {"net": backbone.operator(self.slots, self.modes)}

    def stages(self, images: int) -> Sequence[Stage]:
        return [Stage("train", images, prepare=share_teacher if self.initialise else None)]

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        paths = batch.solved()
        x_0, states = paths[:, 0], paths[:, 1:]
        found = self.trajectory(models, x_0, None, _per_slot(context.draws.dropout("student"), self.slots))
        error = (found - states).flatten(2)
        distance = error.abs().sum(2) if self.distance is Distance.ABSOLUTE else error.square().sum(2)
        return {"net": Loss((constant(_weights, self, like=distance) * distance).mean(1), {"last": distance[:, -1].detach()})}

    def trajectory(
        self, models: Models, x_0: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        """X_{0,t_k}(x_0) at all of `slot_times`, (B, T, ...): one call of the network on B * T rows."""
        t = constant(_slot_times, self, like=x_0).repeat(len(x_0))
        x = x_0.repeat_interleave(self.slots, 0)
        c = None if condition is None else condition.repeat_interleave(self.slots, 0)
        v = conditioned(models["net"], c, dropout)(x, torch.zeros_like(t), t)
        return torch.unflatten(x + align(t, x) * v, 0, (-1, self.slots))

    def jump(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """X_{0,1}(x), the last state, or x itself where s = t. Raises ValueError for other times."""
        whole = _whole(s, t)
        return torch.where(align(whole, x), self._last(models, x, condition), x)

    def jump_together(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        return self._last(models, x, condition) if _whole(s, t) else x

    def supports(self, steps: int) -> bool:
        return steps == 1

    def _last(self, models: Models, x: Tensor, condition: Tensor | None) -> Tensor:
        """X_{0,1}(x), on its own: the other states are let go."""
        return self.trajectory(models, x, condition)[:, -1].contiguous()

    @property
    def slot_times(self) -> Tensor:
        """t_1 < ... < t_T = 1, float64."""
        return self._clock[list(self._kept)]

    @property
    def weights(self) -> Tensor:
        """clip(sqrt(SNR), 1, weight_cap) at the slot times, float64; sqrt(SNR) = beta / (alpha s_0) = 1 / sigma."""
        snr = torch.tan(self.interpolant.theta(self.slot_times)).abs() / self.interpolant.base_scale
        return snr.clamp(1, self.weight_cap)

    @property
    def _clock(self) -> Tensor:
        """The times of the solver's steps, even in the path's angle, float64."""
        return self.interpolant.time_of(torch.linspace(0, torch.pi / 2, self.teacher_steps + 1, dtype=torch.float64))

    @property
    def _kept(self) -> tuple[int, ...]:
        """Positions of the T states in `_clock`."""
        power = 2 if self.spacing is Spacing.QUADRATIC else 1
        whole, slots = self.teacher_steps, self.slots
        return tuple(whole - whole * (slots - k) ** power // slots**power for k in range(1, slots + 1))


def _whole(s: Tensor, t: Tensor) -> Tensor:
    """True where [s, t] is the whole way, False where it is none of it. Raises ValueError for other times."""
    whole = (s == 0) & (t == 1)
    if not (whole | (s == t)).all():
        raise ValueError("a neural operator jumps from noise (s = 0) to data (t = 1) only")
    return whole


def _slot_times(method: DSNO) -> Tensor:
    return method.slot_times


def _weights(method: DSNO) -> Tensor:
    return method.weights


def _per_slot(dropout: Mask | None, slots: int) -> Mask | None:
    """Masks for rows that are groups of `slots`, each row with its own, from draws that come one per sample."""
    if dropout is None:
        return None
    draw = dropout
    return lambda name, shape: draw(name, (shape[0] // slots, slots, *shape[1:])).flatten(0, 1)
