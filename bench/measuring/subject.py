"""The training of one experiment on made-up data: what a step takes does not depend on what the images show.

Images are random pixels; a teacher is a network that nobody trained, moved off its start; its trajectories are noise. Points
are the known targets' own, which cost nothing to draw.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from bench.config import TRUTH, Experiment, Points
from bench.data import Dataset, dataset
from bench.nets import counting, factory
from bench.teaching import Teacher, Teaching
from bench.training import Recipe, Trainer, generator, stir

IMAGES = 4096
PATHS = 1024
"""Samples and trajectories that a step draws from: a real training has more, and takes as long."""
NOWHERE = Path("nowhere")  # where teachers' runs would lie: nothing is read there


@dataclass(frozen=True)
class Subject:
    """A trainer between two steps, at the beginning of one of its stages."""

    trainer: Trainer
    data: Dataset
    paths: Tensor | None

    def begin(self, stage: int) -> None:
        """Go to the first step of that stage."""
        progress = self.trainer.progress
        progress.step = progress.ends[stage - 1] if stage else 0
        self.trainer.begin_stage(stage)

    def step(self) -> None:
        """Take a step; behind the stage's last, its first again."""
        progress = self.trainer.progress
        if progress.stage_over:
            progress.step = progress.start
        self.trainer.step(progress)

    def around(self) -> None:
        """Take as many steps as come before the losses that are taken repeat."""
        for _ in range(self.cycle):
            self.step()

    @property
    def cycle(self) -> int:
        """How many that are in this stage."""
        return self.trainer.progress.stage.cycle

    def counted(self) -> AbstractContextManager[object]:
        """The bill that a training keeps of its networks' calls, which is part of its time."""
        return counting(*self.trainer.models.values(), *self.trainer.frozen, into=self.trainer.step.count)

    @property
    def stages(self) -> list[tuple[int, float]]:
        """(number, share of the images that it stands for): the first, and the last for all that follow the first."""
        ends = self.trainer.progress.ends
        first = ends[0] / ends[-1]
        return [(0, first), (len(ends) - 1, 1 - first)] if len(ends) > 1 else [(0, 1.0)]


def pictures(experiment: Experiment, shape: tuple[int, ...]) -> Dataset:
    """Random pixels under the name of the experiment's data."""
    pixels = torch.randint(0, 256, (IMAGES, *shape), dtype=torch.uint8, generator=generator("cpu", "pixels"))
    flip = experiment.data.name == "cifar10" or bool(getattr(experiment.data, "flip", False))
    classes = getattr(experiment.backbone, "classes", 0)
    labels = torch.arange(IMAGES) % classes if classes else None
    return Dataset(experiment.data.name, "images", shape, pixels, pixels[:1], "0" * 64, labels, flip=flip)


def _taught(experiment: Experiment) -> bool:
    """Whether a network teaches it, and not the known velocity of an exact target."""
    return experiment.method.needs.teacher and experiment.teacher.method != TRUTH


def subject(experiment: Experiment, shape: tuple[int, ...], device: torch.device, rows: int) -> Subject:
    """The experiment's training with so many rows in a pass. Nothing of it is kept on disk."""
    method, needs = experiment.method, experiment.method.needs
    data = dataset(experiment) if isinstance(experiment.data, Points) else pictures(experiment, shape)
    made = factory(experiment, shape)
    models = {role: module.to(device) for role, module in method.build(made).items()}
    roles = ["teacher"] * _taught(experiment) + ["weak"] * needs.weak_teacher
    teachers = [Teacher(stir(made.net(), role).to(device), role, 0, 0.0) for role in roles]
    teaching = Teaching(experiment, data, NOWHERE, device, *teachers)
    solved = needs.trajectories
    paths = None if solved is None else torch.randn((PATHS, 1 + len(solved.kept), *shape), generator=generator("cpu", "paths"))
    recipe = replace(Recipe.of(experiment.budget, experiment.train, rows), checkpoints=0, milestones=0)
    trainer = Trainer(
        method, models, data, recipe, experiment.seed, device, None, teaching.velocity(),
        {"net": teachers[0].net} if teachers else {}, conditional=bool(getattr(experiment.backbone, "classes", 0)),
        weak_teacher=teachers[1].velocity if len(teachers) > 1 else None, trajectories=paths, frozen=teaching.networks,
    )  # fmt: skip
    return Subject(trainer, data, paths)
