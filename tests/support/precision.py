"""How the gradients of a method in bfloat16 agree with those in float32, on networks that have been trained for a while."""

import copy
import importlib
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple
from unittest.mock import patch

import torch
from contract import made
from specs import network
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from bench.data.digits import load
from bench.layers import Conv2d, Linear, lowered
from bench.nets import Backbone
from bench.training import Recipe, Trainer
from methods.base import TeacherVelocity
from methods.tools import solve

NETWORKS = {
    "mlp": {"name": "mlp"},
    "unet": {"name": "unet", "channels": 16, "multipliers": [1, 2], "blocks": 1, "attention": [4], "embedding": 64},
}
AFFINE = importlib.import_module("bench.layers.affine")  # the room hands out a function of that name
CPU = torch.device("cpu")
BATCH, PATHS = 64, 256
ROWS = 256  # of the gradients that are compared
POINTS = (0.5, 1.0)  # of the training: differences of neighbouring times shrink towards the end of some


class Agreement(NamedTuple):
    """The cosine of both gradients, and the length of bfloat16's over that of float32's."""

    cosine: float
    length: float

    @property
    def holds(self) -> bool:
        """What `Needs.precision` promises of a method."""
        return self.cosine > 0.99 and abs(self.length - 1) < 0.02


def agreements(name: str, backbone: str, steps: int) -> dict[tuple[str, float], Agreement]:
    """Of "tf32" and "bf16" half-way and at the end of a training in float32 of so many steps, on digits."""
    trainer, found = training(name, backbone, steps), {}

    def measure(point: float) -> None:
        high = gradient(trainer, low=False)
        with patch.object(AFFINE, "_operands", as_tf32):
            found["tf32", point] = compared(gradient(trainer, low=True), high)
        found["bf16", point] = compared(gradient(trainer, low=True), high)
        for layer in layers(trainer):
            layer.lowered = False

    stops = (trainer.progress.steps // 2, trainer.progress.steps - 1)
    trainer.rungs = {stop: partial(measure, point) for point, stop in zip(POINTS, stops, strict=True)}
    trainer.run()
    return found


def compared(low: Tensor, high: Tensor) -> Agreement:
    """Of two gradients."""
    return Agreement(float(torch.cosine_similarity(high, low, dim=0)), float(low.norm() / high.norm()))


def as_tf32(layer: Linear | Conv2d, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """What a GPU's TF32 product takes: of a mantissa's 23 bits the first ten."""
    return (rounded(x), rounded(layer.weight), layer.bias) if layer.lowered else (x, layer.weight, layer.bias)


def rounded(x: Tensor) -> Tensor:
    """x + (its rounding error), differentiable in every mode as x is. The products of the backward pass are float32's."""
    value = unpack_dual(x.detach()).primal
    low = ((value.view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)
    return x + (low - value)


def gradient(trainer: Trainer, low: bool) -> Tensor:
    """Of all that the next step trains, in float64 and one vector."""
    for net in nets(trainer) if low else ():
        lowered(net)
    step, total = trainer.step, []
    whole = step.recipe, step.rows
    at, progress = trainer.progress.step, trainer.progress
    progress.step += -(at - progress.start + 1) % progress.stage.cycle  # to a step that takes all losses
    step.recipe = replace(step.recipe, batch=ROWS)
    step.rows = trainer.ranks.share(ROWS, trainer.method.needs.group)
    step.gradients(trainer.progress)
    step.recipe, step.rows = whole
    progress.step = at
    for name in trainer.state.optimizers:
        total += [p.grad.double().flatten() for p in trainer.state.parameters(name) if p.grad is not None]
    return torch.cat(total)


def layers(trainer: Trainer) -> list[Linear | Conv2d]:
    """Those that can be lowered."""
    return [layer for net in nets(trainer) for layer in net.modules() if isinstance(layer, Linear | Conv2d)]


def training(name: str, backbone: str, steps: int) -> Trainer:
    """Of so many steps of the method; its teachers are trained."""
    method, networks = made(name), Backbone(network(NETWORKS[backbone]), load().shape, 0)
    needs = method.needs
    taught = velocity(backbone, steps) if needs.teacher else None
    weak = velocity(backbone, steps // 4) if needs.weak_teacher else None
    paths = None
    if needs.trajectories is not None:
        assert taught is not None
        x_0 = torch.randn((PATHS, *load().shape), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            paths = solve(needs.trajectories.solver, lambda x, t: b(taught)(x, t, None), x_0, needs.trajectories.times,
                          needs.trajectories.kept)
    recipe = Recipe(steps * BATCH, BATCH, logs=0, checkpoints=0)
    return Trainer(
        method, method.build(networks), load(), recipe, 0, CPU, None, b(taught) if taught else None,
        {"net": taught} if taught else {}, weak_teacher=b(weak) if weak else None, trajectories=paths,
        frozen=[net for net in (taught, weak) if net is not None],
    )  # fmt: skip


@lru_cache
def teacher(backbone: str, steps: int) -> nn.Module:
    """Flow matching's."""
    trainer = training("flow_matching", backbone, steps)
    trainer.run()
    return trainer.averaged().requires_grad_(False)


def velocity(backbone: str, steps: int) -> nn.Module:
    """A copy of its own: to lower one leaves the others alone."""
    return copy.deepcopy(teacher(backbone, steps))


def b(net: nn.Module) -> TeacherVelocity:
    """b_t(x) of a network."""

    def velocity(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        out: Tensor = net(x, t, t, condition=condition)
        return out

    return velocity


def nets(trainer: Trainer) -> list[nn.Module]:
    """All that a step calls."""
    slow = [trainer.state.slow.net] if trainer.state.slow else []
    return [*trainer.models.values(), *trainer.frozen, *slow]
