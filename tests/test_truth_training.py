"""Short trainings, for what stationarity cannot see: laws of time, the diagonal term, weights, averages, rounds.

The one-jump map error E|Xhat_{0,1}(x_0) - X_{0,1}(x_0)|^2 of an untrained network (the identity) is about 1.8 on both
targets; a right objective brings it below its bar in a few seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pytest
import torch
from oracle import data, teacher_of
from torch import Tensor, nn

from bench.data import Dataset
from bench.ema import Averages
from bench.nets import Backbone
from bench.rng import generator
from bench.schedule import factor
from bench.train import Recipe, Trainer
from bench.truth import target
from methods.base import Method
from methods.consistency import CD, ECT, EasyPairs, KarrasPairs
from methods.flow_map_matching import LMD
from methods.flow_matching import FlowMatching
from methods.imm import IMM
from methods.meanflow import MeanFlow
from methods.progressive import Progressive
from methods.self_distillation import ESD, LSD, PSD

CPU = torch.device("cpu")
NET = {"name": "mlp", "width": 64, "depth": 2, "embedding": 32}
BATCH = 256


@lru_cache
def points(name: str) -> Dataset:
    truth = target(name)
    train, heldout = (data(truth, n, seed=7, step=n).float() for n in (20_000, 100))
    return Dataset(name, "points", (2,), train, heldout, "0" * 64, truth=truth)


def trained(method: Method, name: str, steps: int, previous: nn.Module | None = None, **recipe: Any) -> Trainer:
    """A finished training. The teacher's velocity is exact."""
    settings = {"lr": 2e-3, "ema": (0.99,), "clip": 10.0, **recipe}
    models = method.build(Backbone(NET, (2,), seed=0))
    trainer = Trainer(method, models, points(name), Recipe(steps * BATCH, BATCH, **settings), 0, CPU,
                      teacher=teacher_of(target(name)), teacher_models={"net": previous} if previous else {})
    assert trainer.run().status == "done"
    return trainer


@lru_cache
def teacher_net(name: str) -> nn.Module:
    """A velocity network, from which students of progressive distillation start."""
    return trained(FlowMatching(), name, 1500).averaged()


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


def many_steps(trainer: Trainer, steps: int = 32) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Euler's on the diagonal of the averaged network."""
    net = trainer.averaged()

    def jump(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        for k in range(steps):
            u = s + (t - s) * k / steps
            x = x + (t - s)[0] / steps * net(x, u, u)
        return x

    return jump


@dataclass(frozen=True)
class Case:
    """A method with its number of steps and its bars for the two targets."""

    method: Method
    steps: int
    gaussian: float
    skewed: float


CASES = {
    "lsd": Case(LSD(eta=0.5), 600, 0.04, 0.1),
    "esd": Case(ESD(eta=0.5), 600, 0.04, 0.1),
    "psd_m": Case(PSD(eta=0.5), 600, 0.04, 0.1),
    "psd_u": Case(PSD(eta=0.5, uniform=True), 600, 0.04, 0.1),
    "meanflow": Case(MeanFlow(), 600, 0.04, 0.1),
    "lmd": Case(LMD(), 600, 0.04, 0.1),
    "cd": Case(CD(pairs=KarrasPairs(18)), 600, 0.04, 0.1),
    "ect": Case(ECT(pairs=EasyPairs(doublings=4)), 600, 0.04, 0.1),
    "imm": Case(IMM(), 600, 0.04, 0.1),
    "progressive": Case(Progressive(start=8), 600, 0.04, 0.1),
}


if __name__ == "__main__":
    import time, sys
    print("identity", [map_error(n, lambda x, s, t: x) for n in ("gaussian", "skewed")])
    for n in ("gaussian", "skewed"):
        t0 = time.time()
        tr = trained(FlowMatching(), n, 1000)
        print(n, "flow", map_error(n, many_steps(tr)), map_error(n, one_jump(tr)), time.time() - t0, flush=True)
    for k, c in CASES.items():
        if len(sys.argv) > 1 and k not in sys.argv[1:]: continue
        for n in ("gaussian", "skewed"):
            for steps in (600, 1500):
                t0 = time.time()
                prev = teacher_net(n) if k == "progressive" else None
                t1 = time.time()
                tr = trained(c.method, n, steps, prev)
                print(n, k, steps, f"{map_error(n, one_jump(tr)):.4f}", f"{time.time() - t1:.1f}s", flush=True)
