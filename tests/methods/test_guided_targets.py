"""Guidance inside of a target: its fixed point is the guided velocity, and it is nothing without a scale or a class."""

from dataclasses import replace

import pytest
import torch
from oracle import context
from specs import network
from torch import Tensor, nn

from bench.data import Dataset
from bench.nets import Backbone
from bench.training.contract import CHECKS, Subject
from methods.base import Batch, Method
from methods.flow_matching import FlowMatching
from methods.improved_meanflow import ImprovedMeanFlow
from methods.meanflow import MeanFlow
from methods.self_distillation import LSD
from methods.terminal_velocity import TerminalVelocity
from methods.tools import Linear, guided_velocity

MEANS, ROWS = torch.tensor([-1.5, 1.0], dtype=torch.float64), 200_000  # of two classes on the line, of variance 1/4 each
NULL = 2


def class_velocity(x: Tensor, s: Tensor, mean: Tensor) -> Tensor:
    """b_s of a normal law of that mean: E[x_1 - x_0 | I_s = x]."""
    s = s[:, None]
    variance = (1 - s) ** 2 + 0.25 * s**2
    return mean + (0.25 * s - (1 - s)) / variance * (x - s * mean)


class Exact(nn.Module):
    """v_{s,s} of both classes and of the two together, guided with the scale w: b_null + w (b_class - b_null)."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = w
        self.calls = 0

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
        assert condition is not None
        self.calls += 1
        of = torch.stack([class_velocity(x, s, mean) for mean in MEANS])
        variance = (1 - s[:, None]) ** 2 + 0.25 * s[:, None] ** 2
        likely = torch.softmax(torch.stack([-((x - s[:, None] * mean) ** 2) / (2 * variance) for mean in MEANS]), 0)
        none, told = (likely * of).sum(0), condition.clamp(max=1)[:, None]
        own = torch.where(told == 1, of[1], of[0])
        return torch.where(condition[:, None] == NULL, none, none + self.w * (own - none))


def drawn() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """x, s, I', class, null and whether there is one, of ROWS samples at one time."""
    g = torch.Generator().manual_seed(0)
    label = torch.randint(0, 2, (ROWS,), generator=g)
    x_1 = MEANS[label][:, None] + 0.5 * torch.randn(ROWS, 1, generator=g, dtype=torch.float64)
    x_0 = torch.randn(ROWS, 1, generator=g, dtype=torch.float64)
    s, path = torch.full((ROWS,), 0.6, dtype=torch.float64), Linear()
    kept = torch.rand(ROWS, generator=g) > 0.3
    null = torch.full_like(label, NULL)
    return path.point(x_0, x_1, s), s, path.velocity(x_0, x_1, s), torch.where(kept, label, null), null, kept


@pytest.mark.parametrize(("omega", "kappa"), [(2.0, 0.0), (0.5, 0.75), (1.5, 0.4)])
def test_the_guided_velocity_is_the_fixed_point_and_samples_without_a_class_keep_their_own(omega: float, kappa: float) -> None:
    x, s, speed, label, null, kept = drawn()
    for w, fixed in ((omega / (1 - kappa), True), (1.0, False)):
        net = Exact(w)
        target = guided_velocity(net, (label, null, kept), x, s, speed, omega, kappa)
        assert torch.equal(target[~kept], speed[~kept])
        off = (net(x, s, s, condition=label) - target)[kept]
        parts = [off[label[kept] == c] for c in (0, 1)]
        errors = [float(part.mean().abs() / (part.std() / len(part) ** 0.5)) for part in parts]
        assert all(error < 4 for error in errors) == fixed and (fixed or min(errors) > 20)


def test_without_guidance_meanflow_calls_nothing_more_and_asks_for_no_classes() -> None:
    plain = MeanFlow()
    assert not plain.needs.labels and plain.needs.cost == 2 and not replace(plain, omega=1.0, kappa=0.0).guided
    guided = replace(plain, omega=0.5, kappa=0.5)
    assert guided.needs.labels and guided.needs.cost > 2
    g = torch.Generator().manual_seed(1)
    x_1, label = torch.randn(16, 1, generator=g, dtype=torch.float64), torch.randint(0, 3, (16,), generator=g)
    batch, at = Batch(x_1, label, null=torch.full_like(label, NULL)), context(plain, 16)
    calls = []
    for method in (plain, guided):
        net = Exact(1.0)
        method.losses({"net": net}, batch, at)
        calls.append(net.calls)
    assert calls[1] == calls[0] + 2
    with pytest.raises(ValueError, match="need class labels"):
        guided.losses({"net": Exact(1.0)}, Batch(x_1, label), at)


def test_the_loss_of_meanflow_regresses_on_the_guided_velocity() -> None:
    method, g = replace(MeanFlow(), omega=0.5, kappa=0.5, eta=1.0, power=0.0), torch.Generator().manual_seed(1)
    x_1, label = torch.randn(16, 1, generator=g, dtype=torch.float64), torch.arange(16) % 3
    null, at, net = torch.full_like(label, NULL), context(method, 16), Exact(1.3)
    found = method.losses({"net": net}, Batch(x_1, label, null=null), at)["net"].per_sample
    x_0, (u, u_2) = at.noise(x_1), at.uniform_pair("times")
    s = torch.minimum(method.time_law(u), method.time_law(u_2))
    x, speed = Linear().point(x_0, x_1, s), Linear().velocity(x_0, x_1, s)
    target = guided_velocity(net, (label, null, label != NULL), x, s, speed, 0.5, 0.5)
    torch.testing.assert_close(found, (net(x, s, s, condition=label) - target).square()[:, 0])


CLOUD = torch.randn(60, 2, generator=torch.Generator().manual_seed(3))
LABELLED = Dataset("labelled", "points", (2,), CLOUD, torch.zeros(2, 2), "0" * 64, labels=torch.arange(60) % 3)
TOLD = Backbone(network({"name": "mlp", "width": 16, "depth": 1, "embedding": 8, "classes": 3}), (2,), 0)


@pytest.mark.parametrize("check", ["losses", "pure", "slices", "gradients"])
@pytest.mark.parametrize("method", [
    MeanFlow(omega=0.5, kappa=0.5), FlowMatching(), LSD(), LSD(scale=(1.0, 4.0)), TerminalVelocity(scale=(1.0, 4.0)),
    ImprovedMeanFlow(scale=(2.0, 2.0)),
], ids=["guided", "fm", "lsd", "lsd_told", "tvm_told", "imf_fixed"])  # fmt: skip
def test_with_classes_of_which_some_are_dropped_a_method_keeps_the_contract(method: Method, check: str) -> None:
    CHECKS[check](Subject(method, TOLD, LABELLED, 2**16, 16, torch.float64))
