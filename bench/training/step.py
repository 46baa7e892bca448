"""One optimizer step: gradients of the whole batch, by slices on each rank and summed over the ranks, and the update.

It draws nothing globally, synchronises nothing with the device and logs nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch

from bench.accounts import LossMeter, Progress
from bench.compiling import Compiled, Losses, forget
from bench.nets import Count
from bench.processes import Ranks
from bench.training import returned
from bench.training.balance import Aside, last_layers
from bench.training.batches import Batches
from bench.training.rng import StepDraws
from bench.training.state import TrainState
from methods.base import Batch, Context, Draws, Loss, Stage, TeacherVelocity


@dataclass
class Step:
    """Call it to take a step. The loss goes to `meter`, and whether a pass is the batch's first slice to `count`."""

    state: TrainState
    batches: Batches
    seed: int
    device: torch.device
    ranks: Ranks
    teacher: TeacherVelocity | None
    weak_teacher: TeacherVelocity | None
    meter: LossMeter
    count: Count
    _aside: Aside = field(default_factory=Aside)
    _functions: dict[tuple[str, ...], Losses] = field(default_factory=dict)  # by stage and the losses that it takes

    def __post_init__(self) -> None:
        self.recipe = self.state.recipe
        self.rows = self.ranks.share(self.recipe.batch, self.state.method.needs.group)

    def __call__(self, progress: Progress) -> None:
        self.gradients(progress)
        rate = self.recipe.rate(progress.stage_share, progress.stage_steps * self.recipe.batch)
        moved = self.state.update(rate, progress.share, progress.taken)
        self.meter.end(progress.step + 1, progress.stage.name, rate, moved)
        progress.step += 1

    def gradients(self, progress: Progress) -> None:
        """Make `p.grad` what the next step moves by: the gradients of the whole batch, by slices and over the ranks."""
        self.state.zero_grad()
        for draws in self._slices(progress.step):
            self.count.whole = draws.rows.start == 0
            self._backward(self.losses(draws, progress), progress.taken)
        self._synchronise(progress.taken)
        self._join(progress.taken)

    def losses(self, draws: Draws, progress: Progress) -> Mapping[str, Loss]:
        """The method's, of one slice of the batch."""
        target = None if self.state.slow is None else {"net": self.state.slow.net}
        stage = progress.taken
        context = Context(draws, progress.share, stage, self.teacher, self.weak_teacher, target)
        found = self._function(stage)(self.batches.batch(draws), context)
        returned.check(self.state.method, found, stage, len(draws.rows))
        return found

    def _function(self, stage: Stage) -> Losses:
        """The method's losses of this step of a stage, compiled if the recipe says so."""
        key = (stage.name, *stage.trained)
        if key not in self._functions:
            method, models = self.state.method, self.state.models

            def losses(batch: Batch, context: Context) -> Mapping[str, Loss]:
                return method.losses(models, batch, context)

            if self.recipe.compile and all(name != stage.name for name, *_ in self._functions):
                forget()
            self._functions[key] = Compiled(losses, stage.name, self.count) if self.recipe.compile else losses
        return self._functions[key]

    def _slices(self, step: int) -> Iterator[StepDraws]:
        batch, rows = self.recipe.batch, self.rows
        size = self.recipe.micro_batch or batch
        whole = StepDraws(self.seed, step, range(batch), batch, self.device, training=self.recipe.dropout)
        for begin in range(0, len(rows), size):
            yield whole.slice(rows[begin : begin + size])

    def _backward(self, losses: Mapping[str, Loss], stage: Stage) -> None:
        several = len(losses) > 1
        for name, loss in losses.items():
            value = loss.per_sample.sum() / self.recipe.batch
            if name in stage.balanced:
                self._aside.add(name, value, self.state.parameters(stage.balanced[name]), retain_graph=several)
            else:
                torch.autograd.backward(value, inputs=self.state.parameters(name), retain_graph=several)
            self.meter.add(name, value.detach())
        self.meter.parts = {name: part for loss in losses.values() for name, part in loss.parts.items()}

    def _synchronise(self, stage: Stage) -> None:
        """Make this rank's gradients those of the whole batch."""
        if self.ranks.size > 1:
            moved = [p for name in stage.trained for p in self.state.parameters(name)]
            self.ranks.sum_gradients(list(dict.fromkeys(moved)))
            for name in stage.balanced:
                self._aside.gradients[name] = self.ranks.sums(self._aside.gradients[name])

    def _join(self, stage: Stage) -> None:
        """Add the gradients of the balanced losses to those that they are balanced with."""
        scales = {}  # all of them before the first is added
        for name, other in stage.balanced.items():
            last = last_layers(self.state.models, stage.trained[other])
            scales[name] = self._aside.scale(name, self.state.parameters(other), last)
        for name, scale in scales.items():
            self._aside.join(name, self.state.parameters(stage.balanced[name]), scale)
