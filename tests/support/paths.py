"""A teacher's stored paths as tests make them: exact ones, solved ones, and a short training on them."""

import torch
from oracle import teacher_of
from specs import network
from torch import Tensor, nn
from trainings import BATCH, CPU, NET, points

from bench.nets import Backbone
from bench.training.rng import generator
from bench.training.train import Recipe, Trainer
from bench.truth import Truth, target
from methods.base import Method, Trajectories
from methods.tools.solvers import solve


def wanted(method: Method) -> Trajectories:
    """The paths that the method asks for."""
    found = method.needs.trajectories
    assert found is not None
    return found


def starts(truth: Truth, n: int, step: int = 0) -> Tensor:
    """Noise x_0 (n, 2)."""
    return truth.base_scale * torch.randn((n, 2), generator=generator(CPU, "paths", step), dtype=torch.float64)


def exact_paths(method: Method, truth: Truth, n: int) -> Tensor:
    """(n, 1 + kept, 2): the noise, and where the exact map takes it."""
    x_0, paths = starts(truth, n), wanted(method)
    zero = torch.zeros(n, dtype=torch.float64)
    return torch.stack([x_0, *(truth.flow(x_0, zero, torch.full_like(zero, paths.times[k])) for k in paths.kept)], 1)


def solved_paths(method: Method, truth: Truth, n: int) -> Tensor:
    """Likewise by the method's solver, with the exact velocity."""
    velocity, paths = teacher_of(truth), wanted(method)
    return solve(paths.solver, lambda x, t: velocity(x, t), starts(truth, n), paths.times, paths.kept)


def trained_on_paths(method: Method, name: str, steps: int, previous: nn.Module | None = None) -> Trainer:
    """A finished training on 8,192 exact paths; the teacher's velocity is exact as well."""
    trainer = Trainer(
        method, method.build(Backbone(network(NET), (2,), seed=0)), points(name),
        Recipe(steps * BATCH, BATCH, lr=2e-3, ema=(0.99,), clip=10.0), 0, CPU, teacher=teacher_of(target(name)),
        teacher_models={"net": previous} if previous else {}, trajectories=exact_paths(method, target(name), 8192).float(),
    )  # fmt: skip
    assert trainer.run().status == "done"
    return trainer
