"""The one training loop: every method, every stage, exact restart, on one process or several.

Between two steps it looks at the loss every so often, where a value that is not finite ends the run as diverged, lets
a search score its trial, saves, and asks whether to go on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.accounts import Bill, Curves, Log, LossMeter, Progress, Stopwatch, stage_ends
from bench.data import Dataset
from bench.nets import counting
from bench.processes import Pulse, Ranks
from bench.training.batches import batches
from bench.training.recipe import Recipe
from bench.training.restart import Checkpoints
from bench.training.state import TrainState, billed
from bench.training.step import Step
from methods.base import Method, Models, TeacherVelocity

__all__ = ["Outcome", "Recipe", "Trainer"]

Report = Callable[[dict[str, Any]], bool]


@dataclass
class Outcome:
    """How training ended: status "done", "diverged" or "interrupted"."""

    status: str
    reason: str
    steps: int
    seconds: float
    checkpoint: Path | None


@dataclass
class Trainer:
    """One training run. `folder` receives checkpoints/ and progress.jsonl; None keeps nothing."""

    method: Method
    models: dict[str, nn.Module]
    data: Dataset
    recipe: Recipe
    seed: int
    device: torch.device
    folder: Path | None = None
    teacher: TeacherVelocity | None = None
    teacher_models: Models = field(default_factory=dict)
    report: Report = lambda message: False
    conditional: bool = False  # whether the networks take class labels
    weak_teacher: TeacherVelocity | None = None
    trajectories: Tensor | None = None  # (count, 1 + times, ...) for a method with needs.trajectories
    frozen: Sequence[nn.Module] = ()  # the teachers' networks: what the losses call of them is on the bill
    ranks: Ranks = field(default_factory=Ranks)
    rungs: Mapping[int, Callable[[], None]] = field(default_factory=dict)  # called on rank 0 after that step, off the clock
    curves: Curves | None = None  # of the rank that writes

    def __post_init__(self) -> None:
        stages = list(self.method.stages(self.recipe.images))
        self.progress = Progress(stages, stage_ends(stages, self.recipe.batch, self.recipe.steps))
        if self.recipe.channels_last:  # what convolutions make, and all behind them, is then laid out as their weights are
            for module in (*self.models.values(), *self.frozen):
                module.to(memory_format=torch.channels_last)
        self.state = TrainState(self.method, self.models, self.recipe)
        self.meter, self._bill, self._watch = LossMeter(self.device), Bill(self.ranks), Stopwatch()
        self._log = Log(self.folder, self.ranks.leads, self.progress, self._watch)
        self._checkpoints = Checkpoints(
            self.folder and self.folder / "checkpoints", self.ranks, self.progress, self.state, self._bill, self._log
        )
        self.step = Step(
            self.state, batches(self.data, self.device, self.conditional, self.trajectories, self.recipe.augmentation,
                                self.recipe.label_drop),
            self.seed, self.device, self.ranks, self.teacher, self.weak_teacher, self.meter, self._bill.count,
        )  # fmt: skip

    def run(self) -> Outcome:
        """Train to the end of the budget, from the newest whole checkpoint if there is one. Every rank calls it."""
        with counting(*billed(self.state), *self.frozen, into=self._bill.count):
            if not self._checkpoints.resume():
                self.begin_stage(0)
            if self.curves is not None:
                self.curves.begin(self.progress.step)
            return self._loop()

    def averaged(self, decay: float | None = None) -> nn.Module:
        """A copy of "net" with the average of that decay (default: the first configured)."""
        return self.state.averaged(decay)

    def bill(self) -> dict[str, int]:
        """Network evaluations of this training so far, by the names of `RunRecord`. Every rank calls it.

        Rows are those of all ranks and slices; calls are those of one slice, so that neither depends on the slicing. All
        zero for a run that was begun before evaluations were counted.
        """
        return self._bill.total()

    def begin_stage(self, index: int) -> None:
        """Let the next step be the first of that stage."""
        previous: Models = self.teacher_models if index == 0 else {**self.models, "net": self.averaged()}
        self.progress.index = index
        self.state.begin(self.progress.stage, previous)

    def _loop(self) -> Outcome:
        pulse = Pulse(self.ranks)
        self._watch.start()
        while not self.progress.over:
            if self.progress.stage_over:
                self.begin_stage(self.progress.index + 1)
            self.step(self.progress)
            if (ended := self._after_step(pulse)) is not None:
                return ended
        return self._outcome("done", "", self._checkpoints.newest)

    def _after_step(self, pulse: Pulse) -> Outcome | None:
        """All that a step itself leaves out. How training ended, if it did before its budget's end."""
        if (reason := self._diverged()) is not None:
            return self._outcome("diverged", reason, None)
        self._score()
        self._checkpoints.save_what_is_due(self.recipe.checkpoints, self.recipe.milestones)
        if pulse.stops(self.progress.step, self._tell) and not self.progress.over:
            return self._outcome("interrupted", "stopped on request", self._checkpoints.save("step"))
        return None

    def _diverged(self) -> str | None:
        """Log the loss, if that is due. Returns what left the numbers, and where."""
        if not (self.progress.due(self.recipe.logs) or self.progress.over):
            return None
        loss, parts = self.meter.read(self.ranks)
        step, stage = self.progress.step, self.progress.stage.name
        self._log.note(images=step * self.recipe.batch, stage=stage, loss=loss, **parts)
        self._watch.lap()  # the reading has waited for the device
        if self.curves is not None:
            told = {f"part/{name}": mean for name, mean in parts.items()}
            values = {"seconds": self._watch.seconds, "loss": loss, **self.meter.curves(), **told}
            self.curves.look(step, step * self.recipe.batch, values)
        trace, state = self.meter.trace, self.state
        # A norm may overflow where all is well otherwise: the weights themselves decide, and at the end their averages.
        if (self.meter.diverged(loss) or (trace.left_the_numbers() and not state.finite())
                or (self.progress.over and not state.finite(averages=True))):
            return trace.why(self.meter.bound, self.progress.steps, self.ranks)
        trace.clear()
        return None

    def _score(self) -> None:
        """Call this step's rung, before any checkpoint of the step: what goes on from one has its score."""
        if self.progress.step in self.rungs:
            with self._watch.off():
                if self.ranks.leads:
                    self.rungs[self.progress.step]()
                self.ranks.word(None)  # the others wait here, and not in a sum of gradients, whose time is limited

    def _tell(self) -> bool:
        images, stage = self.progress.step * self.recipe.batch, self.progress.stage.name
        return self.report({"images": images, "budget": self.recipe.images, "stage": stage})

    def _outcome(self, status: str, reason: str, path: Path | None) -> Outcome:
        return Outcome(status, reason, self.progress.step, self._watch.seconds, path)
