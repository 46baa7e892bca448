"""The one training loop: every method, every stage, exact restart, on one process or several.

Per step it draws nothing globally, synchronises nothing and logs nothing; the loss is summed on the device and looked
at every `log_every` steps, where a value that is not finite ends the run as diverged. What it costs is counted where the
networks are called and kept in the checkpoints, so that a repeated step is billed once.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.data import Dataset
from bench.nets import Count, Weight, counting
from bench.training import checkpoint
from bench.training.balance import Aside, last_layers
from bench.training.dist import Pulse, Ranks
from bench.training.ema import Averages
from bench.training.recipe import Recipe
from bench.training.rng import StepDraws
from bench.training.schedule import factor
from methods.base import Batch, Context, Loss, Method, Models, Stage
from results.records import append_jsonl, read_jsonl

Report = Callable[[dict[str, Any]], bool]
BLOWN_UP = 1e6  # a loss so many times the first one is divergence, though it is a number
BILL = ("forward_calls", "forward_rows", "backward_rows", "jvp_calls", "jvp_rows")


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
    teacher: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = None
    teacher_models: Models = field(default_factory=dict)
    report: Report = lambda message: False
    conditional: bool = False  # whether the networks take class labels
    weak_teacher: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = None
    trajectories: Tensor | None = None  # (count, 1 + times, ...) for a method with needs.trajectories
    frozen: Sequence[nn.Module] = ()  # the teachers' networks: what the losses call of them is on the bill
    ranks: Ranks = field(default_factory=Ranks)
    rungs: Mapping[int, Callable[[], None]] = field(default_factory=dict)  # called on rank 0 after that step, off the clock

    def __post_init__(self) -> None:
        self.stages = list(self.method.stages(self.recipe.images))
        self.step = 0
        self.stage_index = 0
        self.seconds = 0.0
        self.ends = self._stage_ends()
        self.average = Averages(self.models["net"], self.recipe.ema)
        decay = self.method.needs.target_ema
        self.target_net = copy.deepcopy(self.models["net"]).requires_grad_(False) if decay else None
        self.target = Averages(self.models["net"], [decay], warm=False) if decay else None
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._sum, self._count = torch.zeros((), device=self.device), 0
        self._parts: Mapping[str, Tensor] = {}
        self._aside = Aside()
        self._first_loss = 0.0
        self._resumed: Path | None = None
        self.train_data = self.data.train.to(self.device)
        labels = self.data.labels if self.conditional else None
        self.labels = None if labels is None else labels.to(self.device)
        self.paths = None if self.trajectories is None else self.trajectories.to(self.device)
        self.rows = self.ranks.share(self.recipe.batch, self.method.needs.group)
        self.count, self._billed = Count(), True

    @property
    def stage(self) -> Stage:
        return self.stages[self.stage_index]

    def run(self) -> Outcome:
        """Train to the end of the budget, from the newest whole checkpoint if there is one. Every rank calls it."""
        backbones = [module for module in self.models.values() if not isinstance(module, Weight)]
        with counting(*backbones, *([self.target_net] if self.target_net else []), *self.frozen, into=self.count):
            return self._run()

    def bill(self) -> dict[str, int]:
        """Network evaluations of this training so far, by the names of `RunRecord`. Every rank calls it.

        Rows are those of all ranks and slices; calls are those of one slice, so that neither depends on the slicing. All
        zero for a run that was begun before evaluations were counted.
        """
        numbers = map(int, self.ranks.totals(self.count.numbers))
        return dict(zip(BILL, numbers, strict=True)) if self._billed else dict.fromkeys(BILL, 0)

    def _run(self) -> Outcome:
        if not self._resume():
            self._begin_stage(0)
        clock, last = time.monotonic(), None
        every = {k: max(1, self.recipe.steps // n) if n else 0 for k, n in
                 (("log", self.recipe.logs), ("save", self.recipe.checkpoints), ("milestone", self.recipe.milestones))}
        stage, pulse = self.stage, Pulse(self.ranks)
        while self.step < self.recipe.steps:
            if self.step >= self.ends[self.stage_index]:
                self._begin_stage(self.stage_index + 1)
                stage = self.stage
            self._train_step(stage)
            if self.step % every["log"] == 0 or self.step == self.recipe.steps:
                reason = self._log(stage)  # waits for the device, so the clock is read after it
                self.seconds, clock = self.seconds + time.monotonic() - clock, time.monotonic()
                if reason is not None:
                    return Outcome("diverged", reason, self.step, self.seconds, None)
            if self.step in self.rungs:
                self.seconds += time.monotonic() - clock
                if self.ranks.leads:
                    self.rungs[self.step]()  # before any checkpoint of this step: what goes on from one has its score
                self.ranks.word(None)  # the others wait here, and not in a sum of gradients, whose time is limited
                clock = time.monotonic()
            if every["save"] and (self.step % every["save"] == 0 or self.step == self.recipe.steps):
                self.seconds, clock = self.seconds + time.monotonic() - clock, time.monotonic()
                last = self._save("step")
                clock = time.monotonic()
            if every["milestone"] and self.step % every["milestone"] == 0:
                self.seconds += time.monotonic() - clock
                self._save("milestone")
                clock = time.monotonic()
            if pulse.stops(self.step, self._tell) and self.step < self.recipe.steps:
                self.seconds += time.monotonic() - clock
                path = self._save("step")
                return Outcome("interrupted", "stopped on request", self.step, self.seconds, path)
        return Outcome("done", "", self.step, self.seconds, last or self._resumed)

    def averaged(self, decay: float | None = None) -> nn.Module:
        """A copy of "net" with the average of that decay (default: the first configured)."""
        net = copy.deepcopy(self.models["net"])
        return self.average.copy_to(net, self.recipe.ema[0] if decay is None else decay)

    def _tell(self) -> bool:
        return self.report({"images": self.step * self.recipe.batch, "budget": self.recipe.images, "stage": self.stage.name})

    def _train_step(self, stage: Stage) -> None:
        recipe = self.recipe
        stage_start = self.ends[self.stage_index - 1] if self.stage_index else 0
        share = (self.step - stage_start) / (self.ends[self.stage_index] - stage_start)
        rate = recipe.lr * factor(recipe.schedule, recipe.warmup, share)
        whole = StepDraws(self.seed, self.step, range(recipe.batch), recipe.batch, self.device, training=recipe.dropout)
        size = recipe.micro_batch or recipe.batch
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate
        for begin in range(self.rows.start, self.rows.stop, size):
            part = range(begin, min(begin + size, self.rows.stop))
            self.count.whole = begin == 0
            self._backward(self._losses(stage, whole if len(part) == recipe.batch else whole.slice(part)), stage)
        self._synchronise(stage)
        for name, other in stage.balanced.items():
            self._aside.join(name, self._parameters(other), last_layers(self.models, stage.trained[other]))
        for name, optimizer in self.optimizers.items():
            if recipe.clip:
                torch.nn.utils.clip_grad_norm_(self._parameters(name), recipe.clip, foreach=True)
            optimizer.step()
        self.average.update()
        if self.target is not None and self.target_net is not None:
            self.target.update(self.method.target_decay(self.step / recipe.steps))
            self.target.copy_to(self.target_net, next(iter(self.target.weights)))
        self.step += 1
        self._count += 1

    def _losses(self, stage: Stage, draws: StepDraws) -> Mapping[str, Loss]:
        i = (draws.uniform("data") * len(self.train_data)).long()
        x_1 = self.train_data[i]
        if self.data.kind == "images":
            x_1 = self.data.decode(x_1)
        if self.data.flip:
            flips = draws.uniform("flip") < 0.5
            x_1 = torch.where(flips.reshape(-1, *[1] * (x_1.ndim - 1)), x_1.flip(-1), x_1)
        paths = self.paths
        states = None if paths is None else paths[(draws.uniform("trajectories") * len(paths)).long()]
        batch = Batch(x_1, None if self.labels is None else self.labels[i], states)
        target = None if self.target_net is None else {"net": self.target_net}
        context = Context(draws, self.step / self.recipe.steps, stage, self.teacher, self.weak_teacher, target)
        return self.method.losses(self.models, batch, context)

    def _backward(self, losses: Mapping[str, Loss], stage: Stage) -> None:
        for name, loss in losses.items():
            value = loss.per_sample.sum() / self.recipe.batch
            if name in stage.balanced:
                self._aside.add(name, value, self._parameters(stage.balanced[name]), retain_graph=len(losses) > 1)
            else:
                value.backward(inputs=self._parameters(name), retain_graph=len(losses) > 1)
            self._sum += value.detach()
        self._parts = {name: part for loss in losses.values() for name, part in loss.parts.items()}

    def _synchronise(self, stage: Stage) -> None:
        """Make this rank's gradients those of the whole batch."""
        if self.ranks.size > 1:
            self.ranks.sum_gradients(list(dict.fromkeys(p for name in self.optimizers for p in self._parameters(name))))
            for name in stage.balanced:
                self._aside.gradients[name] = self.ranks.sums(self._aside.gradients[name])

    def _parameters(self, loss: str) -> list[Tensor]:
        return [p for group in self.optimizers[loss].param_groups for p in group["params"]]

    def _begin_stage(self, index: int) -> None:
        stage = self.stages[index]
        previous: Models = self.teacher_models if index == 0 else {**self.models, "net": self.averaged()}
        self.stage_index = index
        if stage.prepare is not None:
            with torch.no_grad():
                stage.prepare(self.models, previous)
        self._make_optimizers(stage)
        self.average.restart()
        if self.target is not None and self.target_net is not None:
            self.target.restart()
            self.target_net.load_state_dict(self.models["net"].state_dict())

    def _make_optimizers(self, stage: Stage) -> None:
        trained = {role for roles in stage.trained.values() for role in roles}
        for role, module in self.models.items():
            module.requires_grad_(role in trained)
        self.optimizers = {
            name: self.recipe.optimizer_of([p for role in roles for p in self.models[role].parameters()])
            for name, roles in stage.trained.items()
        }

    def _stage_ends(self) -> list[int]:
        """The global step at which each stage ends."""
        ends = [images // self.recipe.batch for images in accumulate(stage.images for stage in self.stages)]
        return [*ends[:-1], self.recipe.steps]

    def _log(self, stage: Stage) -> str | None:
        held = [(part.sum().item(), float(len(part))) for part in self._parts.values()]
        total, *sums = self.ranks.totals([self._sum.item(), *(number for pair in held for number in pair)])
        loss = total / max(1, self._count)
        self._sum.zero_()
        self._count = 0
        parts = {name: sums[2 * k] / sums[2 * k + 1] for k, name in enumerate(self._parts) if sums[2 * k + 1]}
        self._note(images=self.step * self.recipe.batch, stage=stage.name, loss=loss, **parts)
        self._first_loss = self._first_loss or abs(loss)
        if abs(loss) <= BLOWN_UP * max(1.0, self._first_loss):  # False for NaN
            return None
        return f"the loss was {loss:.3g} at step {self.step} (stage {stage.name!r})"

    def _save(self, kind: str) -> Path | None:
        bill = self.bill()
        if self.folder is None or not self.ranks.leads:
            return None
        state: dict[str, Any] = {"step": self.step, "stage": self.stage_index, "ema": self.average.state(), "bill": bill}
        roles = self.models if kind == "step" else [r for r in self.method.sampled(self.models) if r != "net"]
        state["models"] = {role: self.models[role].state_dict() for role in roles}
        if kind == "step":
            state["optimizers"] = {name: o.state_dict() for name, o in self.optimizers.items()}
            if self.target is not None:
                state["target"] = self.target.state()
        path = checkpoint.save(self.folder / "checkpoints", self.step, state, kind=kind)
        self._note(checkpoint=path.name)
        return path

    def _note(self, **what: object) -> None:
        if self.folder is not None and self.ranks.leads:
            row = {"step": self.step, "seconds": round(self.seconds, 3), **what}
            append_jsonl(self.folder / "progress.jsonl", [row], sync=False)

    def _resume(self) -> bool:
        if self.folder is None or (found := self._newest(self.folder / "checkpoints")) is None:
            return False
        self._resumed, state = found
        self.step, self.stage_index = state["step"], state["stage"]
        for role, module in self.models.items():
            module.load_state_dict(state["models"][role])
        self._make_optimizers(self.stage)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        done = self.step - (self.ends[self.stage_index - 1] if self.stage_index else 0)
        self.average.load(state["ema"], done)
        if self.target is not None and self.target_net is not None:
            self.target.load(state["target"], done)
            self.target.copy_to(self.target_net, next(iter(self.target.weights)))
        self._billed = "bill" in state  # else of an older version
        if self.ranks.leads and self._billed:  # the others' counts are added to its own
            self.count.restore(state["bill"][name] for name in BILL)
        lines = read_jsonl(self.folder / "progress.jsonl")
        self.seconds = max((r["seconds"] for r in lines if r["step"] <= self.step), default=0.0)
        return True

    def _newest(self, folder: Path) -> tuple[Path, dict[str, Any]] | None:
        """The checkpoint that rank 0 goes on from."""
        found = checkpoint.newest(folder) if self.ranks.leads else None
        path = self.ranks.word(found and found[0])
        return found if found or path is None else (path, checkpoint.load(path))
