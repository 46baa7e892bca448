"""The scale of guidance in training: at the exact guided map the gradient vanishes, the network is told what it is asked."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from oracle import context, features
from torch import Tensor, nn

from bench.layers import parted
from methods.base import Batch, Context
from methods.guided import GuidedMethod
from methods.improved_meanflow import ImprovedMeanFlow, Tangent
from methods.self_distillation import ESD, LSD, PSD
from methods.split_meanflow import SplitMeanFlow
from methods.terminal_velocity import TerminalVelocity
from methods.tools import Guide, Linear

VARIANCES, NULL = torch.tensor([0.1, 2.0, 0.6], dtype=torch.float64), 2  # of two classes and of none: normal laws about 0
ROWS, GROUPS = 1000, 20
PLAIN: dict[str, Any] = {"learned_weight": False}
METHODS: dict[str, GuidedMethod] = {
    "lsd": LSD(**PLAIN), "esd": ESD(**PLAIN), "psd_m": PSD(**PLAIN), "psd_u": PSD(uniform=True, **PLAIN),
    "tvm": TerminalVelocity(), "imf": ImprovedMeanFlow(power=0.0),
    "imf_conditional": ImprovedMeanFlow(power=0.0, velocity=0.0, tangent=Tangent.CONDITIONAL), "split": SplitMeanFlow(eta=0.75),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", METHODS)


class GuidedMap(nn.Module):
    """v_{s,t} of the flow of b_w = w b(class) + (1 - w) b(null), in closed form, and a perturbation that is zero.

    The flow of b_c multiplies by sigma_c(t) / sigma_c(s), with sigma_c the deviation of I_t in class c; that of b_w by the
    w-th power of it and the (1 - w)-th of that of no class. w: the scale where none is told; off: added to every scale.
    """

    def __init__(self, w: float = 1.0, off: float = 0.0) -> None:
        super().__init__()
        self.w, self.off, self.theta = w, off, nn.Parameter(torch.zeros(9, 2, dtype=torch.float64))
        self.calls: list[tuple[Tensor, Tensor, bool]] = []

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
        label, told = parted(condition)
        assert label is not None
        w = (torch.full_like(s, self.w) if told is None else told) + self.off
        self.calls.append((label, w.detach(), torch.is_grad_enabled()))
        log, slope = _deviation(label, s, t)
        log_null, slope_null = _deviation(torch.full_like(label, NULL), s, t)
        growth, rate = w * log + (1 - w) * log_null, w * slope + (1 - w) * slope_null
        gap = torch.where(t == s, torch.ones_like(s), t - s)
        mean = torch.where(t == s, rate, torch.expm1(growth) / gap)
        return x * mean[:, None] + features(x, s, t) @ self.theta[:8] + x * self.theta[8]


class LabelledTeacher:
    """b(class), which is told no scale; `labels` of its calls."""

    def __init__(self) -> None:
        self.labels: list[Tensor] = []

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        assert condition is not None and condition.ndim == 1
        self.labels.append(condition)
        return x * _deviation(condition, t, t)[1][:, None]


def at_step(method: GuidedMethod, n: int, net: nn.Module, step: int = 0, teacher: LabelledTeacher | None = None) -> Context:
    return context(method, n, step=step, target={"net": net}, teacher=teacher or LabelledTeacher())


def _deviation(label: Tensor, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """log sigma(t) / sigma(s), and (log sigma)'(s)."""
    v = VARIANCES[label]

    def square(u: Tensor) -> Tensor:
        return (1 - u) ** 2 + v * u**2

    return (square(t).log() - square(s).log()) / 2, (v * s - (1 - s)) / square(s)


def batch_of(n: int, seed: int = 0) -> Batch:
    """n samples of both classes, a fifth of them, as all others of no class, with its law."""
    g = torch.Generator().manual_seed(seed)
    label = torch.where(torch.rand(n, generator=g) < 0.2, NULL, torch.randint(0, 2, (n,), generator=g))
    x_1 = VARIANCES[label].sqrt()[:, None] * torch.randn(n, 2, generator=g, dtype=torch.float64)
    return Batch(x_1, label, null=torch.full_like(label, NULL))


def gradients(method: GuidedMethod, net: GuidedMap) -> Tensor:
    """(GROUPS, 18): of the mean loss of each group of samples."""
    found = []
    for k in range(GROUPS):
        at = at_step(method, ROWS, net, k)
        loss = method.losses({"net": net}, batch_of(ROWS, k), at)["net"]
        (grad,) = torch.autograd.grad(loss.per_sample.mean(), [net.theta])
        found.append(grad.flatten())
    return torch.stack(found)


def errors(found: Tensor) -> float:
    """How many standard errors the mean is off, at most."""
    return float((found.mean(0).abs() / (found.std(0) / len(found) ** 0.5)).max())


@EACH
def test_the_guided_map_and_no_other_is_stationary(name: str) -> None:
    method = replace(METHODS[name], scale=(1.0, 4.0))
    assert errors(gradients(method, GuidedMap())) < 4
    assert errors(gradients(method, GuidedMap(off=2.0))) > 10


@pytest.mark.parametrize("name", ["lsd", "tvm", "imf", "split"])
def test_at_one_scale_alone_that_map_is_stationary_and_the_network_is_not_told(name: str) -> None:
    method = replace(METHODS[name], scale=(2.5, 2.5))
    assert errors(gradients(method, GuidedMap(2.5))) < 4
    assert errors(gradients(method, GuidedMap(1.0))) > 10


@pytest.mark.parametrize("name", ["lsd", "esd", "psd_m", "psd_u", "tvm", "split"])
def test_off_the_diagonal_the_guided_map_keeps_its_identity_sample_by_sample(name: str) -> None:
    method, net = replace(METHODS[name], scale=(1.0, 4.0)), GuidedMap()
    at = at_step(method, ROWS, net)
    parts = method.losses({"net": net}, batch_of(ROWS), at)["net"].parts
    assert float(parts["terminal" if name == "tvm" else "distillation"].max()) < 1e-12


@EACH
def test_every_call_is_told_the_scale_of_its_sample_and_that_of_no_class_is_a_target(name: str) -> None:
    method, net, labels = replace(METHODS[name], scale=(1.0, 4.0)), GuidedMap(), torch.arange(16) % 2
    teacher, batch = LabelledTeacher(), replace(batch_of(16), condition=labels)
    at = at_step(method, 16, net, teacher=teacher)
    method.losses({"net": net}, batch, at)
    u = at.draws.uniform("scale")
    law = torch.exp(u * torch.tensor(4.0).double().log())  # of the density 1/w on [1, 4]
    split = isinstance(method, LSD | ESD | PSD)
    on, off = at.split(method.eta) if split else (torch.arange(16), torch.arange(0))
    for label, w, grad in net.calls:
        rows = on if len(w) == len(on) else off
        torch.testing.assert_close(w, law[rows])
        if (label == NULL).all():
            assert not grad
        else:
            assert torch.equal(label, labels[rows])
    asked = [*(label for label, *_ in net.calls), *teacher.labels]
    assert [len(label) for label in asked if (label == NULL).all()] == [len(on)]


@EACH
def test_without_guidance_it_calls_nothing_more_and_asks_for_no_classes(name: str) -> None:
    plain = METHODS[name]
    told, fixed = replace(plain, scale=(1.0, 4.0)), replace(plain, scale=(2.0, 2.0))
    assert not plain.needs.labels and plain.needs.scale is None and replace(plain, scale=(1.0, 1.0)).needs == plain.needs
    assert told.needs.labels and told.needs.scale == (1.0, 4.0) and fixed.needs.labels and fixed.needs.scale is None
    assert told.needs.cost == fixed.needs.cost > plain.needs.cost
    calls = []
    for method in (plain, told, fixed):
        net, teacher = GuidedMap(), LabelledTeacher()
        method.losses({"net": net}, batch_of(16), at_step(method, 16, net, teacher=teacher))
        calls.append(len(net.calls) + len(teacher.labels))
    more = 2 if name == "imf_conditional" else 1  # its target takes the velocity of the class, which it does not learn
    assert calls == [calls[0], calls[0] + more, calls[0] + more]
    with pytest.raises(ValueError, match="need class labels"):
        told.losses({"net": GuidedMap()}, replace(batch_of(16), null=None), context(told, 16))


@pytest.mark.parametrize("alone", [False, True], ids=["own", "alone"])
def test_a_target_of_scale_one_or_of_no_class_is_the_sample_s_own_velocity_to_the_bit(alone: bool) -> None:
    batch, net, path = batch_of(ROWS), GuidedMap(), Linear()
    of_class, of_none, has = batch.guidable()
    g = torch.Generator().manual_seed(1)
    x_0, s = torch.randn(ROWS, 2, generator=g, dtype=torch.float64), torch.rand(ROWS, generator=g, dtype=torch.float64)
    w = torch.where(torch.arange(ROWS) % 2 == 0, 1.0, 3.0).double()
    guide = Guide(net, of_class, of_none, has, w, tells=True)
    x, speed = path.point(x_0, batch.x_1, s), path.velocity(x_0, batch.x_1, s)
    own = None if alone else net(x, s, s, condition=guide.told)
    target = guide.velocity(x, s, speed, own)
    plain = (w == 1) | ~has
    assert torch.equal(target[plain], speed[plain]) and not target.requires_grad
    none = net(x, s, s, condition=of_none).detach()
    led = 3 * speed - 2 * none if own is None else speed + (1 - 1 / 3) * (own.detach() - none)
    torch.testing.assert_close(target[~plain], led[~plain])
    assert Guide(net, of_class).velocity(x, s, speed, own) is speed


def test_terminal_velocity_weighs_both_terms_by_the_square_of_the_scale() -> None:
    method = TerminalVelocity(scale=(1.0, 4.0))
    net, batch = GuidedMap(off=0.3), batch_of(32)
    at = context(method, 32, target={"net": net})
    loss = method.losses({"net": net}, batch, at)["net"]
    w = 4 ** at.draws.uniform("scale")
    torch.testing.assert_close(loss.per_sample, (loss.parts["terminal"] + loss.parts["velocity"]) / w**2)


def test_a_range_that_falls_is_refused() -> None:
    with pytest.raises(ValueError, match=r"method\.scale=\[4\.0, 1\.0\]"):
        LSD(scale=(4.0, 1.0))
