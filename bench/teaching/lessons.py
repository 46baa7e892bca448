"""What a method learns from besides data: its teachers' velocities, the exact one, trajectories that a teacher solved."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from bench.config import ConfigError, Experiment
from bench.data import Dataset
from bench.processes import Ranks
from bench.teaching.teacher import Teacher, exact_velocity
from bench.teaching.trajectories import Solved, obtain
from methods.base import TeacherVelocity


@dataclass(frozen=True)
class Teaching:
    """The teachers of one run. `runs`: the folder in which all runs lie."""

    experiment: Experiment
    data: Dataset
    runs: Path
    device: torch.device
    teacher: Teacher | None = None
    weak: Teacher | None = None

    @property
    def paid(self) -> list[Teacher]:
        """Those whose training is on this run's bill."""
        return [teacher for teacher in (self.teacher, self.weak) if teacher]

    @property
    def networks(self) -> list[nn.Module]:
        """What the losses call of them."""
        return [teacher.net for teacher in self.paid]

    @property
    def parents(self) -> dict[str, str]:
        """Role -> the run that it comes from."""
        solved = self.teacher if self.experiment.method.needs.trajectories else None
        roles = {"teacher": self.teacher, "weak_teacher": self.weak, "trajectories": solved}
        return {role: teacher.run_id for role, teacher in roles.items() if teacher}

    def velocity(self) -> TeacherVelocity | None:
        """What the method learns from: its teacher's velocity, or the exact one, or neither."""
        method = self.experiment.method
        if self.teacher is not None or not method.needs.teacher:
            return self.teacher.velocity if self.teacher else None
        assert self.data.truth is not None, "planning lets only exact targets teach"
        return exact_velocity(self.data.truth, method.interpolant)

    def trajectories(self, ranks: Ranks, stopping: Callable[[float], bool]) -> Solved | None:
        """What the method's teacher was run for, before or now; it lies in the teacher's folder. None if stopped by
        `stopping`, which is told the share that is solved.

        Rank 0 solves, and the others read what it left.
        """
        wanted, teacher = self.experiment.method.needs.trajectories, self.teacher
        if wanted is None or teacher is None:
            raise ConfigError(f"{self.experiment.label}: needs.trajectories are a teacher's; set needs.teacher as well")
        solve = partial(
            obtain, self.runs / teacher.run_id / "trajectories", teacher, wanted, self.data.shape,
            self.experiment.method.interpolant.base_scale, self.device,
        )
        solved = solve(stopping) if ranks.leads else None
        stopped = ranks.word(solved is None)
        return solved if ranks.leads or stopped else solve()
