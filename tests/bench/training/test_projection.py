"""Weights that live on a sphere are on it after every step, before averages are folded, and a restart does not move them."""

from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.config import request
from bench.layers.magnitude import MPConv, MPLinear
from bench.measuring.subject import Subject, subject

SMALL = ["sweep=none", "data=digits", "backbone=edm2", "backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.blocks=1",
         "backbone.attention=[4]", "budget.batch=8", "budget.images=64", "train.lr=1e-2"]  # fmt: skip


def begun(method: str, *more: str) -> Subject:
    (experiment,) = request([*SMALL, f"method={method}", *more]).experiments
    made = subject(experiment, (1, 8, 8), torch.device("cpu"), 8)
    made.begin(0)
    return made


def spheres(net: nn.Module) -> list[Tensor]:
    return [module.weight.detach() for module in net.modules() if isinstance(module, MPConv | MPLinear)]


def off(weight: Tensor) -> float:
    """How far a weight is from its sphere."""
    return float((weight.flatten(1).norm(dim=1) / sqrt(weight[0].numel()) - 1).abs().max())


@pytest.mark.parametrize("method", ["lsd", "ctm", "cd", "dsno"])
def test_trained_weights_are_on_their_spheres_after_a_step_and_frozen_ones_where_they_were(method: str) -> None:
    made = begun(method)
    trainer = made.trainer
    frozen = [[w.clone() for w in spheres(net)] for net in trainer.frozen]
    for _ in range(3):
        made.step()
        for net in trainer.models.values():
            assert all(off(weight) < 1e-5 for weight in spheres(net))
    assert len(spheres(trainer.models["net"])) > 20
    for net, before in zip(trainer.frozen, frozen, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(before, spheres(net), strict=True))


def test_without_a_projection_they_would_leave_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.training.state.project", lambda net: None)
    made = begun("lsd")
    for _ in range(3):
        made.step()
    assert max(off(weight) for weight in spheres(made.trainer.models["net"])) > 1e-3


def test_averages_are_of_projected_weights() -> None:
    trainer = (made := begun("lsd")).trainer
    start = [p.detach().clone() for p in trainer.models["net"].parameters()]
    made.step()
    (averages,) = trainer.state.average.weights.values()
    for before, average, live in zip(start, averages, trainer.models["net"].parameters(), strict=True):
        torch.testing.assert_close(average, before.lerp(live.detach(), 1 - 2 / 11))  # the decay of a first step


def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    def run(folder: Path, stop: bool = False) -> tuple[str, list[Tensor]]:
        trainer = begun("lsd").trainer
        trainer = replace(trainer, folder=folder, report=lambda message: stop)
        status = trainer.run().status
        (averages,) = trainer.state.average.weights.values()
        return status, [*trainer.models["net"].parameters(), *averages]

    status, whole = run(tmp_path / "whole")
    assert status == "done" and run(tmp_path / "stopped", stop=True)[0] == "interrupted"
    status, again = run(tmp_path / "stopped")
    assert status == "done" and all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
