"""What one of several processes does in test_ranks.py: short trainings in float64, of which rank 0 keeps the results."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from oracle import data, teacher_of
from specs import network

from bench.data import Dataset
from bench.nets import Backbone
from bench.processes import dist, launch
from bench.teaching.teacher import Teacher
from bench.training.train import Recipe, Trainer
from bench.truth import target
from methods.base import Method
from methods.consistency import CD
from methods.ctm import CTM
from methods.ctm_gan import CTMGAN
from methods.distribution_matching import DMD2
from methods.esc import ESC
from methods.flow_matching import FlowMatching
from methods.imm import IMM
from methods.meanflow import MeanFlow
from methods.self_distillation import LSD

CPU, TRUTH, BATCH, STEPS = torch.device("cpu"), target("gaussian"), 20, 50
METHODS: dict[str, Method] = {
    "flow_matching": FlowMatching(), "lsd": LSD(), "meanflow": MeanFlow(), "cd": CD(),
    "ctm": CTM(n=4),  # a gradient scaled to another's length, both of the whole batch
    "ctm_gan": CTMGAN(n=4, onset=0.2),  # two of them
    "dmd2": DMD2(critic=0.1, every=3),  # networks at paces of their own
    "esc": ESC(group=4),
    "imm": IMM(),  # 5 groups, so shares of 8 and 12
}
FACTORY = Backbone(network({"name": "mlp", "width": 32, "depth": 1, "embedding": 16}), (2,), seed=0)


class Silent(dist.Ranks):
    """Ranks that keep their gradients to themselves."""

    def sums(self, tensors: Any) -> Any:
        return list(tensors)


def trainer(name: str, ranks: dist.Ranks, folder: Path | None = None, report: Callable[[Any], bool] = lambda message: False,
            **recipe: Any) -> Trainer:
    """50 steps that have not begun. Its teacher is a network, so that its rows are billed."""
    models = {role: module.double() for role, module in METHODS[name].build(FACTORY).items()}
    train = data(TRUTH, 500)
    points = Dataset("gaussian", "points", (2,), train, train[:10], "0" * 64, truth=TRUTH)
    teacher = Teacher(FACTORY.net().double(), "", 0, 0.0)
    settings = {"lr": 2e-3, "ema": (0.9,), "clip": 1.0, **recipe}
    return Trainer(METHODS[name], models, points, Recipe(STEPS * BATCH, BATCH, **settings), 0, CPU, folder, teacher_of(TRUTH),
                   {"net": teacher.net}, report, frozen=[teacher.net], ranks=ranks)


def result(made: Trainer) -> dict[str, Any]:
    """What must not depend on the number of processes. Every rank calls it."""
    return {"live": _flat(made.models["net"]), "average": _flat(made.averaged()), "bill": made.bill()}


def train(config: dict[str, Any], folder: str, report: Callable[[Any], bool]) -> str:
    """Every run of `config["runs"]`: (name, method, silent, recipe)."""
    torch.set_num_threads(1)
    with dist.joined(CPU) as ranks:
        for name, method, silent, recipe in config["runs"]:
            own = Silent(ranks.rank, ranks.size, ranks.control) if silent else ranks
            made = trainer(method, own, **recipe)
            made.run()
            found = result(made)
            if ranks.leads:
                torch.save(found, Path(folder) / f"{name}.pt")
        stopped = trainer("lsd", ranks, Path(folder), report)
        assert stopped.run().status == "interrupted"
        assert ranks.totals([stopped.progress.step]) == [stopped.progress.step * ranks.size], "all stop after the same step"
    return "done"


def fail(config: dict[str, Any], folder: str, report: Callable[[Any], bool]) -> str:
    """One rank fails while the other waits for it."""
    with dist.joined(CPU) as ranks:
        if ranks.rank == config["rank"]:
            raise ValueError("no such thing")
        ranks.sums([torch.zeros(1)])
    return "done"


def linger(config: dict[str, Any], folder: str, report: Callable[[Any], bool]) -> str:
    """A rank that hears and says nothing for long."""
    Path(folder, os.environ["RANK"]).write_text(str(os.getpid()))
    time.sleep(config["seconds"])
    return "done"


def begin(folder: str) -> None:
    """What a worker does that is killed meanwhile."""
    launch.execute("fake_ranks:linger", {"seconds": 3600}, folder, lambda message: False, 2)


def _flat(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])
