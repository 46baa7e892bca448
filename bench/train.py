"""The one training loop: every method, every stage, exact restart.

Per step it draws nothing globally, synchronises nothing and logs nothing; the loss is summed on the device and looked
at every `log_every` steps, where a value that is not finite ends the run as diverged.
"""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench import checkpoint
from bench.balance import Aside, last_layers
from bench.data import Dataset
from bench.ema import Averages
from bench.rng import StepDraws
from bench.schedule import DECAYS, factor
from methods.base import Batch, Context, Loss, Method, Models, Stage
from methods.registry import ConfigError, nearest
from results.store import append_jsonl, read_jsonl

Report = Callable[[dict[str, Any]], bool]
BLOWN_UP = 1e6  # a loss so many times the first one is divergence, though it is a number
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "radam": torch.optim.RAdam,
}


@dataclass(frozen=True)
class Recipe:
    """What a matched comparison shares. images: budget; batch: global batch; micro_batch: slice per pass, or None.

    lr is the peak rate; schedule and warm-up (a share) run within each stage; clip bounds the global gradient norm (0
    is off); checkpoints and milestones (EMA only) are written that many times, evenly over the run.
    """

    images: int
    batch: int
    micro_batch: int | None = None
    optimizer: str = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.0
    clip: float = 1.0
    ema: tuple[float, ...] = (0.999,)
    dropout: bool = True
    checkpoints: int = 10
    milestones: int = 0
    logs: int = 100

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise nearest("train.optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in DECAYS:
            raise nearest("train.schedule", self.schedule, DECAYS)
        if self.batch < 1 or self.images < self.batch:
            raise ConfigError(f"budget.images={self.images} must hold at least one batch (budget.batch={self.batch})")
        if self.micro_batch is not None and not 1 <= self.micro_batch <= self.batch:
            raise ConfigError(f"budget.micro_batch={self.micro_batch} must lie between 1 and budget.batch={self.batch}")
        if not self.ema:
            raise ConfigError("train.ema needs at least one decay, for example [0.999]")

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.images // self.batch


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

    @property
    def stage(self) -> Stage:
        return self.stages[self.stage_index]

    def run(self) -> Outcome:
        """Train to the end of the budget, from the newest whole checkpoint if there is one."""
        resumed = self._resume()
        if not resumed:
            self._begin_stage(0)
        clock, last = time.monotonic(), None
        every = {k: max(1, self.recipe.steps // n) if n else 0 for k, n in
                 (("log", self.recipe.logs), ("save", self.recipe.checkpoints), ("milestone", self.recipe.milestones))}
        stage, told = self.stage, 0.0
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
            if every["save"] and (self.step % every["save"] == 0 or self.step == self.recipe.steps):
                self.seconds, clock = self.seconds + time.monotonic() - clock, time.monotonic()
                last = self._save("step")
                clock = time.monotonic()
            if every["milestone"] and self.step % every["milestone"] == 0:
                self.seconds += time.monotonic() - clock
                self._save("milestone")
                clock = time.monotonic()
            if (now := time.monotonic()) - told > 0.5:
                told = now
                message = {"images": self.step * self.recipe.batch, "budget": self.recipe.images, "stage": stage.name}
                if self.report(message) and self.step < self.recipe.steps:
                    self.seconds += time.monotonic() - clock
                    path = self._save("step")
                    return Outcome("interrupted", "stopped on request", self.step, self.seconds, path)
        return Outcome("done", "", self.step, self.seconds, last or self._resumed)

    def averaged(self, decay: float | None = None) -> nn.Module:
        """A copy of "net" with the average of that decay (default: the first configured)."""
        net = copy.deepcopy(self.models["net"])
        return self.average.copy_to(net, self.recipe.ema[0] if decay is None else decay)

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
        for begin in range(0, recipe.batch, size):
            draws = whole if size == recipe.batch else whole.slice(range(begin, min(begin + size, recipe.batch)))
            self._backward(self._losses(stage, draws), stage)
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
        recipe = self.recipe
        trained = {role for roles in stage.trained.values() for role in roles}
        for role, module in self.models.items():
            module.requires_grad_(role in trained)
        options: dict[str, Any] = {"lr": recipe.lr, "betas": recipe.betas, "weight_decay": recipe.weight_decay}
        if recipe.optimizer in ("adam", "adamw"):
            options["fused"] = True
        self.optimizers = {
            name: OPTIMIZERS[recipe.optimizer]([p for r in roles for p in self.models[r].parameters()], **options)
            for name, roles in stage.trained.items()
        }

    def _stage_ends(self) -> list[int]:
        """The global step at which each stage ends."""
        images, ends = 0, []
        for stage in self.stages:
            images += stage.images
            ends.append(images // self.recipe.batch)
        ends[-1] = self.recipe.steps
        return ends

    def _log(self, stage: Stage) -> str | None:
        loss = self._sum.item() / max(1, self._count)
        self._sum.zero_()
        self._count = 0
        parts = {name: part.mean().item() for name, part in self._parts.items() if len(part)}
        self._note(images=self.step * self.recipe.batch, stage=stage.name, loss=loss, **parts)
        self._first_loss = self._first_loss or abs(loss)
        if abs(loss) <= BLOWN_UP * max(1.0, self._first_loss):  # False for NaN
            return None
        return f"the loss was {loss:.3g} at step {self.step} (stage {stage.name!r})"

    def _save(self, kind: str) -> Path | None:
        if self.folder is None:
            return None
        ema = self.average.state()
        state: dict[str, Any] = {"step": self.step, "stage": self.stage_index, "ema": ema}
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
        if self.folder is not None:
            row = {"step": self.step, "seconds": round(self.seconds, 3), **what}
            append_jsonl(self.folder / "progress.jsonl", [row], sync=False)

    def _resume(self) -> bool:
        if self.folder is None or (found := checkpoint.newest(self.folder / "checkpoints")) is None:
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
        lines = read_jsonl(self.folder / "progress.jsonl")
        self.seconds = max((r["seconds"] for r in lines if r["step"] <= self.step), default=0.0)
        return True
