"""Align Your Flow (EMD, LMD): what it holds back, its definition, what it becomes, autoguidance, the law of its intervals."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from clocks import BOTH, gaussian
from oracle import Oracle, context, data, features, loss_and_gradient, one_loss, squared, teacher_of
from tangent_cases import EXACT, PLAIN, THETA, Given, N, gradient_of, taken
from torch import Tensor, nn

from methods.ayf import AYF, AYFEMD, AYFLMD
from methods.base import Batch, Context
from methods.self_distillation import ESD, LSD, StopGradient
from methods.tools.flow_map import jump
from methods.tools.interpolant import Interpolant


def interval(method: AYF, at: Context) -> tuple[Tensor, Tensor]:
    u, w = at.draws.uniform("times", 2).T
    gap = torch.sigmoid(method.mean + method.std * torch.special.ndtri(w))
    return u * (1 - gap), u * (1 - gap) + gap


# What is held back at the end of the warm-up.


@pytest.mark.parametrize("method", [AYFEMD(**PLAIN), AYFLMD(**PLAIN)], ids=["emd", "lmd"])
def test_the_hundredth_that_align_your_flow_holds_back_pulls_towards_the_teachers_velocity(method: AYF) -> None:
    truth = gaussian()
    loss, _ = one_loss(method, truth, N, progress=0.5)
    s, t = interval(method, context(method, N))
    at, x_1 = context(method, N), data(truth, N)
    x = method.interpolant.point(at.noise(x_1), x_1, s)
    v = truth.average_velocity(x, s, t)
    b = truth.velocity(x, s) if isinstance(method, AYFEMD) else truth.velocity(truth.flow(x, s, t), t)
    torch.testing.assert_close(loss.per_sample, 0.01**2 * squared(b - v), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("method", [AYFEMD(**PLAIN), AYFLMD(**PLAIN)], ids=["emd", "lmd"])
def test_the_bias_of_what_is_held_back_falls_with_it(method: AYF) -> None:
    sizes = [loss_and_gradient(replace(method, warmup_end=1 - h), gaussian(), progress=0.5).size for h in (0.02, 0.01)]
    assert sizes[0] == pytest.approx(2 * sizes[1], rel=1e-6) and sizes[1] > 1e-3


# The definition, and where the gradient is cut.


@BOTH
@pytest.mark.parametrize("normalise", [True, False], ids=["normalised", "plain"])
@pytest.mark.parametrize("progress", [0.2, 0.9], ids=["warming", "warm"])
@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_align_your_flow_is_its_definition_and_cut_at_the_tangent(
    kind: type[AYF], progress: float, normalise: bool, path: Interpolant
) -> None:
    """g = r (map's derivative along the teacher) + (1-r) (teacher's velocity - v); the map is moved, not v."""
    method, truth = kind(warmup=0.5, normalise=normalise, interpolant=path), gaussian(path)
    per_sample, gradient, net = taken(method, truth, progress=progress)
    at, x_1 = context(method, N), data(truth, N)
    s, t = interval(method, at)
    x, r = path.point(path.base_scale * at.noise(x_1), x_1, s), 0.99 * min(1.0, progress / 0.5)
    one, zero, v = torch.ones_like(s), torch.zeros_like(s), net(x, s, t)

    def moved(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return jump(net, x, s, t)

    if kind is AYFEMD:
        b = truth.velocity(x, s)
        whole = torch.func.jvp(moved, (x, s, t), (b, one, zero))[1]
    else:
        end, speed = torch.func.jvp(moved, (x, s, t), (zero[:, None] * x, zero, one))
        b = truth.velocity(end, t)
        whole = b - speed
    g = r * whole + (1 - r) * (b - v)
    if normalise:
        g = g / (g.norm(dim=1, keepdim=True) + 0.1)
    torch.testing.assert_close(per_sample, squared(g), rtol=1e-7, atol=1e-11)
    assert gradient.norm() > 1e-3
    torch.testing.assert_close(gradient, -2 * features(x, s, t).T @ g / N, rtol=1e-7, atol=1e-11)


# Where one objective becomes another.


class Taught(nn.Module):
    """A student whose diagonal is its teacher."""

    def __init__(self, net: Oracle) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: object = None, dropout: object = None) -> Tensor:
        return self.net.truth.velocity(x, t) if s is t else self.net(x, s, t)


SELF = {
    "emd": (AYFEMD(**EXACT, **PLAIN), ESD(eta=0.0, learned_weight=False, stop_gradient=StopGradient.DETACHED)),
    "lmd": (AYFLMD(**EXACT, **PLAIN), LSD(eta=0.0, learned_weight=False, stop_gradient=StopGradient.DETACHED)),
}


@pytest.mark.parametrize("name", SELF)
def test_detached_self_distillation_with_the_teacher_on_its_diagonal_is_align_your_flow(name: str) -> None:
    ours, other = SELF[name]
    loss, net = one_loss(ours, gaussian(), N, THETA)
    at = context(other, N)
    s, t = interval(ours, at)
    at = replace(at, draws=Given(at.draws, torch.stack([s, t], 1)))
    twin = other.losses({"net": Taught(net)}, Batch(data(gaussian(), N)), at)["net"].per_sample
    torch.testing.assert_close(loss.per_sample, twin, rtol=1e-9, atol=1e-12)
    assert gradient_of(loss.per_sample, net).norm() > 1e-3
    torch.testing.assert_close(gradient_of(loss.per_sample, net), gradient_of(twin, net), rtol=1e-9, atol=1e-12)


# Autoguidance.


def weakly(x: Tensor, t: Tensor, condition: object = None) -> Tensor:
    """A weak teacher that is off by a known field."""
    return gaussian().velocity(x, t) + torch.sin(x)


@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_a_guided_teacher_leaves_the_weak_one_behind(kind: type[AYF]) -> None:
    method = kind(guidance_low=1.0, guidance_high=3.0)
    at = replace(context(method, N, teacher=teacher_of(gaussian())), weak_teacher=weakly)
    x, t = data(gaussian(), N), torch.rand(N, generator=torch.Generator().manual_seed(0)).double()
    found = method.teacher(Batch(x), at)(x, t)
    lam = 1 + 2 * at.draws.uniform("guidance")[:, None]
    torch.testing.assert_close(found, lam * gaussian().velocity(x, t) + (1 - lam) * weakly(x, t))
    assert method.needs.weak_teacher and not kind().needs.weak_teacher


@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_guidance_reaches_the_loss_and_is_off_at_one(kind: type[AYF]) -> None:
    def loss(method: AYF, weak: Callable[..., Tensor] | None) -> Tensor:
        at = replace(context(method, N, teacher=teacher_of(gaussian()), progress=0.5), weak_teacher=weak)
        return method.losses({"net": Oracle(gaussian())}, Batch(data(gaussian(), N)), at)["net"].per_sample

    plain = kind(**PLAIN)
    torch.testing.assert_close(loss(plain, weakly), loss(plain, None), rtol=0, atol=0)
    guided = replace(plain, guidance_low=2.0, guidance_high=2.0)
    assert loss(guided, weakly).mean() > 100 * loss(plain, None).mean()
    with pytest.raises(ValueError, match="weak teacher"):
        loss(guided, None)


# The law of intervals.


@pytest.mark.parametrize("kind", [AYFEMD, AYFLMD], ids=["emd", "lmd"])
def test_intervals_are_logit_normal_and_start_uniformly_on_what_they_leave(kind: type[AYF]) -> None:
    _, net = one_loss(kind(), gaussian(), 40_000)
    s, t, _ = net.calls[0]
    logit = torch.logit(t - s)
    assert (logit.mean().item(), logit.std().item()) == pytest.approx((-0.8, 1), abs=0.03)
    place = s / (1 - (t - s))
    assert (place.mean().item(), place.std().item()) == pytest.approx((0.5, 12**-0.5), abs=0.01)
    assert torch.corrcoef(torch.stack([logit, place]))[0, 1].abs() < 0.02
