"""What training changes: the networks, and what moves with them (optimizers, averages, the slow copy)."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.accounts import Moved
from bench.nets import Weight, project
from bench.training.recipe import Recipe
from bench.training.slow import SlowCopy
from methods.base import Method, Models, Stage


class TrainState:
    """The networks by role with what moves along. It has no optimizers before its first stage has begun."""

    def __init__(self, method: Method, models: Models, recipe: Recipe) -> None:
        self.method, self.models, self.recipe = method, models, recipe
        decay = method.needs.target_ema
        self.average = recipe.averages(models["net"])
        self.slow = SlowCopy(models["net"], decay) if decay else None
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    def averaged(self, decay: float | None = None) -> nn.Module:
        """A copy of "net" with the average of that decay (default: the first configured)."""
        net = copy.deepcopy(self.models["net"])
        return self.average.copy_to(net, self.recipe.ema[0] if decay is None else decay)

    def begin(self, stage: Stage, previous: Models) -> None:
        """Make the networks, optimizers and averages those of a new stage. previous: see `Stage`."""
        if stage.prepare is not None:
            with torch.no_grad():
                stage.prepare(self.models, previous)
        self.make_optimizers(stage)
        self.average.restart()
        if self.slow is not None:
            self.slow.restart()

    def make_optimizers(self, stage: Stage) -> None:
        """New ones, of the networks that the stage trains; the others are frozen."""
        trained = {role for roles in stage.trained.values() for role in roles}
        for role, module in self.models.items():
            module.requires_grad_(role in trained)
        self.optimizers = {
            name: self.recipe.optimizer_of([p for role in roles for p in self.models[role].parameters()])
            for name, roles in stage.trained.items()
        }

    def parameters(self, loss: str) -> list[Tensor]:
        """Those that the loss of that name moves."""
        return [p for group in self.optimizers[loss].param_groups for p in group["params"]]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def update(self, rate: float, share: float, stage: Stage) -> dict[str, Moved]:
        """Move by the gradients of the losses that `stage` takes in this step. rate: the learning rate; share: of the whole
        budget that was done before it.

        Weights that live on a sphere are put back on it. Returns what tells, later, whether that went well; nothing here waits
        for the device.
        """
        moved = {}
        for optimizer in self.optimizers.values():
            _set_rate(optimizer, rate)
        for name in stage.trained:
            norm = _clipped(self.parameters(name), self.recipe.clip)
            self.optimizers[name].step()
            moved[name] = Moved(norm, self.parameters(name)[-1].detach().sum())
        for module in self.models.values():
            project(module)
        self.average.update()
        if self.slow is not None:
            self.slow.update(self.method.target_decay(share))
        return moved

    def finite(self, averages: bool = False) -> bool:
        """Whether all weights are numbers, or with `averages` those that would be scored. Waits for the device."""
        live = [p for optimizer in self.optimizers.values() for group in optimizer.param_groups for p in group["params"]]
        mine = [p for weights in self.average.weights.values() for p in weights] if averages else live
        return all(bool(torch.isfinite(p).all()) for p in mine)


def billed(state: TrainState) -> Iterator[nn.Module]:
    """The networks of a training whose evaluations are billed: all but learned weights of the loss."""
    yield from (module for module in state.models.values() if not isinstance(module, Weight))
    if state.slow is not None:
        yield state.slow.net


def _clipped(parameters: list[Tensor], clip: float) -> Tensor:
    """The norm of the gradients, which are clipped to it unless it is 0."""
    if clip:
        return torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None], foreach=True)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
