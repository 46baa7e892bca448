"""Short trainings of small networks on points, and how far the map that they learned is from the exact one.

The one-jump map error E|Xhat_{0,1}(x_0) - X_{0,1}(x_0)|^2 of an untrained network (the identity) is about 1.9 on the
Gaussian and 0.51 on the skewed target; a right objective brings it below 0.04 and 0.1 in a few seconds.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from oracle import data, teacher_of
from specs import network
from torch import Tensor, nn

from bench.data import Dataset
from bench.nets import Backbone
from bench.training.rng import generator
from bench.training.train import Recipe, Trainer
from bench.truth import target
from methods.base import Method
from methods.flow_matching import FlowMatching

CPU = torch.device("cpu")
NET = {"name": "mlp", "width": 64, "depth": 2, "embedding": 32}
BATCH, STEPS = 256, 500


@lru_cache
def points(name: str) -> Dataset:
    truth = target(name)
    train, heldout = (data(truth, n, seed=7, step=n).float() for n in (20_000, 100))
    return Dataset(name, "points", (2,), train, heldout, "0" * 64, truth=truth)


def trained(method: Method, name: str, steps: int, previous: nn.Module | None = None, **recipe: Any) -> Trainer:
    """A finished training. The teacher's velocity is exact."""
    settings = {"lr": 2e-3, "ema": (0.99,), "clip": 10.0, **recipe}
    models = method.build(Backbone(network(NET), (2,), seed=0))
    trainer = Trainer(method, models, points(name), Recipe(steps * BATCH, BATCH, **settings), 0, CPU,
                      teacher=teacher_of(target(name)), teacher_models={"net": previous} if previous else {})
    assert trainer.run().status == "done"
    return trainer


@lru_cache
def flow(name: str) -> Trainer:
    return trained(FlowMatching(), name, 800)


def teacher_net(name: str) -> nn.Module:
    """A velocity network, from which students of progressive distillation start."""
    return flow(name).averaged()


@torch.no_grad()
def map_error(name: str, jump: Callable[[Tensor, Tensor, Tensor], Tensor]) -> float:
    """Of the whole way from noise to data, on 2,000 points."""
    x = torch.randn((2000, 2), generator=generator(CPU, "map error"))
    zero, one = torch.zeros(len(x)), torch.ones(len(x))
    return (jump(x, zero, one) - exact(name)).square().sum(1).mean().item()


@lru_cache
def exact(name: str) -> Tensor:
    x = torch.randn((2000, 2), generator=generator(CPU, "map error"))
    return target(name).flow(x, torch.zeros(len(x)), torch.ones(len(x)))


def one_jump(trainer: Trainer) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    models = {**trainer.models, "net": trainer.averaged()}
    return lambda x, s, t: trainer.method.jump(models, x, s, t)


def learned(method: Method, name: str) -> float:
    """The one-jump map error after training; some students start as their teacher."""
    start = teacher_net(name) if method.needs.teacher else None
    return map_error(name, one_jump(trained(method, name, STEPS, start)))


def live(trainer: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.models["net"].parameters()]).clone()


def live_of(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()
